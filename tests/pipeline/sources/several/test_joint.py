"""Several arrays as one signal: against a plain loop, and against what scipy makes of each."""

import pathlib
import re
from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import fields_of, value_of
from pipeline.sources.kinds.signals import SignalOptions
from pipeline.sources.several.rows import common_rate
from tests.pipeline.conversions import Folders, write_npz
from tests.pipeline.sources.several.recordings import joined, noise, source_of

_TWO: dict[str, Any] = {"signal_key": "eeg,accel", "signal_rates_hz": (100.0, 50.0)}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5), st.sampled_from([1, 10, 1000]))
def test_the_common_rate_is_the_greatest_of_which_all_are_multiples(numbers, parts):
    rates = [number / parts for number in numbers]
    common, multiples = common_rate(rates)
    np.testing.assert_allclose([float(common) * n for n in multiples], rates, rtol=1e-12)
    assert np.gcd.reduce(multiples) == 1


@pytest.mark.parametrize(
    ("rates", "counts", "arrays"),
    [
        ((100.0, 50.0), (2, 1), [noise(40, 2), noise(20, 3)]),
        ((50.0, 100.0), (1, 2), [noise(20), noise(41, 1, dtype="int16")]),
        ((200.0, 100.0, 0.5), (400, 200, 1), [noise(800), noise(400, 2), noise(2, 3)]),
        ((128.0, 100.0), (32, 25), [noise(96, 2), noise(75)]),
        ((500.0, 1.0), (500, 1), [noise(1000), noise(2, 3)]),
        ((33.3, 66.6), (1, 2), [noise(9, dtype="int16"), noise(18, dtype="int16")]),
        ((), (1, 1), [noise(7, 2, dtype="float64"), noise(7)]),
    ],
)
def test_a_row_holds_the_samples_of_every_signal(
    folders: Folders, rates: tuple[float, ...], counts: tuple[int, ...], arrays: list[np.ndarray]
) -> None:
    names = [f"s{number}" for number in range(len(arrays))]
    write_npz(folders, "a", **dict(zip(names, arrays, strict=True)), other=np.zeros(3))
    source = source_of(folders, signal_key=",".join(names), signal_rates_hz=rates)
    expected = joined(*zip(arrays, counts, strict=True))
    if expected.shape[1] > 256:  # That would be taken for samples of one channel.
        expected = expected[:, np.newaxis]
    found, described = source.read("a.npz"), source.describe("a.npz")
    np.testing.assert_array_equal(found.data, expected.astype(described.dtype), strict=True)
    np.testing.assert_array_equal(source.read_data("a.npz"), found.data)
    stored = expected.dtype.name.replace("float64", "float32")
    assert (described.steps, described.step_shape, described.dtype) == (
        len(expected), expected.shape[1:], stored,
    )  # fmt: skip
    assert described.left_out[0].reason.startswith("array 'other' not used")


def test_values_of_a_row_are_named(folders: Folders) -> None:
    names = {"eeg_names": ["Fz", "Pz"], "accel_names": ["x", "y", "z"]}
    write_npz(folders, "a", eeg=noise(8, 2), accel=noise(4, 3), **names, eeg_hz=8, accel_hz=4.0)
    keys = {"channel_key": "eeg_names,accel_names", "rate_key": "eeg_hz,accel_hz"}
    described = source_of(folders, signal_key="eeg,accel", **keys).describe("a.npz")
    expected = ["eeg:Fz@0", "eeg:Pz@0", "eeg:Fz@1", "eeg:Pz@1", "accel:x", "accel:y", "accel:z"]
    assert [channel.name for channel in described.channels] == expected
    write_npz(folders, "c", eeg=noise(6, 2), accel=noise(3, 3), **names, eeg_hz=8, accel_hz=4.0)
    again = source_of(folders, signal_key="eeg,accel", **keys).describe("c.npz")
    pairs = zip(again.channels, described.channels, strict=True)
    assert all(one is other for one, other in pairs)  # Of a million recordings, too.
    assert (described.rate_hz, described.left_out) == (4.0, ())
    write_npz(folders, "b", eeg=noise(8), accel=noise(4, 2))
    assert [channel.name for channel in source_of(folders, **_TWO).describe("b.npz").channels] == [
        "eeg@0", "eeg@1", "accel:0", "accel:1",
    ]  # fmt: skip


