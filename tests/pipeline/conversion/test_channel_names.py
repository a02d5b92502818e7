"""Recordings whose channels have another order, other units or other names than most."""

from typing import Any

import numpy as np
import pytest

from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import source_like
from pipeline.sources.recordings.units import factor
from tests.optional import optional_library
from tests.pipeline.conversions import Converter, Folders, read_records, rejects
from tfrecords_schema.left_out import LeftOut

_TABLES = ("--source=tables", "--label_kind=none", "--splits=train=1")
_MOST = ("--max_rejected_fraction=0.5",)
_VALUES = {"ax": np.arange(5.0), "ay": 100 + np.arange(5.0), "az": -np.arange(5.0)}


def _write(folders: Folders, name: str, *columns: str) -> None:
    table = {column: _VALUES[column] for column in columns}
    rows = [[*table], *zip(*table.values(), strict=True)]
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    (folders.inputs / f"{name}.csv").write_text(text)


def _expected(*columns: str) -> np.ndarray:
    return np.stack([_VALUES[column] for column in columns], 1)


def test_channels_in_another_order_are_rejected_and_taken_by_name(
    folders: Folders, converter: Converter
) -> None:
    for name in ("a", "b"):
        _write(folders, name, "ax", "ay")
    _write(folders, "swapped", "ay", "ax")
    dataset = converter.dataset(*_TABLES, *_MOST)
    (reject,) = rejects(dataset)
    assert reject["path"] == "swapped.csv"
    assert "in the order ay, ax, most of the set's in ax, ay" in reject["reason"]
    assert "--channels=ax,ay" in reject["reason"]
    # As the manifest says it, recordings that are predicted later are read by name, too.
    later = source_like(dataset.manifest.options, str(folders.inputs), GFiles())
    np.testing.assert_array_equal(later.read_data("swapped.csv"), _expected("ax", "ay"))
    cured = converter.dataset(*_TABLES, "--channels=ax,ay", "--overwrite")
    for record in read_records(cured).values():
        np.testing.assert_array_equal(record["signal"], _expected("ax", "ay"))


def test_channels_of_other_names_are_taken_in_their_order_and_said(
    folders: Folders, converter: Converter
) -> None:
    for name in ("a", "b"):
        _write(folders, name, "ax", "ay")
    _write(folders, "other", "ax", "az")
    dataset = converter.dataset(*_TABLES)
    why = (
        "channel 'az' in the place of 'ay', as the channels are taken in the order of the file; "
        "if they are others, choose with --channels"
    )
    assert [*dataset.manifest.left_out] == [LeftOut("recording", why)]
    assert dataset.manifest.options["channels"] == []


def test_columns_of_text_are_said_to_be_left_out(folders: Folders, converter: Converter) -> None:
    for name in ("a", "b"):
        text = "x,amount\n" + "".join(f'{row},"{row},000"\n' for row in range(1, 5))
        (folders.inputs / f"{name}.csv").write_text(text)
    dataset = converter.dataset(*_TABLES)
    why = (
        "column 'amount' is not used, as not all of it are numbers with a point; --decimal_comma "
        "reads 1,5"
    )
    assert [*dataset.manifest.left_out] == [LeftOut("recording", why, 2, "a.csv")]
    assert read_records(dataset)["a"]["signal"].shape == (4, 1)


def _write_edf(folders: Folders, name: str, unit: str, values: np.ndarray) -> None:
    edfio = optional_library("edfio")
    limit = float(np.abs(values).max())
    signal = edfio.EdfSignal(
        values, 10, label="EEG C3", physical_dimension=unit, physical_range=(-limit, limit)
    )
    edfio.Edf([signal]).write(folders.inputs / f"{name}.edf")


def _write_wfdb(folders: Folders, name: str, unit: str, values: np.ndarray) -> None:
    optional_library("wfdb").wrsamp(
        name, fs=10, units=[unit], sig_name=["II"], p_signal=values[:, np.newaxis], fmt=["24"],
        write_dir=str(folders.inputs),
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "write"), [("edf", _write_edf), ("wfdb", _write_wfdb)])
def test_values_in_another_unit_are_rejected_or_brought_to_one(
    folders: Folders, converter: Converter, kind: str, write: Any
) -> None:
    values = 50 * np.random.default_rng(0).normal(size=100)
    for name, unit, scale in (("a", "uV", 1), ("b", "uV", 1), ("odd", "mV", 1e-3)):
        write(folders, name, unit, scale * values)
    flags = (f"--source={kind}", "--label_kind=none", "--splits=train=1")
    dataset = converter.dataset(*flags, *_MOST)
    (reject,) = rejects(dataset)
    assert (
        "is in mV, most of the set's in uV; bring all to one unit with --units=uV"
        in (reject["reason"])
    )
    later = source_like(dataset.manifest.options, str(folders.inputs), GFiles())
    np.testing.assert_allclose(later.read_data(reject["path"])[:, 0], values, atol=0.02)
    cured = converter.dataset(*flags, "--units=mV", "--overwrite")
    assert {*read_records(cured)} == {"a", "b", "odd"}
    for record in read_records(cured).values():
        np.testing.assert_allclose(record["signal"][:, 0], values / 1000, atol=2e-5)


@pytest.mark.parametrize(
    ("unit", "wanted", "expected"),
    [
        ("mV", "uV", 1e3), ("\u00b5V", "V", 1e-6), ("\u03bcV", "uV", 1), ("mg", "g", 1e-3),
        ("%", "uV", 1), ("", "uV", 1), ("mV", "mHz", 1), ("cmH2O", "cmH20", 1),
    ],
)  # fmt: skip
def test_only_multiples_of_one_unit_are_brought_to_each_other(
    unit: str, wanted: str, expected: float
) -> None:
    assert factor(unit, wanted) == expected
