"""The same conversion on Apache Flink: job server and embedded master in Java, workers apart.

`make flink` makes the job server. Without it the test is skipped, but never where CI is set.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.pipeline.conversions import Converter, Folders, base_flags, hashes, write_recordings

_ROOT = pathlib.Path(__file__).parents[2]
_JOB_SERVER = _ROOT / "build" / "flink" / "flink-job-server.jar"
_LIMIT_SECS = 240
_FLAGS = ["--num_shards=3", "--splits=train=0.5,test=0.5"]
# Beam's worker pool starts each worker as plain `python`.
_ENVIRONMENT = {
    **os.environ,
    "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(_ROOT),
}


@pytest.fixture
def job_server() -> pathlib.Path:
    if not _JOB_SERVER.exists() or not shutil.which("java"):
        assert "CI" not in os.environ, "no job server for Flink: run `make flink`; it needs Java"
        pytest.skip("no job server for Flink: run `make flink`")
    return _JOB_SERVER


@contextlib.contextmanager
def _worker_pool(log: pathlib.Path) -> Iterator[int]:
    """Beam's own pool, which starts a process for every worker that the engine asks for."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    with log.open("w") as file:
        pool = subprocess.Popen(
            [*command, f"--service_port={port}"], stdout=file, stderr=file, env=_ENVIRONMENT
        )
        try:
            yield port
        finally:
            pool.terminate()
            pool.wait()


@pytest.mark.timeout(_LIMIT_SECS + 60)
def test_property_02_flink_writes_the_same_bytes(
    folders: Folders, converter: Converter, tmp_path: pathlib.Path, job_server: pathlib.Path
) -> None:
    write_recordings(folders, 30)
    converter.dataset(*_FLAGS)
    other = Folders(folders.inputs, tmp_path / "other")
    log = tmp_path / "workers.log"
    with _worker_pool(log) as port:
        command = [
            *(sys.executable, "-m", "pipeline", *base_flags(other), *_FLAGS),
            *("--runner=FlinkRunner", "--flink_version=1.19", "--flink_master=[local]"),
            *(f"--flink_job_server_jar={job_server}", "--parallelism=2"),
            *("--environment_type=EXTERNAL", f"--environment_config=localhost:{port}"),
            # Otherwise every stage of the job starts workers of its own, seconds each.
            *("--environment_cache_millis=60000", "--sdk_worker_parallelism=2"),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=_ENVIRONMENT,
            timeout=_LIMIT_SECS,
        )
    assert done.returncode == 0, done.stderr + log.read_text()
    assert hashes(other.dataset) == hashes(folders.dataset)
    assert log.read_text().count("Starting worker") == 2
