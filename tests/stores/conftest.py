"""Object stores on this machine, one of each kind for all tests of a process."""

import os
import pathlib
import uuid
from collections.abc import Iterator

import pytest

from benchmarks.harness.object_stores import S3, Gcs
from pipeline.batches.shard_cache import DIR_VARIABLE
from tests.optional import optional_library
from tfrecords_schema.places import tries


@pytest.fixture(scope="session", autouse=True)
def environment() -> Iterator[None]:
    """The stores' addresses are in the environment, which other tests have as it was."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def s3_server() -> S3:
    optional_library("moto")
    optional_library("s3fs")
    return S3()


@pytest.fixture(scope="session")
def gcs_server() -> Gcs:
    optional_library("gcp_storage_emulator")
    optional_library("gcsfs")
    return Gcs()


@pytest.fixture
def s3(s3_server: S3) -> Iterator[S3]:
    """A server that has not failed yet."""
    yield s3_server
    s3_server.failing, s3_server.denies = 0.0, False


@pytest.fixture(params=["s3_server", "gcs_server"])
def folder(request: pytest.FixtureRequest) -> str:
    """A new folder in a store of each kind."""
    return f"{request.getfixturevalue(request.param).url}/{uuid.uuid4().hex}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Tries that do not wait long; copies of shards that go with the test."""
    monkeypatch.setattr(tries, "WAITS_SECS", (0.01, 0.01, 0.02, 0.05, 0.1, 0.3))
    monkeypatch.setenv(DIR_VARIABLE, str(tmp_path / "copies"))
