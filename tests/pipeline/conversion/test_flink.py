"""The same conversion on Apache Flink: job server and embedded master in Java, workers apart.

`make flink` makes the job server. Without it the test is skipped, but never where CI is set.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.pipeline.conversions import Converter, Folders, base_flags, hashes, write_recordings
from tests.pipeline.worker_pool import worker_pool
from tests.repository import REPOSITORY

_JOB_SERVER = REPOSITORY / "build" / "flink" / "flink-job-server.jar"
_LIMIT_SECS = 240
_FLAGS = ["--num_shards=3", "--splits=train=0.5,test=0.5"]


@pytest.fixture
def job_server() -> pathlib.Path:
    if not _JOB_SERVER.exists() or not shutil.which("java"):
        missing = f"needs {_JOB_SERVER} (`make flink` builds it) and java in the PATH"
        assert "CI" not in os.environ, missing
        pytest.skip(missing)
    return _JOB_SERVER


@pytest.mark.timeout(_LIMIT_SECS + 60)
def test_property_02_flink_writes_the_same_bytes(
    folders: Folders, converter: Converter, tmp_path: pathlib.Path, job_server: pathlib.Path
) -> None:
    write_recordings(folders, 30)
    converter.dataset(*_FLAGS)
    other = Folders(folders.inputs, tmp_path / "other")
    with worker_pool(sys.executable, cwd=REPOSITORY, log=tmp_path / "workers.log") as pool:
        command = [
            *(sys.executable, "-m", "pipeline", *base_flags(other), *_FLAGS, *pool.flags),
            *("--runner=FlinkRunner", "--flink_version=1.19", "--flink_master=[local]"),
            *(f"--flink_job_server_jar={job_server}", "--parallelism=2"),
            # Otherwise every stage of the job starts workers of its own, seconds each.
            *("--environment_cache_millis=60000", "--sdk_worker_parallelism=2"),
        ]
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, timeout=_LIMIT_SECS
        )
    assert done.returncode == 0, done.stderr + pool.log()
    assert hashes(other.dataset) == hashes(folders.dataset)
    assert pool.log().count("Starting worker") == 2