def test_windows_sections_and_channels_are_those_of_the_joint_signal(folders: Folders) -> None:
    eeg, accel = noise(40, 2), noise(20)
    write_npz(folders, "a", eeg=eeg, accel=accel)
    rows = joined((eeg, 2), (accel, 1))
    found = source_of(folders, **_TWO, window_secs=0.1).read_data("a.npz")
    np.testing.assert_array_equal(found, rows.reshape(4, 5, 5))
    options = {"from_secs": 0.1, "to_secs": 0.3, "channels": ("accel", "eeg:1@*")}
    found = source_of(folders, **_TWO, **options).read_data("a.npz")
    np.testing.assert_array_equal(found, rows[5:15, [4, 1, 3]])


def test_signals_that_are_cut_in_steps_are_joined_within_each(folders: Folders) -> None:
    eeg, accel, long = noise(3, 8, 2), noise(3, 4, 1), noise(3, 400)
    write_npz(folders, "a", eeg=eeg, accel=accel, long=long, label=[0, 1, 0])
    found = source_of(folders, signal_key="eeg,accel").read("a.npz")
    steps = [joined((one, 2), (other, 1)) for one, other in zip(eeg, accel, strict=True)]
    np.testing.assert_array_equal(found.data, steps)
    np.testing.assert_array_equal(found.labels[0], [0, 1, 0])
    found = source_of(folders, signal_key="eeg,long", signal_rates_hz=(2.0, 100.0)).read("a.npz")
    steps = [joined((one, 1), (other, 50)) for one, other in zip(eeg, long, strict=True)]
    np.testing.assert_array_equal(found.data, steps)
    write_npz(folders, "c", eeg=eeg[..., 0], accel=accel[..., 0])
    found = source_of(folders, **_TWO).read("c.npz")
    steps = [joined((one, 2), (other, 1)) for one, other in zip(eeg[..., 0], accel, strict=True)]
    np.testing.assert_array_equal(found.data, steps)
    write_npz(folders, "b", eeg=eeg, accel=accel[:2])
    with pytest.raises(RejectedInputError, match="numbers of steps \\(eeg 3, accel 2\\)"):
        source_of(folders, signal_key="eeg,accel").describe("b.npz")


def test_channels_may_be_first(folders: Folders) -> None:
    eeg, accel = noise(8, 2), noise(4)
    write_npz(folders, "a", eeg=eeg.T, accel=accel)
    found = source_of(folders, **_TWO, time_axis=1, window_samples=2).read_data("a.npz")
    np.testing.assert_array_equal(found, joined((eeg, 2), (accel, 1)).reshape(2, 2, 5))


