"""A selection: records in the shards of another dataset, divided anew."""

import dataclasses

import numpy as np
import pytest

from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.plan import BatchOptions, plan_epoch
from pipeline.verification.verify import verify_dataset
from tests.datasets import CLASS_PER_RECORD, toy_dataset
from tfrecords_schema import DatasetError, open_dataset
from tfrecords_schema.selection import write_selection


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    sizes = {"train": 9, "validation": 4, "test": 5}
    return toy_dataset(tmp_path_factory.mktemp("toy"), label=CLASS_PER_RECORD, sizes=sizes)


def _by_number(row):
    """Every third record of two splits is tested, one is left out."""
    number = int(row.id.rpartition("-")[2])
    return {0: "test", 1: "train", 2: "train"}[number % 3] if number != 4 else ""


def _select(path, source, split_of=_by_number):
    counts = {"train": {"rest": 1}, "test": {"rest": 2}}
    return write_selection(str(path), source, ("train", "validation"), split_of, counts, None)


def _read(dataset, split):
    index = dataset.split(split)
    plan = plan_epoch(index.steps, BatchOptions(4), seed=0, epoch=0, shuffle=False)
    found = {}
    for batch in BatchReader(dataset, split).epoch(plan):
        for row, length, signal, label in zip(
            *(batch[name].numpy() for name in ("record", "lengths", "signal", "label")),
            strict=True,
        ):
            found[index.ids()[row]] = signal[:length], int(label)
    return found


def test_every_selected_record_is_read_from_the_shards_of_the_source(toy, tmp_path):
    source, splits = toy
    records = {r.id: r for name in ("train", "validation") for r in splits[name]}
    selection = _select(tmp_path / "selection", source)
    found = {split: _read(selection, split) for split in ("train", "test")}
    assert not found["train"].keys() & found["test"].keys()
    left_out = {i for i in records if i.endswith("-4")}
    assert found["train"].keys() | found["test"].keys() == records.keys() - left_out
    for read in found.values():
        for name, (signal, label) in read.items():
            np.testing.assert_array_equal(signal, records[name].data)
            assert label == records[name].label


def test_the_manifest_counts_the_selected_records(toy, tmp_path):
    selection = _select(tmp_path / "selection", toy[0])
    for name, entry in selection.manifest.splits.items():
        index = selection.split(name)
        assert entry.records == len(index)
        assert entry.groups == len({*index.groups()})
        assert entry.steps == index.steps.sum()
        lengths, counts = np.unique(index.steps, return_counts=True)
        assert entry.length_histogram == dict(zip(lengths.tolist(), counts.tolist(), strict=True))
    assert selection.manifest.splits["test"].class_counts == {"rest": 2}
    assert selection.manifest.statistics is None


def test_the_same_selection_has_the_same_bytes_and_another_one_another_fingerprint(toy, tmp_path):
    one, same = (_select(tmp_path / name, toy[0]) for name in ("one", "same"))
    for name in ("manifest.json", "index.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "same" / name).read_bytes()
    exchanged = {"train": "test", "test": "train", "": ""}
    other = _select(tmp_path / "other", toy[0], lambda row: exchanged[_by_number(row)])
    prints = {d.manifest.fingerprint for d in (one, same, other, toy[0])}
    assert len(prints) == 3


def test_a_selection_of_a_selection_reads_the_same_shards(toy, tmp_path):
    one = _select(tmp_path / "one", toy[0])
    counts = {"train": {}}
    again = write_selection(
        str(tmp_path / "again"), one, ("test",), lambda row: "train", counts, None
    )
    assert again.shard_folder == toy[0].path
    assert _read(again, "train").keys() == _read(one, "test").keys()


def test_verify_reads_the_source(toy, tmp_path):
    source, _ = toy_dataset(tmp_path, name="other")
    selection = _select(tmp_path / "selection", source)
    assert list(verify_dataset(selection.path)) == []
    shard = tmp_path / "other" / "1.0.0" / source.manifest.splits["train"].shards[0].file
    content = bytearray(shard.read_bytes())
    content[-8] ^= 1
    shard.write_bytes(content)
    (problem, *_) = verify_dataset(selection.path)
    assert str(shard) in problem


def test_a_selection_whose_source_is_gone_says_which_file_is_missing(toy, tmp_path):
    source, _ = toy_dataset(tmp_path, name="gone")
    selection = _select(tmp_path / "selection", source)
    (tmp_path / "gone").rename(tmp_path / "moved")
    with pytest.raises(DatasetError, match=r"gone/1.0.0/.* is missing"):
        open_dataset(selection.path)


def test_a_selection_that_names_itself_as_its_source_ends_verification(toy, tmp_path):
    selection = _select(tmp_path / "selection", toy[0])
    manifest = dataclasses.replace(selection.manifest, shards_of=selection.path)
    (tmp_path / "selection" / "manifest.json").write_text(manifest.to_json())
    assert any("has no shards of its own" in line for line in verify_dataset(selection.path))


def test_manifests_of_converted_datasets_say_nothing_of_selections(toy):
    assert "shards_of" not in toy[0].manifest.to_json()
