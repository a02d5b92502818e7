"""What a look into some of the inputs says: rates, channels, lengths, labels within."""

import collections
import contextlib
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pipeline.console.errors import RejectedInputError
from pipeline.sources.guessing.columns import guess_from_columns
from pipeline.sources.guessing.readings import Guess, Reading, digits
from pipeline.sources.kinds.edf import EdfSource
from pipeline.sources.kinds.signals import SignalSource
from pipeline.sources.kinds.tables import TableSource
from pipeline.sources.kinds.wfdb import WfdbSource
from pipeline.sources.recordings.annotations import Annotation
from pipeline.sources.recordings.sections import Channel
from pipeline.sources.recordings.source import RecordingSource
from pipeline.sources.source import Source

_LONG_SAMPLES = 100_000  # Longer ones are cut, as no step is a sample any more.
_LONG_WINDOW_SECS = 10.0
_WFDB_ANNOTATIONS = ("atr", "qrs", "ecg", "st", "apn")
_RATES = ("rate_hz", "sample_rate", "sampling_rate", "fs", "sr", "rate")
_GROUPS = ("subject", "speaker", "participant", "patient", "person", "who")
_MAX_CHANNELS_FIRST = 64
_PLACES = 12
_EXAMPLES = 5


class _Look(NamedTuple):
    """One file."""

    channels: list[Channel]
    annotations: list[Annotation]
    key: str


def guess_from_contents(source: Source, paths: Sequence[str], guess: Guess) -> bool:
    """Adds what some inputs say of themselves.

    Args:
      source: reads them.
      paths: some of the inputs.
      guess: takes the flags.

    Returns:
      Whether they have labels of their own.
    """
    if isinstance(source, TableSource):
        return guess_from_columns(source, paths, guess)
    if isinstance(source, RecordingSource):
        return _recordings(source, paths, guess)
    if isinstance(source, SignalSource):
        return _arrays(source, paths, guess)
    return False


def _recordings(source: RecordingSource, paths: Sequence[str], guess: Guess) -> bool:
    looks = [*filter(None, (_look(source, path) for path in paths))]
    looks = [look for look in looks if look.channels]
    if not looks:
        guess.facts.append("none of the inputs that were looked into can be read")
        return False
    rates = _channels(looks, guess)
    rate_hz = _rate(rates, guess)
    lengths = [look.channels[0].samples / (look.channels[0].rate_hz or 1) for look in looks]
    unit = "s" if rate_hz else "rows"
    guess.facts.append(f"length: {min(lengths):.4g} to {max(lengths):.4g} {unit}")
    annotated = [look for look in looks if look.annotations]
    if annotated:
        _annotations(annotated, rate_hz, guess)
    elif rate_hz and statistics.median(lengths) * rate_hz > _LONG_SAMPLES:
        guess.flags.append(f"--window_secs={_LONG_WINDOW_SECS:g}")
    return bool(annotated)


def _look(source: RecordingSource, path: str) -> _Look | None:
    with contextlib.suppress(RejectedInputError), source.open(path) as recording:
        channels = [*recording.channels]
        keys = {EdfSource: ("annotations",), WfdbSource: _WFDB_ANNOTATIONS}.get(type(source), ())
        for key in keys:
            with contextlib.suppress(RejectedInputError):
                if found := recording.annotations(key):
                    return _Look(channels, [*found], key)
        return _Look(channels, [], "")
    return None


def _channels(looks: Sequence[_Look], guess: Guess) -> set[float]:
    """Chooses channels that all have, of one rate in a file; says which rates they have."""
    first = looks[0].channels
    common = [
        c.name for c in first if all(c.name in {o.name for o in look.channels} for look in looks)
    ]
    rates = {c.rate_hz for c in first if c.name in common}
    chosen = [c.name for c in first if c.name in common and c.rate_hz == max(rates, default=0)]
    names = [channel.name for channel in first]
    are_all = all([c.name for c in look.channels] == chosen for look in looks)
    if chosen and not are_all and not any("," in name for name in chosen):
        readings = [Reading((f"--channels={','.join(chosen)}",), f"channels: {', '.join(chosen)}")]
        if len(rates) > 1:
            why = f"all channels ({', '.join(names)}) at {digits(max(rates))} Hz"
            readings.append(Reading((f"--resample_hz={digits(max(rates))}",), why))
        guess.take("Which channels?", readings)
    else:
        guess.facts.append(f"channels: {', '.join(names[:20])}")
    return {c.rate_hz for look in looks for c in look.channels if c.name in (chosen or names)}


