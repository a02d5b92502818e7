"""Beam's worker pool, which starts a process for every worker that an engine asks for."""

import contextlib
import dataclasses
import os
import pathlib
import socket
import subprocess
from collections.abc import Iterator

import grpc

_LIMIT_SECS = 60.0


@dataclasses.dataclass(frozen=True)
class WorkerPool:
    """A running pool: the flags that name it, and what its workers print."""

    port: int
    log_path: pathlib.Path

    @property
    def flags(self) -> list[str]:
        return ["--environment_type=EXTERNAL", f"--environment_config=localhost:{self.port}"]

    def log(self) -> str:
        return self.log_path.read_text()


@contextlib.contextmanager
def worker_pool(
    python: str | pathlib.Path, *, cwd: pathlib.Path, log: pathlib.Path
) -> Iterator[WorkerPool]:
    """Runs a pool whose workers have this interpreter and start in this folder.

    Args:
      python: the interpreter.
      cwd: the folder, which Python's import path begins with.
      log: file that takes what the workers print.
    """
    pool = WorkerPool(_free_port(), log)
    # The pool starts each worker as plain `python`.
    path = f"{pathlib.Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    command = [python, "-m", "apache_beam.runners.worker.worker_pool_main"]
    with pool.log_path.open("w") as file:
        process = subprocess.Popen(
            [*command, f"--service_port={pool.port}"],
            stdout=file, stderr=file, cwd=cwd, env={**os.environ, "PATH": path},
        )  # fmt: skip
        try:
            with grpc.insecure_channel(f"localhost:{pool.port}") as channel:
                # A conversion asks once.
                grpc.channel_ready_future(channel).result(_LIMIT_SECS)
            yield pool
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]
