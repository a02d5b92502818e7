"""Properties of whole conversions."""

import collections
import os
import pathlib
import struct
import tempfile
from typing import Any

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from pipeline.conversion.convert import main
from pipeline.conversion.shard_writer import ShardWriter
from tests.pipeline.conversions import (
    Converter,
    Folders,
    base_flags,
    hashes,
    read_records,
    write_npz,
    write_recordings,
)
from tfrecords_schema import Dataset, open_dataset, read_rows

_DTYPES = [
    "float16",
    "float32",
    "float64",
    ">f4",
    "uint8",
    "int16",
    ">i2",
    "int32",
    "int64",
    "bool",
]
_SLOW = hypothesis.settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    # Shrinking a failure would take minutes: every example is a whole conversion.
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


@st.composite
def _sets(draw: st.DrawFn) -> dict[str, dict[str, np.ndarray]]:
    """Recordings of one dtype and step shape, each with a label of one of the kinds."""
    dtype = np.dtype(draw(st.sampled_from(_DTYPES)))
    step_shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    kind = draw(st.sampled_from(["step_class", "record_class", "step_value", "record_value", ""]))
    names = draw(st.lists(st.text("abz_\u00e9", min_size=1), min_size=1, max_size=4, unique=True))
    # From 4 steps on, so that a vector of 3 cannot be taken for one label per step.
    lengths = {name: draw(st.integers(4, 7)) for name in names}
    finite = {"allow_nan": False, "allow_infinity": False, "min_value": -32768, "max_value": 32768}
    elements = finite if dtype.kind == "f" else None
    return {
        name: {
            "signal": np.array(
                draw(hnp.arrays(dtype, (steps, *step_shape), elements=elements)),
                order=draw(st.sampled_from("CF")),
            ),
            **_label(draw, kind, steps),
        }
        for name, steps in lengths.items()
    }


def _label(draw: st.DrawFn, kind: str, steps: int) -> dict[str, np.ndarray]:
    values = st.floats(-8, 8, width=32)
    labels = {
        "step_class": hnp.arrays("int8", (steps, 1), elements=st.sampled_from([-3, 0, 7])),
        "record_class": st.sampled_from(["wake", "sleep"]).map(np.array),
        "step_value": hnp.arrays("float64", (steps, 2), elements=values),
        "record_value": hnp.arrays("float32", (3,), elements=values),
    }
    return {"label": draw(labels[kind])} if kind else {}


