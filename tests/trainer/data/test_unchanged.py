"""A dataset that changes under whoever reads it."""

import os
import pathlib
import shutil

import pytest

from tests.datasets import toy_dataset
from tfrecords_schema import DatasetError, open_dataset
from trainer.data.unchanged import Unchanged


@pytest.fixture
def shard(tmp_path) -> pathlib.Path:
    return sorted(pathlib.Path(toy_dataset(tmp_path)[0].path).glob("*train.tfrecord*"))[0]


@pytest.fixture
def unchanged(shard) -> Unchanged:
    return Unchanged(open_dataset(str(shard.parent)), ["train"])


def _other(shard) -> bytes:
    """Another whole shard of the same size."""
    content = shard.read_bytes()
    return bytes([content[0]]) + bytes(len(content) - 1)


def test_a_whole_shard_in_the_place_of_another_is_found(shard, unchanged):
    unchanged(now=True)
    (shard.parent / "new").write_bytes(_other(shard))
    os.replace(shard.parent / "new", shard)
    unchanged()  # It is not time to look yet.
    with pytest.raises(DatasetError, match=f"{shard.name} changed since this command began"):
        unchanged(now=True)


def test_a_shard_written_in_its_place_is_found_though_its_time_is_put_back(shard, unchanged):
    before = os.stat(shard)
    shard.write_bytes(_other(shard))
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DatasetError, match=f"{shard.name} changed since this command began"):
        unchanged(now=True)


@pytest.mark.parametrize("name", ["manifest.json", "index.parquet"])
def test_a_dataset_converted_anew_is_found(name, shard, unchanged):
    (shard.parent / name).unlink()
    with pytest.raises(DatasetError, match=f"{name} changed since"):
        unchanged(now=True)


def test_a_copy_put_back_is_no_change(shard, unchanged):
    shutil.copy(shard, shard.parent / "copy")
    os.replace(shard.parent / "copy", shard)
    unchanged(now=True)
    unchanged(now=True)


def test_splits_that_are_not_read_may_change(shard, unchanged):
    for path in shard.parent.glob("*test.tfrecord*"):
        path.unlink()
    unchanged(now=True)


def test_a_shard_replaced_after_the_conversion_is_found_at_the_start(shard, unchanged):
    unchanged.require_written()
    written = os.stat(shard.parent / "manifest.json").st_mtime
    content = shard.read_bytes()
    for changed, is_refused in ((content, False), (_other(shard), True)):
        shard.write_bytes(changed)
        os.utime(shard, (written + 60, written + 60))
        again = Unchanged(unchanged._dataset, ["train"])
        if is_refused:
            with pytest.raises(DatasetError, match="is not the one of which the manifest tells"):
                again.require_written()
        else:
            again.require_written()


def test_looking_takes_a_hundredth_of_the_time(unchanged, monkeypatch):
    now = iter([100.0, 103.0, 350.0, 404.0, 405.0])
    looks = []
    unchanged.also(lambda: looks.append(1))
    unchanged._next = 0.0
    monkeypatch.setattr("trainer.data.unchanged.time.monotonic", lambda: next(now))
    unchanged()  # Takes 3 s.
    unchanged()  # 250 s later.
    assert len(looks) == 1
    unchanged()
    assert len(looks) == 2
