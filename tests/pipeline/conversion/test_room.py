"""Room on the disk before a conversion writes."""

import pytest

from pipeline.conversion import room
from pipeline.conversion.inputs import Decision
from pipeline.conversion.shard_plan import ShardPlan
from tests.pipeline.conversions import Converter, Folders, write_recordings

_FLAGS = ("--splits=train=1", "--num_shards=2")


def test_a_disk_that_is_surely_too_small_is_refused_and_then_gone_on_from(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(folders, 6)
    with monkeypatch.context() as patch:
        patch.setattr(room, "free_bytes", lambda folder: 10)
        outcome = converter.run(*_FLAGS)
    assert outcome.code == 1
    assert "B more on the disk of" in outcome.text
    assert "which has 10 B free; make space" in outcome.text
    assert not [*folders.dataset.glob("*.tfrecord*")]
    assert "that are free" in converter.run(*_FLAGS, "--dry_run").text
    converter.dataset(*_FLAGS)


def test_what_is_written_already_needs_no_room_again(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(folders, 6)
    converter.dataset(*_FLAGS)
    monkeypatch.setattr(room, "free_bytes", lambda folder: 0)
    converter.dataset(*_FLAGS, "--overwrite")


def test_an_object_store_is_not_asked_for_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "names_in", lambda _: pytest.fail("asked"))
    assert not room.too_little_room(ShardPlan(size_bytes=1), Decision(None), "s3://bucket/d/1.0.0")