def _rate(rates: set[float], guess: Guess) -> float:
    if len(rates) == 1:
        rate_hz = rates.pop()
        if rate_hz:
            rate = digits(rate_hz)
            guess.take("", [Reading((f"--sample_rate_hz={rate}",), f"rate: {rate} Hz")])
        return rate_hz
    low, high = min(rates), max(rates)
    guess.take(
        "Which rate shall all have?",
        [
            Reading((f"--resample_hz={rate}",), f"rates: {low:g} to {high:g} Hz, made {rate}")
            for rate in map(digits, (low, high))
        ],
    )
    return low


def _annotations(looks: Sequence[_Look], rate_hz: float, guess: Guess) -> None:
    """Annotations that last become classes of steps of their usual length; points, of 10 s."""
    found = [annotation for look in looks for annotation in look.annotations]
    lasting = [a.duration_secs for a in found if a.duration_secs > 0]
    texts = [text for text, _ in collections.Counter(a.text for a in found).most_common(_EXAMPLES)]
    secs = _LONG_WINDOW_SECS
    if lasting:
        secs = min(lasting)  # Others are mostly several of it.
    if rate_hz and abs(secs * rate_hz - round(secs * rate_hz)) > 1e-6:
        secs = max(1.0, round(secs))
    flags = (f"--label_key={looks[0].key}", f"--window_secs={secs:g}")
    why = f"label: annotations of {len(looks)} inputs looked into ({', '.join(texts)})"
    guess.take("", [Reading(flags, f"{why}, a class for every {secs:g} s")])


def _arrays(source: SignalSource, paths: Sequence[str], guess: Guess) -> bool:
    shapes: dict[str, list[tuple[int, ...]]] = collections.defaultdict(list)
    floats: set[str] = set()
    values: dict[str, list[Any]] = collections.defaultdict(list)
    for path in paths:
        with (
            contextlib.suppress(RejectedInputError),
            source.open_input(path) as file,
        ):
            for key in file.keys:
                with contextlib.suppress(RejectedInputError):
                    header = file.header(key)
                    shapes[key].append(header.shape)
                    floats.update({key} if header.dtype.kind == "f" else ())
                    if not header.shape:
                        values[key].append(file.array(key).item())
    if not shapes:
        guess.facts.append("none of the inputs that were looked into can be read")
        return False
    guess.facts.append("arrays: " + ", ".join(f"{k} {[*s[0]]}" for k, s in shapes.items()))
    signal = _signal(shapes, floats, guess)
    if signal and _is_channels_first(shapes[signal]):
        guess.take("", [Reading(("--time_axis=1",), "time is the second axis")])
    rates = {key: found for key, found in values.items() if all(map(_is_rate, found))}
    _named(rates, _RATES, lambda key, rate: f"--sample_rate_hz={digits(rate)}", "rate", guess)
    _unlike_rates(rates, guess)
    _named(values, _GROUPS, lambda key, _: f"--group_key={key}", "group", guess)
    return "label" in shapes or "y" in shapes


def _unlike_rates(rates: dict[str, list[Any]], guess: Guess) -> None:
    for key, found in rates.items():
        if key.lower() in _RATES and len({*found}) > 1:
            guess.flags.append(f"--rate_key={key}")
            _rate({*map(float, found)}, guess)
            return


def _is_rate(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < math.inf


def _signal(shapes: dict[str, list[tuple[int, ...]]], floats: set[str], guess: Guess) -> str:
    large = [k for k, s in shapes.items() if s[0] and max(s[0]) > 1 and k not in ("label", "y")]
    readings = [Reading((f"--signal_key={key}",), f"signal: array {key}") for key in large]
    together = [key for key in large if key in floats and "," not in key]
    if len(together) > 1:
        why = f"signal: arrays {', '.join(together)} as one; of unlike rates with --signal_rates_hz"
        readings.append(Reading((f"--signal_key={','.join(together)}",), why))
    if len(large) > 1:
        guess.take("Which array is the signal?", readings)
    return large[0] if large else ""


def _is_channels_first(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether the first axis is short and the same in all, and the second long or of any length."""
    if not all(len(shape) == 2 for shape in shapes):
        return False
    first, second = zip(*shapes, strict=True)
    is_short = len({*first}) == 1 and first[0] <= _MAX_CHANNELS_FIRST
    return is_short and min(second) > first[0] and (len({*second}) > 1 or second[0] > 8 * first[0])


def _named(
    values: dict[str, list[Any]],
    names: Sequence[str],
    flag: Callable[[str, Any], str],
    what: str,
    guess: Guess,
) -> None:
    for key, found in values.items():
        is_constant = len({*found}) == 1
        if key.lower() in names and (is_constant or what == "group"):
            some = ", ".join(map(str, sorted({*map(str, found)})[:_EXAMPLES]))
            guess.take("", [Reading((flag(key, found[0]),), f"{what}: array {key} ({some})")])
            return
