"""Object stores on this machine that fail on request: moto's S3, and an emulator of Google's.

Clients are pointed at them by the environment, as at any other S3-compatible store.
"""

import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

BUCKET = "bucket"


class S3:
    """S3 as moto has it, in this process, with one bucket.

    Attributes:
      url: of the bucket.
      failing: share of requests that are answered with an error of the server.
      denies: whether all requests are answered with "access denied".
      asked: requests so far.
      failed: how many of them failed so.
    """

    url = f"s3://{BUCKET}"

    def __init__(self, seed: int = 0):
        import fsspec
        from moto.server import DomainDispatcherApplication, create_backend_app

        self.failing, self.asked, self.failed, self.denies = 0.0, 0, 0, False
        self._random = random.Random(seed)
        self._app = DomainDispatcherApplication(create_backend_app)
        self._port = _free_port()
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self.start()
        fsspec.filesystem("s3").mkdir(BUCKET)

    def start(self) -> None:
        """Answers, with all that was there when it stopped."""
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log_request(self, *_: object) -> None:
                pass

        options = {"threaded": True, "request_handler": Quiet}
        self._server = make_server("127.0.0.1", self._port, self._answer, **options)
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def stop(self) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def restarted(self, every_secs: float, away_secs: float) -> Iterator[list[float]]:
        """Stops and starts it again and again; the times at which it was stopped."""
        ends, times = threading.Event(), list[float]()

        def restart() -> None:
            while not ends.wait(every_secs):
                self.stop()
                times.append(time.monotonic())
                time.sleep(away_secs)
                self.start()

        thread = threading.Thread(target=restart, daemon=True)
        thread.start()
        try:
            yield times
        finally:
            ends.set()
            thread.join()

    def _answer(self, environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.asked += 1
        if self.denies:
            environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
            said = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            if environment["REQUEST_METHOD"] == "HEAD":  # Its body would be taken for an answer.
                said = b""
            of_said = [("Content-Type", "application/xml"), ("Content-Length", str(len(said)))]
            start("403 Forbidden", of_said)
            return [said]
        if self._random.random() >= self.failing:
            return self._app(environment, start)
        self.failed += 1
        environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
        start(self._random.choice(["500 Internal Error", "503 Slow Down"]), [])
        return [b""]


class Gcs:
    """Google Cloud Storage as gcp-storage-emulator has it, in this process, with one bucket.

    Attributes:
      url: of the bucket.
    """

    url = f"gs://{BUCKET}"

    def __init__(self) -> None:
        from gcp_storage_emulator.server import create_server

        port = _free_port()
        os.environ |= {
            "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # Asks Google what kind a bucket is.
        }
        server = create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
        server._api.daemon = True
        server.start()
        server._api._httpd.handle_error = lambda *_: None  # Whoever hangs up early is shown.


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
