"""Values of a whole recording as channels, and signals that some recordings lack."""

import pathlib
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.conversion.layouts import layout_misfit
from pipeline.verification.verify import verify_dataset
from tests.datasets import toy_dataset
from tests.pipeline.conversions import Converter, Folders, hashes, read_records, write_npz
from tests.pipeline.sources.several.recordings import joined, noise, source_of
from tfrecords_schema import InputSpec
from trainer.data.raw_arrays import RawArrays
from trainer.data.raw_batches import RawFolder
from trainer.studies.group_facts import group_facts, statistics

_MASK: dict[str, Any] = {
    "signal_key": "eeg,accel",
    "signal_rates_hz": (100.0, 50.0),
    "signal_channels": (1, 2),
    "missing_signal": "mask",
}


def test_values_are_channels_behind_those_of_the_signal(folders: Folders) -> None:
    x = noise(5, 2, dtype="int16")
    write_npz(folders, "a", x=x, age=63, size=np.array([1.5, 2.5]), sex="f", device=b"watch")
    source = source_of(
        folders, signal_key="x", input_values=("size", "device", "age", "sex"),
        value_classes=("phone", "watch", "f"), window_samples=2, tail="pad",
    )  # fmt: skip
    found, described = source.read("a.npz"), source.describe("a.npz")
    expected = np.zeros((6, 8), np.float32)
    expected[:5, :2] = x
    expected[:5, 2:] = [1.5, 2.5, 63, 0, 1, 1]  # Nothing is known where nothing was recorded.
    np.testing.assert_array_equal(found.data, expected.reshape(3, 2, 8), strict=True)
    np.testing.assert_array_equal(source.read_data("a.npz"), found.data)
    assert (found.padding, described.step_shape, described.dtype) == (1, (2, 8), "float32")
    named = [channel.name for channel in described.channels]
    assert named == ["", "", "size:0", "size:1", "age", "is_phone", "is_watch", "is_f"]
    assert described.left_out == ()


@pytest.mark.parametrize(
    ("shape", "stored"),
    [((4,), (4, 1)), ((4, 256), (4, 1, 256)), ((4, 300), (4, 300, 1)), ((4, 10, 2), (4, 10, 2))],
)
def test_values_stand_beside_steps_of_any_kind(
    folders: Folders, shape: tuple[int, ...], stored: tuple[int, ...]
) -> None:
    write_npz(folders, "a", x=noise(*shape), age=7.5)
    found = source_of(folders, signal_key="x", input_values=("age",)).read_data("a.npz")
    ages = np.full((*stored[:-1], 1), 7.5, np.float32)
    expected = np.concatenate([noise(*shape).reshape(stored), ages], -1)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "'v' .* is not finite"),
        ("tablet", r"'v' .* is 'tablet'; .* --value_classes \(phone\): .* or write numbers"),
        (np.zeros(300), r"has shape \[300\].*--signal_key"),
        (None, r"no array 'v' \(--input_values\).*--values_table"),
    ],
)
def test_what_is_no_value_is_rejected(folders: Folders, value: Any, message: str) -> None:
    write_npz(folders, "a", x=noise(5), **({} if value is None else {"v": value}))
    source = source_of(folders, signal_key="x", input_values=("v",), value_classes=("phone",))
    with pytest.raises(RejectedInputError, match=message):
        source.describe("a.npz")