@_SLOW
@hypothesis.given(_sets(), st.integers(1, 3))
def test_property_01_records_equal_the_source_arrays(
    arrays: dict[str, dict[str, np.ndarray]], num_shards: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders(pathlib.Path(folder, "in"), pathlib.Path(folder, "out"))
        for name, members in arrays.items():
            write_npz(folders, f"sub/{name}", **members)
        flags = ["--splits=train=1", f"--num_shards={num_shards}", "--signal_key=signal"]
        assert main([*base_flags(folders), *flags]) == 0
        dataset = open_dataset(str(folders.dataset))
        builder = tfds.builder_from_directory(str(folders.dataset))
        _assert_index_points_at_records(dataset)
        by_tfds = {r["id"].decode(): r for r in tfds.as_numpy(builder.as_dataset("train"))}
        for records in (read_records(dataset), by_tfds):
            assert sorted(records) == sorted(f"sub/{name}" for name in arrays)
            for name, members in arrays.items():
                _assert_equal(records[f"sub/{name}"], members, dataset)


def _assert_index_points_at_records(dataset: Dataset) -> None:
    shards = [pathlib.Path(path).read_bytes() for path in dataset.shard_paths("train")]
    ends = [0] * len(shards)
    for row in read_rows(f"{dataset.path}/index.parquet"):
        (length,) = struct.unpack_from("<Q", shards[row.shard], row.offset)
        example = shards[row.shard][row.offset + 12 :][:length]
        assert (
            row.id.encode()
            in tf.train.Example.FromString(example).features.feature["id"].bytes_list.value
        )
        assert (row.offset, row.size_bytes) == (ends[row.shard], length + 16)
        ends[row.shard] += row.size_bytes
    assert ends == [len(shard) for shard in shards]


def _assert_equal(
    record: dict[str, np.ndarray], members: dict[str, np.ndarray], dataset: Dataset
) -> None:
    signal = members["signal"]
    native = signal.dtype.newbyteorder("=")
    expected = signal.astype(np.float32 if native == np.float64 else native)
    expected = expected[:, None] if expected.ndim == 1 else expected
    assert record["signal"].dtype == expected.dtype
    assert record["signal"].tobytes() == expected.tobytes()
    assert record["signal"].shape == expected.shape
    if "label" in members:
        np.testing.assert_array_equal(_source_label(record["label"], dataset), members["label"])


def _source_label(label: np.ndarray, dataset: Dataset) -> np.ndarray:
    """The label in the source's terms again."""
    spec = dataset.schema.label
    assert spec is not None
    if spec.kind == "value":
        return label
    named = np.array(spec.class_names)[label]
    return named.astype(np.int8)[:, None] if spec.per == "step" else named


def test_property_01_windows_cut_a_continuous_signal(
    folders: Folders, converter: Converter
) -> None:
    signals = {"a": np.arange(25, dtype=np.int16), "b": np.arange(40, dtype=np.int16)}
    for name, signal in signals.items():
        write_npz(folders, name, signal=signal, y=np.arange(len(signal) // 10) % 2)
    dataset = converter.dataset("--window_secs=0.1", "--sample_rate_hz=100", "--splits=train=1")
    assert dataset.schema.input.step_shape == (10, 1)
    for name, record in read_records(dataset).items():
        kept = len(signals[name]) // 10 * 10
        np.testing.assert_array_equal(record["signal"].reshape(-1), signals[name][:kept])


def test_property_01_padding_the_tail_adds_zeros_after_the_last_sample(
    folders: Folders, converter: Converter
) -> None:
    signal = np.ones((25, 3), np.float32)
    write_npz(folders, "a", signal=signal, y=np.array([0, 1, 1]))
    dataset = converter.dataset("--window_samples=10", "--tail=pad", "--splits=train=1")
    padded = read_records(dataset)["a"]["signal"]
    assert padded.shape == (3, 10, 3)
    np.testing.assert_array_equal(padded.reshape(30, 3)[:25], signal)
    assert not padded.reshape(30, 3)[25:].any()


def test_labels_come_from_a_folder_of_targets(folders: Folders, converter: Converter) -> None:
    targets = Folders(folders.inputs.parent / "targets", folders.output)
    for number in range(4):
        write_npz(folders, f"r{number}", x=np.ones((3 + number, 2)), label=np.ones(9))
        write_npz(targets, f"r{number}", target=np.full((3 + number, 1), number % 2))
    # The input's own "label" is then an array like any other.
    dataset = converter.dataset(
        f"--target_dir={targets.inputs}", "--signal_key=x", "--splits=train=1"
    )
    records = read_records(dataset)
    assert {name: record["label"].tolist() for name, record in records.items()} == {
        "r0": [0] * 3,
        "r1": [1] * 4,
        "r2": [0] * 5,
        "r3": [1] * 6,
    }


def test_targets_with_a_time_axis_of_their_own(folders: Folders, converter: Converter) -> None:
    for number in range(3):
        write_npz(folders, f"r{number}", signal=np.ones((5, 2)), y=np.ones((2 + number, 3)))
    dataset = converter.dataset("--label_kind=sequence_value", "--splits=train=1")
    assert sorted(dataset.split("train").label_steps()) == [2, 3, 4]
    assert {r["label"].shape for r in read_records(dataset).values()} == {(2, 3), (3, 3), (4, 3)}


def test_property_02_worker_processes_write_the_same_bytes(
    folders: Folders, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_recordings(folders, 30)
    flags = ["--num_shards=3", "--splits=train=0.5,test=0.5"]
    assert main([*base_flags(folders), *flags]) == 0
    capfd.readouterr()
    other = Folders(folders.inputs, tmp_path / "other")
    workers = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    assert main([*base_flags(other), *flags, *workers]) == 0
    said = capfd.readouterr().err
    assert hashes(other.dataset) == hashes(folders.dataset)
    # Nothing but the progress line is said while it runs.
    assert all(line.startswith(("starting", "wrote", "desc")) for line in said.splitlines())


def test_property_02_input_order_and_folder_do_not_matter(
    folders: Folders, converter: Converter, tmp_path: pathlib.Path
) -> None:
    write_recordings(folders, 12)
    converter.dataset("--splits=train=1", "--num_shards=2")
    moved = Folders(tmp_path / "moved", tmp_path / "other")
    moved.inputs.mkdir()
    for path in sorted(folders.inputs.iterdir(), reverse=True):
        (moved.inputs / path.name).write_bytes(path.read_bytes())
    assert main([*base_flags(moved), "--splits=train=1", "--num_shards=2"]) == 0
    assert hashes(moved.dataset) == hashes(folders.dataset)


@pytest.mark.parametrize("spelling", ["{0}/", "{0}/../inputs [1]//", "inputs [1]", "./inputs [1]/"])
def test_the_input_folder_may_be_spelt_in_any_way(
    folders: Folders,
    converter: Converter,
    monkeypatch: pytest.MonkeyPatch,
    spelling: str,
) -> None:
    odd = folders.inputs.rename(folders.inputs.parent / "inputs [1]")
    write_recordings(Folders(odd / "deep", folders.output), 3)
    (odd / "._deep").mkdir()
    (odd / "._deep" / "hidden.npz").touch()
    monkeypatch.chdir(odd.parent)
    dataset = converter.dataset(f"--input_dir={spelling.format(odd)}", "--splits=train=1")
    assert all(name.startswith("deep/g") for name in dataset.split("train").ids())
    assert len(dataset.split("train")) == 3


def _split_of_groups(dataset: Dataset) -> dict[str, str]:
    splits = collections.defaultdict(set)
    for row in read_rows(f"{dataset.path}/index.parquet"):
        splits[row.group].add(row.split)
    assert all(len(found) == 1 for found in splits.values())
    return {group: found.pop() for group, found in splits.items()}


@pytest.mark.parametrize("seed", [0, 1])
def test_property_03_groups_stay_whole_and_where_they_were(
    folders: Folders, converter: Converter, seed: int
) -> None:
    write_recordings(folders, 60, group_size=3)
    flags = ["--group_regex=^(g\\d+)_", "--splits=train=0.5,test=0.5", f"--split_seed={seed}"]
    before = _split_of_groups(converter.dataset(*flags))
    assert set(before) == {f"g{number:03d}" for number in range(20)}
    assert set(before.values()) == {"train", "test"}
    write_recordings(folders, 30, first=60, group_size=3)
    after = _split_of_groups(converter.dataset(*flags, "--overwrite"))
    assert len(after) == 30
    assert {group: after[group] for group in before} == before


def test_counts_take_that_many_groups(folders: Folders, converter: Converter) -> None:
    write_recordings(folders, 24, group_size=2)
    dataset = converter.dataset("--group_regex=^(g\\d+)", "--splits=test=3,validation=2,train=rest")
    groups = {name: entry.groups for name, entry in dataset.manifest.splits.items()}
    assert groups == {"test": 3, "validation": 2, "train": 7}
    assert collections.Counter(_split_of_groups(dataset).values()) == groups


def test_an_official_split_by_name_and_by_array(folders: Folders, converter: Converter) -> None:
    write_recordings(folders, 10)
    dataset = converter.dataset(r"--split_regex=(?P<test>_000[0-3]\.npz$)")
    assert sorted(dataset.split("test").ids()) == [f"g00{n}_000{n}" for n in range(4)]
    assert len(dataset.split("train")) == 6
    for path in folders.inputs.iterdir():
        path.unlink()
    for number in range(6):
        fold = np.array("held_out" if number < 2 else "train")
        write_npz(folders, f"r{number}", x=np.ones((3, 2)), label=number % 2, fold=fold)
    dataset = converter.dataset("--split_key=fold", "--overwrite")
    assert sorted(dataset.split("held_out").ids()) == ["r0", "r1"]


def test_classes_are_sorted_and_counted(folders: Folders, converter: Converter) -> None:
    for number, value in enumerate([10, 9, 10, 2]):
        write_npz(folders, f"r{number}", x=np.ones((3, 2)), label=value)
    outcome = converter.run("--splits=train=1")
    assert all(text in outcome.text for text in ("0 = 2 ", "1 = 9 ", "2 = 10 "))
    assert "one of 3 classes per record (in 4 of 4 records it is one whole number)" in outcome.text
    dataset = open_dataset(str(folders.dataset))
    assert dataset.manifest.splits["train"].class_counts == {"2": 1, "9": 1, "10": 2}
    labels = {name: int(r["label"]) for name, r in read_records(dataset).items()}
    assert labels == {"r0": 2, "r1": 1, "r2": 2, "r3": 0}


def test_class_names_order_the_classes(folders: Folders, converter: Converter) -> None:
    for number, value in enumerate([b"wake", b"rem", b"wake"]):
        write_npz(folders, f"r{number}", x=np.ones((3, 2)), label=np.array([value] * 3))
    dataset = converter.dataset("--class_names=wake, deep ,rem", "--splits=train=1")
    assert dataset.schema.label is not None
    assert dataset.schema.label.class_names == ("wake", "deep", "rem")
    assert read_records(dataset)["r1"]["label"].tolist() == [2, 2, 2]


def test_statistics_are_those_of_the_training_split(folders: Folders, converter: Converter) -> None:
    write_recordings(folders, 20)
    dataset = converter.dataset("--splits=train=0.6,test=0.4", "--num_shards=3")
    records = read_records(dataset)
    train = np.concatenate([records[name]["signal"] for name in dataset.split("train").ids()])
    found = dataset.manifest.statistics
    assert found is not None
    exact = train.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.deviation, exact.std(axis=0), rtol=1e-12)
    assert found.minimum == tuple(exact.min(axis=0))
    assert found.maximum == tuple(exact.max(axis=0))
    assert found.count == len(train)


class _Killed(BaseException):
    """Ends a conversion like a kill would: nothing is cleaned up."""


def test_property_04_a_second_start_writes_only_what_is_missing(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(folders, 40)
    flags = ["--splits=train=1", "--num_shards=4"]
    converter.dataset(*flags)
    whole = hashes(folders.dataset)
    for path in folders.dataset.iterdir():
        path.unlink()
    written: list[str] = []
    write_records = ShardWriter._write_records

    def write(self: ShardWriter, path: str, *args: Any) -> Any:
        if len(written) == 2:
            raise _Killed
        written.append(path)
        return write_records(self, path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "_write_records", write)
        with pytest.raises((_Killed, RuntimeError)):
            main([*base_flags(folders), *flags])
        assert not (folders.dataset / "manifest.json").exists()
        written.clear()
        converter.dataset(*flags)
    assert len(written) == 2
    assert hashes(folders.dataset) == whole


@pytest.mark.parametrize(
    "change", ["content", "damage", "link", "pipe", "no part", "damaged part", "zeros"]
)
def test_property_04_a_shard_whose_input_changed_is_written_again(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    write_recordings(folders, 10)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.conversion.job.commit", lambda *_: None)
        outcome = converter.run("--splits=train=1")
    assert outcome.code == 1
    assert "process must see the same --output_dir, so name a folder that all" in outcome.text
    if change == "content":
        # Same size and name: only the checksum in the zip directory tells.
        with np.load(folders.inputs / "g003_0003.npz") as arrays:
            write_npz(folders, "g003_0003", signal=arrays["signal"] + 1, label=arrays["label"])
    elif change == "link":  # In a folder that was handed on: others may change what it leads to.
        (shard,) = (folders.dataset / ".conversion").glob("*.tfrecord-*")
        shard.rename(folders.inputs / "elsewhere")
        shard.symlink_to(folders.inputs / "elsewhere")
    elif change == "pipe":
        (shard,) = (folders.dataset / ".conversion").glob("*.tfrecord-*")
        shard.unlink()
        os.mkfifo(shard)
    elif change != "damage":  # As a power failure leaves what was not flushed to the disk.
        (part,) = (folders.dataset / ".conversion").glob("*.parquet")
        content = part.read_bytes()
        after = {"no part": b"", "damaged part": content[:-9], "zeros": bytes(400) + content[400:]}
        part.write_bytes(after[change])
    else:
        (shard,) = (folders.dataset / ".conversion").glob("*.tfrecord-*")
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(bytes(content))
    record = read_records(converter.dataset("--splits=train=1"))["g003_0003"]
    with np.load(folders.inputs / "g003_0003.npz") as arrays:
        np.testing.assert_array_equal(record["signal"], arrays["signal"])
    assert not any(path.is_symlink() for path in folders.dataset.iterdir())
