"""Copies of shards: what is fetched, what stays, what goes."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import types
import uuid

import numpy as np
import pytest

from benchmarks.harness.object_stores import S3
from pipeline.batches import shard_cache
from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.plan import BatchOptions, plan_epoch
from tests.datasets import toy_dataset
from tfrecords_schema import Dataset, DatasetError, open_dataset
from tfrecords_schema.errors import UserError
from tfrecords_schema.manifest import ShardEntry, sealed_json
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import atomic_write


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_cache, "_held", {})


def _sent(dataset: Dataset, folder: str) -> Dataset:
    for path in pathlib.Path(dataset.path).iterdir():
        gfile.copy(str(path), f"{folder}/{path.name}")
    return open_dataset(folder)


@pytest.fixture
def local(tmp_path: pathlib.Path) -> Dataset:
    return toy_dataset(tmp_path / "local")[0]


@pytest.fixture
def remote(local: Dataset, s3: S3) -> Dataset:
    return _sent(local, f"{s3.url}/{uuid.uuid4().hex}")


def test_batches_of_a_remote_dataset_are_those_of_the_local_one(
    local: Dataset, folder: str
) -> None:
    remote = _sent(local, folder)
    plan = plan_epoch(local.split("train").steps, BatchOptions(batch_size=4), seed=1, epoch=2)
    for ours, theirs in zip(
        BatchReader(remote, "train").epoch(plan), BatchReader(local, "train").epoch(plan),
        strict=True,
    ):  # fmt: skip
        for name in theirs:
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_shard_is_fetched_once(remote: Dataset, s3: S3) -> None:
    first = shard_cache.local_shards(remote, "train")
    s3.failing = 1.0  # Nothing is asked for any more.
    assert shard_cache.local_shards(remote, "train") == first
    for path, entry in zip(first, remote.manifest.splits["train"].shards, strict=True):
        assert os.path.getsize(path) == entry.size_bytes


def test_shards_that_are_alike_are_fetched_once(
    remote: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = remote.manifest.splits["train"]
    twice = dataclasses.replace(entry, shards=entry.shards[:1] * 2)
    manifest = dataclasses.replace(remote.manifest, splits={"train": twice})
    fetched, fetch = list[str](), shard_cache._fetch

    def noted(folder: str, shard: ShardEntry, path: pathlib.Path) -> None:
        fetched.append(shard.file)
        fetch(folder, shard, path)

    monkeypatch.setattr(shard_cache, "_fetch", noted)
    one, other = shard_cache.local_shards(Dataset(remote.path, manifest), "train")
    assert one == other
    assert fetched == [entry.shards[0].file]


def test_a_hash_that_would_be_a_path_is_refused(local: Dataset, s3: S3) -> None:
    path = pathlib.Path(local.path, "manifest.json")
    value = json.loads(path.read_text())
    value["splits"]["train"]["shards"][0]["sha256"] = "../../victim"
    path.write_text(sealed_json(value))
    with pytest.raises(DatasetError, match=r"shards\[0\]\.sha256: got '../../victim'"):
        _sent(local, f"{s3.url}/{uuid.uuid4().hex}")


def test_what_may_not_be_read_or_kept_is_told(
    remote: Dataset, s3: S3, tmp_path: pathlib.Path
) -> None:
    s3.denies = True
    with pytest.raises(DatasetError, match=r"-of-00003 cannot be read .*make it readable"):
        shard_cache.local_shards(remote, "train")
    s3.denies = False
    lock = tmp_path / "copies" / "fetching.lock"
    lock.unlink()
    lock.mkdir()
    with pytest.raises(UserError, match=r"copies for copies of shards cannot be written \(Is a d"):
        shard_cache.local_shards(remote, "train")


def test_folders_of_others_are_no_copies(
    remote: Dataset, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "copies" / "photos.shards" / "1.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(bytes(9))
    monkeypatch.setenv(shard_cache.GIB_VARIABLE, "1e-9")
    with pytest.raises(UserError, match="has 0 in use"):
        shard_cache.local_shards(remote, "train")
    assert photo.is_file()


def test_local_datasets_are_read_where_they_are(local: Dataset) -> None:
    assert shard_cache.local_shards(local, "train") == local.shard_paths("train")


def test_a_shard_that_was_replaced_is_refused(remote: Dataset, tmp_path: pathlib.Path) -> None:
    path = remote.shard_paths("train")[1]
    with gfile.open_file(path, "rb") as file:
        content = bytearray(file.read())
    content[20] ^= 1
    atomic_write(path, bytes(content))
    with pytest.raises(DatasetError, match=r"00001-of.*not the one of which the manifest tells"):
        shard_cache.local_shards(remote, "train")
    assert not [*(tmp_path / "copies").rglob("*.part")]


def test_what_is_longest_unused_goes_first_and_what_is_used_stays(
    local: Dataset, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(e.size_bytes for e in local.manifest.splits["train"].shards)
    monkeypatch.setenv(shard_cache.GIB_VARIABLE, str(2.5 * size / 2**30))
    datasets = [_sent(local, f"{s3.url}/{uuid.uuid4().hex}") for _ in range(4)]
    places = []
    for seconds, dataset in enumerate(datasets[:2]):
        paths = shard_cache.local_shards(dataset, "train")
        places.append(pathlib.Path(paths[0]).parent)
        os.utime(places[-1].with_suffix(".used"), (1e9 + seconds, 1e9 + seconds))
    shard_cache._held.popitem()[1].close()  # The second is used no more; the first is older.
    third = pathlib.Path(shard_cache.local_shards(datasets[2], "train")[0]).parent
    assert [place.exists() for place in (*places, third)] == [True, False, True]
    while shard_cache._held:
        shard_cache._held.popitem()[1].close()
    shard_cache.local_shards(datasets[3], "train")
    assert [place.exists() for place in (*places, third)] == [False, False, True]


def test_what_is_too_large_is_refused_with_the_cure(
    remote: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(shard_cache.GIB_VARIABLE, "1e-9")
    with pytest.raises(UserError, match=r"needs .* GiB .*SHARD_CACHE_DIR.*mount the bucket"):
        shard_cache.local_shards(remote, "train")
    monkeypatch.setenv(shard_cache.GIB_VARIABLE, "0")
    with pytest.raises(UserError, match="may hold 0 GiB"):
        shard_cache.local_shards(remote, "train")
    monkeypatch.setenv(shard_cache.GIB_VARIABLE, "inf")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: types.SimpleNamespace(free=100))
        with pytest.raises(UserError, match=r"may hold 8\.38e-08 GiB"):
            shard_cache.local_shards(remote, "train")
    monkeypatch.setenv(shard_cache.GIB_VARIABLE, "much")
    with pytest.raises(UserError, match="SHARD_CACHE_GIB=much: expected a number"):
        shard_cache.local_shards(remote, "train")


def test_a_process_waits_for_another_that_fetches(
    remote: Dataset, s3: S3, tmp_path: pathlib.Path
) -> None:
    # Another process holds the lock, and leaves half a shard behind when it is killed.
    code = (
        "import fcntl, pathlib, sys; folder = pathlib.Path(sys.argv[1]); folder.mkdir();"
        "lock = (folder / 'fetching.lock').open('ab'); fcntl.flock(lock, fcntl.LOCK_EX);"
        "print(1, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "copies")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert other.stdout
    other.stdout.readline()
    with shard_cache.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(shard_cache.local_shards, remote, "train")
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        other.kill()
        assert len(waiting.result(timeout=60)) == 3
    other.communicate()