def test_a_signal_that_is_missing_is_zero_and_its_flag_as_well(folders: Folders) -> None:
    eeg, accel = noise(10), noise(5, 2)
    write_npz(folders, "both", eeg=eeg, accel=accel)
    write_npz(folders, "eeg", eeg=eeg)
    write_npz(folders, "accel", accel=accel)
    write_npz(folders, "none", other=accel)
    write_npz(folders, "wide", eeg=eeg, accel=noise(5, 3))
    source, rows = source_of(folders, **_MASK), joined((eeg, 2), (accel, 1))
    for name, flags in {"both": (1, 1), "eeg": (1, 0), "accel": (0, 1)}.items():
        expected = np.concatenate([rows, np.tile(np.float32(flags), (5, 1))], 1)
        expected[:, :2] *= flags[0]
        expected[:, 2:4] *= flags[1]
        np.testing.assert_array_equal(source.read_data(f"{name}.npz"), expected)
        found = source.describe(f"{name}.npz")
        assert [c.name for c in found.channels][-2:] == ["has_eeg", "has_accel"]
    for name, reason in {"none": "no array 'eeg'", "wide": "--signal_channels=2"}.items():
        with pytest.raises(RejectedInputError, match=reason):
            source.describe(f"{name}.npz")


def _write_folder(folders: Folders) -> dict[str, np.ndarray]:
    """Recordings of which every third lacks a signal; what each is together, by the plain loop."""
    expected = {}
    for number in range(9):
        rows = 6 + number
        eeg = noise(2 * rows, seed=number) + 1000
        accel = noise(rows, 2, seed=number)
        lacks = number % 3 == 1
        given = {"eeg": eeg} if lacks else {"eeg": eeg, "accel": accel}
        write_npz(folders, f"r{number}", **given, age=20 + number, label=number % 2)
        found = joined((eeg, 2), (accel * (not lacks), 1))
        constants = np.tile(np.float32([20 + number, 1, not lacks]), (rows, 1))
        expected[f"r{number}"] = np.concatenate([found, constants], 1).astype(np.float32)
    return expected


_FLAGS = (
    "--signal_key=eeg,accel", "--signal_rates_hz=100,50", "--signal_channels=1,2",
    "--missing_signal=mask", "--input_values=age", "--splits=test=3,train=rest", "--num_shards=3",
)  # fmt: skip


def test_a_conversion_is_the_plain_loop_and_its_statistics_those_of_what_is_there(
    folders: Folders, converter: Converter
) -> None:
    expected = _write_folder(folders)
    dataset = converter.dataset(*_FLAGS)
    records = read_records(dataset)
    for name, rows in expected.items():
        np.testing.assert_array_equal(records[name]["signal"], rows)
    first = hashes(folders.dataset)
    workers = ("--direct_num_workers=3", "--direct_running_mode=multi_threading")
    assert converter.run(*_FLAGS, *workers, "--overwrite").code == 0
    assert hashes(folders.dataset) == first

    train = [expected[name] for name in dataset.split("train").ids()]
    known = [rows for rows in train if rows[0, 6]]
    assert 0 < len(known) < len(train)
    for found in (
        dataset.manifest.statistics,
        statistics(group_facts(dataset, ["train"]).values()),
    ):
        assert found.count == sum(map(len, train))
        for channel in range(7):
            values = np.concatenate(known if channel in (2, 3) else train)[:, channel].astype(float)
            figures = (values.mean(), values.std(), values.min(), values.max())
            said = (found.mean, found.deviation, found.minimum, found.maximum)
            np.testing.assert_allclose([one[channel] for one in said], figures, rtol=1e-12)
    assert not [*verify_dataset(dataset.path)]

    roles = dataset.schema.input.roles
    assert [(role.kind, role.like, role.shown_by) for role in roles] == [
        ("signal", 0, 5), ("signal", 0, 5), ("signal", 2, 6), ("signal", 3, 6),
        ("value", 4, -1), ("flag", 5, -1), ("flag", 6, -1),
    ]  # fmt: skip
    options = dataset.manifest.options
    assert options["channels"] == [
        "eeg@0", "eeg@1", "accel:0", "accel:1", "age", "has_eeg", "has_accel",
    ]  # fmt: skip
    assert options["sample_rate_hz"] == 50.0
    names = ["r0", "r1"]
    given = [dict(np.load(folders.inputs / f"{name}.npz")) for name in names]
    for batch in RawArrays(given, dataset.schema.input, options).batches(1):
        (row,) = batch.order
        np.testing.assert_array_equal(batch.inputs["signal"][0], expected[names[row]])