def test_lengths_may_differ_by_a_row(folders: Folders) -> None:
    eeg, accel = noise(41), noise(21)
    write_npz(folders, "a", eeg=eeg, accel=accel, label=np.arange(21))
    source = source_of(folders, **_TWO)
    found = source.read("a.npz")
    np.testing.assert_array_equal(found.data, joined((eeg, 2), (accel, 1)))
    np.testing.assert_array_equal(found.labels[0], np.arange(20))
    assert [left.count for left in source.describe("a.npz").left_out] == [2]


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ((40, 18), _TWO, r"row of 0.02 s \(eeg 0.4 s, accel 0.36 s\); check --signal_rates_hz"),
        ((40, 20), {"signal_key": "eeg,accel"}, r"\(eeg 40, accel 20 samples\).*--signal_rates_hz"),
        (((40, 2), 20), {**_TWO, "time_axis": 2}, r"no axis 2 \(--time_axis\)"),
        ((1, 1), _TWO, r"too short, or do not last equally long"),
        ((40,), _TWO, r"no array 'accel' \(--signal_key\); the file has eeg;.*--missing_signal"),
        ((9, 9), {"signal_key": "eeg,accel", "resample_hz": 5.0}, "not known; .*--signal_rates_hz"),
        (
            (40_000, 39_999),
            {"signal_key": "eeg,accel", "signal_rates_hz": (40_000.0, 39_999.0)},
            "80000 values, more than 4096.*with --resample_hz|has 79999 values",
        ),
    ],
)
def test_signals_that_do_not_fit_together_are_rejected(
    folders: Folders, arrays: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    made = (noise(*np.atleast_1d(shape)) for shape in arrays)
    signals = zip(("eeg", "accel"), made, strict=False)
    write_npz(folders, "a", **dict(signals))
    with pytest.raises(RejectedInputError, match=message):
        source_of(folders, **options).describe("a.npz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"signal_key": "eeg,eeg"}, "occurs twice"),
        ({"signal_key": "eeg", "signal_rates_hz": (1.0,)}, "of several"),
        ({**_TWO, "signal_rates_hz": (1.0,)}, "one for each"),
        ({**_TWO, "signal_rates_hz": (1.0, 0.0)}, "above 0"),
        ({**_TWO, "sample_rate_hz": 100.0}, "greatest common rate of --signal_rates_hz, 50"),
        ({**_TWO, "rate_key": "hz"}, "--rate_key or --signal_rates_hz"),
        ({**_TWO, "channel_key": "names"}, "name an array for each"),
        ({**_TWO, "missing_signal": "mask"}, "--signal_channels"),
        ({**_TWO, "signal_channels": (1, 1)}, "--missing_signal=mask"),
        ({**_TWO, "resample_hz": 50.0, "non_finite": "split"}, "use fill, zero or reject"),
        ({**_TWO, "input_values": ("accel",)}, "'accel' is in --input_values"),
        ({**_TWO, "label_key": "accel"}, "name two arrays"),
        ({**_TWO, "single_step": True}, "several signals"),
        ({"missing_signal": "mask"}, "for several signals"),
        ({"value_classes": ("a",)}, "is of --input_values"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    folders: Folders, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        source_of(folders, **options)


def test_rates_of_several_signals_have_a_flag_of_their_own() -> None:
    fields = {field.name: (field, hint) for field, hint in fields_of(SignalOptions)}
    assert value_of(*fields["sample_rate_hz"], "62.5") == 62.5
    with pytest.raises(UsageError, match=r"expected a number; .*--signal_rates_hz"):
        value_of(*fields["sample_rate_hz"], "100,50")


def test_all_are_brought_to_one_rate_each_by_itself(folders: Folders) -> None:
    eeg, accel = noise(64, 2), noise(50)
    holed = eeg.copy()
    holed[5, 1] = np.nan
    write_npz(folders, "a", eeg=holed, accel=accel)
    eeg[5, 1] = (eeg[4, 1] + eeg[6, 1]) / 2
    options = {"signal_rates_hz": (128.0, 100.0), "resample_hz": 100.0, "non_finite": "fill"}
    source = source_of(folders, signal_key="eeg,accel", window_secs=0.1, **options)
    found = source.read("a.npz")
    of_eeg = scipy.signal.resample_poly(eeg.astype(float), 25, 32)
    expected = np.concatenate([of_eeg[:50], accel[:, np.newaxis]], 1).reshape(5, 10, 3)
    np.testing.assert_allclose(found.data, expected, atol=1e-4)
    assert [left.count for left in found.left_out] == [1]


def test_a_gap_is_one_of_the_row(folders: Folders) -> None:
    eeg, accel = noise(8), noise(4)
    eeg[3] = np.nan
    write_npz(folders, "a", eeg=eeg, accel=accel)
    found = source_of(folders, **_TWO, non_finite="mask").read_data("a.npz")
    eeg[3] = (eeg[1] + eeg[5]) / 2  # Between the same samples of the rows around.
    np.testing.assert_allclose(found[:, :3], joined((eeg, 2), (accel, 1)), rtol=1e-6)
    np.testing.assert_array_equal(found[:, 3], [1, 0, 1, 1])
    parts = source_of(folders, **_TWO, non_finite="split")
    listed = [file.path for file in parts.list_inputs()]
    assert listed == ["a.npz#0-1", "a.npz#2-4"]
    np.testing.assert_array_equal(parts.read_data(listed[1]), joined((eeg[4:], 2), (accel[2:], 1)))


def test_the_page_says_how_to_join() -> None:
    page = pathlib.Path(__file__).parents[4] / "docs/several_signals.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    given: dict[str, Any] = {"np": np, "eeg": noise(9, 2), "accel": noise(4, 3)}
    exec(code, given)
    np.testing.assert_array_equal(given["signal"], joined((given["eeg"], 2), (given["accel"], 1)))


def test_an_array_whose_name_has_a_comma_is_one(folders: Folders) -> None:
    write_npz(folders, "a", **{"x,y": noise(5, 2)}, z=noise(7))
    found = source_of(folders, signal_key="x,y").read_data("a.npz")
    np.testing.assert_array_equal(found, noise(5, 2))
