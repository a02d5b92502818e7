"""Numbers beside frames: what arrives beside each of them, and what is rejected."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.frames.beside import joined
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source
from pipeline.sources.kinds.image_folders import ImageFolderOptions
from pipeline.verification.record_check import check_record
from pipeline.verification.verify import verify_dataset
from tests.pipeline.batches.test_frames_batches import encoded_image
from tests.pipeline.conversions import Converter, Folders, hashes, read_records, rejects
from tests.pipeline.sources.kinds.test_image_folders import write_sample
from tfrecords_schema import InputSpec, Manifest, RecordSchema, Statistics, read_rows
from trainer.studies.group_facts import group_facts, statistics

_FLAGS = ("--source=image_folders", "--label_kind=none", "--beside_key=imu,speed,age")
_FRAMES = encoded_image(1)


def _by_loop(steps: int, *parts: tuple[Any, int]) -> list[list[float]]:
    """Frame by frame the samples of each, the last one again where there are no more."""
    rows = []
    for step in range(steps):
        row: list[float] = []
        for array, samples in parts:
            for sample in range(step * samples, (step + 1) * samples):
                row.extend(np.ravel(array[min(sample, len(array) - 1)] if samples else array))
            row.extend([] if samples else np.ravel(array))
        rows.append(row)
    return rows


def _write(folders: Folders, name: str, steps: int, npz: dict[str, Any], **fields: Any) -> None:
    frames = {f"imgs/{number}.jpg": _FRAMES for number in range(steps)}
    write_sample(folders.inputs / name, frames, fields)
    if npz:
        np.savez(folders.inputs / f"{name}.npz", **npz)


def _write_set(folders: Folders, count: int) -> dict[str, np.ndarray]:
    """Recordings of 1 to 3 frames; what is to stand beside them."""
    expected = {}
    for number in range(count):
        random, steps = np.random.default_rng(number), 1 + number % 3
        imu, speed = random.normal(3, 2, (2 * steps, 2)), random.normal(size=steps)
        _write(folders, f"{number}", steps, {"imu": imu, "other": imu}, age=number, speed=[*speed])
        rows = _by_loop(steps, (imu, 2), (speed, 1), (number, 0))
        expected[f"{number}"] = np.array(rows, np.float32)
    return expected


@pytest.mark.parametrize(
    ("shape", "samples", "names"),
    [
        ((4,), None, ("x",)),
        ((4, 2), None, ("x:0", "x:1")),
        ((4, 1, 3), None, ("x:0", "x:1", "x:2")),
        ((12,), None, ("x@0", "x@1", "x@2")),
        ((8, 2), None, ("x:0@0", "x:1@0", "x:0@1", "x:1@1")),
        ((7,), 2, ("x@0", "x@1")),
        ((6, 1), 2, ("x@0", "x@1")),
        ((9,), 2, ("x@0", "x@1")),
        ((5,), None, ("x",)),
        ((3,), None, ("x",)),
        ((), None, ("x",)),
        ((3,), 0, ("x:0", "x:1", "x:2")),
        ((8,), 0, tuple(f"x:{number}" for number in range(8))),
    ],
)
def test_each_frame_has_the_samples_until_the_next(
    shape: tuple[int, ...], samples: int | None, names: tuple[str, ...]
) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    found = joined({"x": x, "y": 7}, 4, ["x", "y"], () if samples is None else (samples, 0))
    counts = 0 if samples == 0 or not shape else len({n.partition("@")[2] for n in names})
    np.testing.assert_array_equal(found.values, _by_loop(4, (x, counts), (7, 0)))
    assert found.names == (*names, "y")
    assert sum(one.count for one in found.left_out) == abs(len(np.atleast_1d(x)) - 4 * counts) * (
        counts > 0
    )


def test_a_single_number_may_be_one_sample() -> None:
    assert joined({"x": 7}, 1, ["x"], (1,)).values.tolist() == [[7.0]]
    assert joined({"x": 7}, 2, ["x"], (1,)).values.tolist() == [[7.0], [7.0]]


@pytest.mark.parametrize(
    ("value", "samples", "message"),
    [
        (
            np.zeros(10),
            (),
            r"'x' \(--beside_key\) has 10 samples and the recording 4 frames, 2.5 a",
        ),
        (np.zeros(12), (2,), "has 12 samples, 2 for each of 4 frames .* are 8, and it may differ"),
        (np.zeros(5), (2,), "has 5 samples, 2 for each of 4 frames"),
        ([1, 2, None, 4], (), "holds NaN or infinity in 1 of 4 samples, the first is 2"),
        ([1, 2, 3, 1e39], (), "holds NaN or infinity in 1 of 4 samples, the first is 3"),
        (["1", "2", "3", "4"], (), "holds something else than numbers"),
        ([[1], [2, 3], [4], [5]], (), "holds something else than numbers"),
        ({"a": 1}, (), "holds something else than numbers"),
        ([], (), "is empty"),
        (np.zeros(4097), (0,), "4097 numbers beside each frame .*, more than 4096"),
        (np.zeros((4, 4097)), (), "4097 numbers beside each frame .*, more than 4096"),
    ],
)
def test_what_does_not_fit_is_rejected(value: Any, samples: tuple[int, ...], message: str) -> None:
    with pytest.raises(RejectedInputError, match=message):
        joined({"x": value}, 4, ["x"], samples)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beside_key": ("a", "a")}, "occurs twice"),
        ({"beside_key": ("a", "b"), "label_key": "b"}, "'b' is in --beside_key, and is the label"),
        ({"beside_key": ("a",), "beside_samples": (1, 2)}, "2 numbers, --beside_key names 1"),
        ({"beside_samples": (1,)}, "1 numbers, --beside_key names 0"),
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ImageFolderOptions("in", "out", "test", **options)


def test_property_02_numbers_of_both_places_are_stored_whoever_converts(
    folders: Folders, converter: Converter, tmp_path: pathlib.Path
) -> None:
    expected = _write_set(folders, 12)
    flags = (*_FLAGS, "--splits=train=0.7,test=0.3", "--shard_size_mib=0.002")
    dataset = converter.dataset(*flags)
    names = ("imu:0@0", "imu:1@0", "imu:0@1", "imu:1@1", "speed", "age")
    assert dataset.schema.input.beside == names
    found = read_records(dataset)
    for name, rows in expected.items():
        np.testing.assert_array_equal(found[name]["beside"], rows, strict=True)
        assert len(found[name]["frames"]) == len(rows)
    train = np.concatenate([expected[one] for one in dataset.split("train").ids()])
    of_set, of_groups = (
        dataset.manifest.statistics,
        statistics(group_facts(dataset, ["train"]).values()),
    )
    for each in (of_set, of_groups):
        np.testing.assert_allclose(each.mean, train.mean(0, np.float64), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(each.deviation, train.std(0, np.float64), rtol=1e-9)
    assert list(verify_dataset(dataset.path)) == []
    assert not [left for left in dataset.manifest.left_out if "npz" in left.reason]
    other = Converter(Folders(folders.inputs, tmp_path / "other"), converter._capture)
    several = ("--direct_num_workers=3", "--direct_running_mode=multi_threading")
    again = other.dataset(*flags, *several)
    assert hashes(pathlib.Path(again.path)) == hashes(pathlib.Path(dataset.path))


def test_recordings_without_the_numbers_are_rejected_by_name(
    folders: Folders, converter: Converter
) -> None:
    _write_set(folders, 6)
    (folders.inputs / "2.npz").unlink()
    _write(folders, "few", 2, {"imu": np.zeros((6, 2))}, speed=[1, 2])
    _write(folders, "long", 2, {"imu": np.zeros((6, 2))}, speed=[1, 2], age=3)
    _write(folders, "stray", 2, {})
    (folders.inputs / "stray/annotation.json").unlink()
    np.savez(folders.inputs / "nothing.npz", imu=1)
    flags = (*_FLAGS, "--splits=train=1", "--max_rejected_fraction=0.5")
    dataset = converter.dataset(*flags)
    reasons = {reject["path"]: reject["reason"] for reject in rejects(dataset)}
    assert {*reasons} == {"2", "few", "long", "stray"}
    assert "no numbers 'imu' (--beside_key)" in reasons["2"]
    assert "fields age, speed, 2.npz the arrays (none)" in reasons["2"]
    assert "no numbers 'age'" in reasons["few"]
    assert "few.npz the arrays imu" in reasons["few"]
    assert "imu 6, speed 1, age 1) than most of the set's (imu 4" in reasons["long"]
    (left,) = [left for left in dataset.manifest.left_out if "npz" in left.reason]
    assert (left.count, left.example) == (1, "nothing.npz")


def test_without_them_nothing_is_said_of_them() -> None:
    schema = RecordSchema(InputSpec("frames", "uint8", (4, 4, 3)))
    manifest = Manifest("test", "1.0.0", schema, {}, None, {}, {})
    assert "beside" not in manifest.to_json()
    assert Manifest.from_json(manifest.to_json()).schema == schema
    assert not any("beside" in name for name in ImageFolderOptions("in", "out", "test").recorded())


def test_numbers_and_statistics_that_were_changed_are_found(
    folders: Folders, converter: Converter
) -> None:
    _write_set(folders, 3)
    dataset = converter.dataset(*_FLAGS, "--splits=train=1")
    manifest, path = dataset.manifest, pathlib.Path(dataset.path) / "manifest.json"
    said = dataclasses.asdict(manifest.statistics)
    said["mean"] = (*said["mean"][:-1], 99.0)
    path.write_text(dataclasses.replace(manifest, statistics=Statistics(**said)).to_json())
    (problem,) = verify_dataset(dataset.path)
    assert "the mean of channel 5 is" in problem
    path.write_text(manifest.to_json())
    (shard,) = map(pathlib.Path, dataset.shard_paths("train"))
    rows, content = [*read_rows(f"{dataset.path}/index.parquet")], shard.read_bytes()
    row, schema = rows[-1], dataset.schema
    record = content[row.offset + 12 : row.offset + row.size_bytes - 4]
    numbers = np.array(read_records(dataset)[row.id]["beside"])
    at = record.index(numbers.tobytes())
    damaged = bytearray(content)
    damaged[row.offset + 12 + at] ^= 1
    shard.write_bytes(bytes(damaged))
    assert any("its checksum does not fit" in problem for problem in verify_dataset(dataset.path))
    assert check_record(record, row, schema).problem == ""
    numbers[0, 1] = np.nan
    nan = record[:at] + numbers.tobytes() + record[at + numbers.nbytes :]
    assert check_record(nan, row, schema).problem == "beside: it holds NaN or infinity"
    plain = dataclasses.replace(schema, input=dataclasses.replace(schema.input, beside=()))
    assert "expected frames, id" in check_record(record, row, plain).problem


def test_a_folder_names_the_class_where_all_fields_are_inputs(folders: Folders) -> None:
    _write(folders, "b/1", 2, {}, x=[1, 2], age=3)
    given = {"beside_key": ("age", "x"), "label_kind": "auto"}
    options = ImageFolderOptions(str(folders.inputs), "", "test", **given)
    found = make_source(options, GFiles()).describe("b/1")
    assert [label.classes for label in found.labels if label] == [("b",)]
    with pytest.raises(RejectedInputError, match="has the fields x, age; name the label"):
        make_source(dataclasses.replace(options, beside_key=("x",)), GFiles()).describe("b/1")


def test_names_are_part_of_what_a_model_takes() -> None:
    one = InputSpec("frames", "uint8", (4, 4, 3), beside=("a", "b"))
    assert one != dataclasses.replace(one, beside=("b", "a"))