def test_values_may_be_in_a_table_by_recording_or_by_group(
    folders: Folders, tmp_path: pathlib.Path
) -> None:
    for name in ("p1/a", "p1/b", "p2/a"):
        write_npz(folders, name, x=noise(3), size=2.5)
    table = tmp_path / "values.tsv"
    options = {
        "signal_key": "x", "input_values": ("size", "age", "device"), "value_classes": ("watch",),
        "values_table": str(table), "group_regex": r"(q)?p\d",
    }  # fmt: skip
    table.write_text("id\tage\tdevice\np1\t30\twatch\np2/a\t45.5\twatch\n")
    source = source_of(folders, **options)
    for name, age in {"p1/a": 30, "p1/b": 30, "p2/a": 45.5}.items():
        found = source.read_data(f"{name}.npz")
        np.testing.assert_array_equal(found[:, 1:], [[2.5, age, 1]] * 3)  # As they are named.
    before = [source.describe("p1/a.npz").checksum, source.read("p1/a.npz").checksum]
    assert before[0] == before[1]
    other = tmp_path / "other.tsv"
    other.write_text(table.read_text().replace("30", "31"))
    source = source_of(folders, **{**options, "values_table": str(other)})
    assert source.describe("p1/a.npz").checksum != before[0]
    other = tmp_path / "wrong.tsv"
    other.write_text(table.read_text().replace("p2/a", "p1"))
    source = source_of(folders, **{**options, "values_table": str(other)})
    for name, reason in {
        "p1/a": "rows 1 and 2 of wrong.tsv",
        "p2/a": "no row of wrong.tsv",
    }.items():
        with pytest.raises(RejectedInputError, match=reason):
            source.describe(f"{name}.npz")
    with pytest.raises(UsageError, match=r"no column who \(--input_values\); it has id, age"):
        source_of(folders, **{**options, "input_values": ("who",)}).describe("p1/a.npz")


def test_a_prediction_reads_the_values_of_its_own_table(
    folders: Folders, tmp_path: pathlib.Path
) -> None:
    write_npz(folders, "a", x=noise(3))
    write_npz(folders, "b", x=noise(4))
    table, spec = tmp_path / "new.csv", InputSpec("signal", "float32", (2,))
    table.write_text("file,age\na.npz,5\nb.npz,6\n")
    options = {"signal_key": "x", "input_values": ("age",)}
    recorded = source_of(folders, **options, values_table="there.csv").options.recorded()
    (batch,) = RawFolder(str(folders.inputs), spec, recorded, str(table)).batches(9)
    assert batch.inputs["signal"][:, 0, 1].tolist() == [5, 6]
    bare = RawFolder(str(folders.inputs), spec, recorded)
    assert not [*bare.batches(9)]
    assert all("--values_table" in reason for _, reason in bare.rejects)
    with pytest.raises(UsageError, match="converted without --input_values"):
        RawFolder(str(folders.inputs), spec, {"source": "signals"}, str(table))


def test_signals_of_other_channels_in_rows_as_wide_are_rejected(folders: Folders) -> None:
    layouts = []
    for counts in ((1, 2), (2, 1)):
        write_npz(folders, "a", x=noise(5, counts[0]), y=noise(5, counts[1]))
        layouts.append(source_of(folders, signal_key="x,y").describe("a.npz").channels)
    assert not layout_misfit(layouts[0], layouts[0])
    assert "(x 1, y 2) than most of the set's (x 2, y 1)" in layout_misfit(*layouts)


def test_of_one_signal_nothing_new_is_recorded(folders: Folders, tmp_path: pathlib.Path) -> None:
    text = toy_dataset(tmp_path, sizes={"train": 1})[0].manifest.to_json()
    found = {*source_of(folders).options.recorded()}
    new = {"signal_rates_hz", "signal_channels", "missing_signal", "input_values", "value_classes"}
    new |= {"ignore_label", "unlabelled"}
    assert not new & found
    assert "roles" not in text
