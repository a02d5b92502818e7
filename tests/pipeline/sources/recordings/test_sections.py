"""Which channels, from where to where, at which rate."""

import functools
import unicodedata
from typing import Any

import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.recordings.options import RecordingOptions
from pipeline.sources.recordings.sections import Channel, find_section, source_samples
from tests.optional import optional_library

optional_library("scipy")  # For --resample_hz.
_CHANNELS = [
    Channel("EEG Fpz-Cz", 100, 1000),
    Channel("EEG Pz-Oz", 100, 1000),
    Channel("EMG [uV]", 1, 10),
]


def _section(*channels: Channel, **options: Any) -> Any:
    return find_section(channels or _CHANNELS, RecordingOptions("in", "out", "test", **options))


@pytest.mark.parametrize(
    ("patterns", "indexes"),
    [
        (("EEG Pz-Oz", "EEG Fpz-Cz"), [1, 0]),
        (("EEG*",), [0, 1]),
        (("EEG P*", "EEG*"), [1, 0]),
        (("EMG [uV]",), [2]),
        (("EMG ?uV?",), [2]),
    ],
)
def test_channels_come_by_name_in_the_order_asked_for(
    patterns: tuple[str, ...], indexes: list[int]
) -> None:
    section = _section(channels=patterns)
    assert [part.channel for part in section.parts] == indexes
    assert section.samples == (1000 if indexes != [2] else 10)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("pattern", ["Gr\u00f6\u00dfe", "Gr\u00f6*", "Gr?\u00dfe"])
def test_a_channel_is_found_in_either_form_of_its_letters(pattern: str, forms: Any) -> None:
    stored, typed = (functools.partial(unicodedata.normalize, form) for form in forms)
    channels = [Channel("x", 1, 9), Channel(stored("Gr\u00f6\u00dfe"), 1, 9)]
    (part,) = _section(*channels, channels=(typed(pattern),)).parts
    assert part.channel == 1


def test_a_missing_channel_is_a_reject_or_zeros() -> None:
    with pytest.raises(
        RejectedInputError, match=r"no channel 'ECG' \(--channels\); it has EEG Fpz"
    ):
        _section(channels=("EEG*", "ECG"))
    section = _section(channels=("ECG", "EEG*"), missing_channels="zero")
    assert [part and part.channel for part in section.parts] == [None, 0, 1]
    with pytest.raises(RejectedInputError, match="none of the channels"):
        _section(channels=("ECG",), missing_channels="zero")


def test_unlike_rates_are_made_one_or_rejected() -> None:
    with pytest.raises(RejectedInputError, match=r"unlike rates .*EMG \[uV\] 1"):
        _section()
    section = _section(resample_hz=50)
    assert (section.samples, section.rate_hz) == (500, 50)
    assert [float(part.factor) for part in section.parts] == [0.5, 0.5, 50]


def test_a_rate_that_is_named_is_the_rate() -> None:
    with pytest.raises(
        RejectedInputError, match="has 100 samples per second, not --sample_rate_hz"
    ):
        _section(channels=("EEG*",), sample_rate_hz=128)
    assert _section(Channel("a", 0, 7), sample_rate_hz=128).rate_hz == 128
    with pytest.raises(RejectedInputError, match="cannot be resampled"):
        _section(Channel("a", 0, 7), resample_hz=128)


def test_time_is_cut_at_the_first_sample_from_there_on() -> None:
    section = _section(channels=("EEG*",), from_secs=1.001, to_secs=2.0)
    assert {(part.start, part.stop) for part in section.parts} == {(101, 200)}
    assert _section(channels=("EMG*",), from_secs=8.5, to_secs=99).parts[0][:3] == (2, 9, 10)
    with pytest.raises(RejectedInputError, match="no sample from 10 s on"):
        _section(channels=("EEG*",), from_secs=10)


def test_labels_of_samples_follow_the_rate() -> None:
    section = _section(channels=("EEG Pz*",), resample_hz=40, from_secs=1)
    assert source_samples(section)[:5].tolist() == [100, 102, 105, 107, 110]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resample_hz": 50, "sample_rate_hz": 100}, "give one of them"),
        ({"window_secs": 2}, "--window_secs needs --sample_rate_hz, the rate that all files have"),
        ({"from_secs": 2, "to_secs": 2}, "--to_secs=2 is not after --from_secs=2"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _section(**options)


def test_seconds_of_a_window_follow_the_rate_that_all_get() -> None:
    options = RecordingOptions("in", "out", "test", resample_hz=50, window_secs=2)
    assert options.window == 100
    assert options.recorded()["sample_rate_hz"] == 50
