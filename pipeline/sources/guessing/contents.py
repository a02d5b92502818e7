"""What a look into some of the inputs says: rates, channels, lengths, labels within."""

import collections
import contextlib
import math
import re
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.console.errors import RejectedInputError
from pipeline.sources.frames.options import FrameOptions
from pipeline.sources.guessing.arrays import guess_from_arrays
from pipeline.sources.guessing.columns import guess_from_columns
from pipeline.sources.guessing.readings import Guess, Reading, digits, take_rate
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
_PLACES = 12
_EXAMPLES = 5
_SIZED = 10
_NO_LABEL = re.compile(r"(?i)age|sex|gender|height|weight|comment_\d+")


class _Look(NamedTuple):
    """One file."""

    channels: list[Channel]
    annotations: list[Annotation]
    key: str
    fields: dict[str, Any]


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
        return guess_from_arrays(source, paths, guess)
    if isinstance(source.options, FrameOptions):
        _sizes(source, paths[:_SIZED], guess)
    return False


def _sizes(source: Source, paths: Sequence[str], guess: Guess) -> None:
    """Asks for one size where frames have several."""
    sizes: set[tuple[int, ...]] = set()
    for path in paths:
        with contextlib.suppress(RejectedInputError):
            sizes.add(source.without_labels().describe(path).step_shape[:2])
    if len(sizes) > 1:
        by_area = sorted(sizes, key=lambda size: (math.prod(size), size))
        readings = [
            Reading((f"--resize={height}x{width}",), f"size: {height} x {width} pixels")
            for height, width in (by_area[0], by_area[-1])
        ]
        guess.take("Which size shall all frames have?", readings)


def _recordings(source: RecordingSource, paths: Sequence[str], guess: Guess) -> bool:
    looks = [*filter(None, (_look(source, path) for path in paths))]
    looks = [look for look in looks if look.channels]
    if not looks:
        guess.facts.append("none of the inputs that were looked into can be read")
        return False
    rates = _channels(looks, guess)
    rate_hz = take_rate(rates, guess)
    lengths = [look.channels[0].samples / (look.channels[0].rate_hz or 1) for look in looks]
    unit = "s" if rate_hz else "rows"
    guess.facts.append(f"length: {min(lengths):.4g} to {max(lengths):.4g} {unit}")
    annotated = [look for look in looks if look.annotations]
    values = _repeated([look.fields for look in looks])
    if isinstance(source, EdfSource) and "patient_code" in values:
        guess.take("", [Reading(("--group_key=patient_code",), "group: the patient's code")])
    if annotated:
        _annotations(annotated, rate_hz, guess)
        return True
    if rate_hz and statistics.median(lengths) * rate_hz > _LONG_SAMPLES:
        guess.flags.append(f"--window_secs={_LONG_WINDOW_SECS:g}")
    readings = [
        Reading((f"--label_key={key}",), f"label: {key} of headers ({', '.join(sorted(some)[:5])})")
        for key, some in values.items()
        if isinstance(source, WfdbSource) and not _NO_LABEL.fullmatch(key)
    ]
    guess.take("Which field of the header is the label?", readings)
    return bool(readings)


def _repeated(found: Sequence[dict[str, Any]]) -> dict[str, set[str]]:
    """Values of the fields that all headers have, and that are the same in some."""
    values = {
        key: [str(fields.get(key, "")) for fields in found]
        for key in found[0]
        if all(fields.get(key) not in (None, "", "X") for fields in found)
    }
    return {k: {*v} for k, v in values.items() if 2 <= len({*v}) <= max(2, len(v) / 2)}


def _look(source: RecordingSource, path: str) -> _Look | None:
    with contextlib.suppress(RejectedInputError), source.open(path) as recording:
        channels = [*recording.channels]
        keys = {EdfSource: ("annotations",), WfdbSource: _WFDB_ANNOTATIONS}.get(type(source), ())
        for key in keys:
            with contextlib.suppress(RejectedInputError):
                if found := recording.annotations(key):
                    return _Look(channels, [*found], key, recording.fields())
        return _Look(channels, [], "", recording.fields())
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


def _annotations(looks: Sequence[_Look], rate_hz: float, guess: Guess) -> None:
    """Annotations that last become classes of steps of their usual length; points, of 10 s."""
    found = [annotation for look in looks for annotation in look.annotations]
    lasting = [a.duration_secs for a in found if a.duration_secs > 0]
    texts = [text for text, _ in collections.Counter(a.text for a in found).most_common(_EXAMPLES)]
    why = f"label: annotations of {len(looks)} inputs looked into ({', '.join(texts)})"
    guess.take("", [Reading((f"--label_key={looks[0].key}",), why)])
    of_points = (_LONG_WINDOW_SECS, 1.0)
    secs = (min(lasting),) if lasting else of_points  # Others are mostly several of the shortest.
    if rate_hz and abs(secs[0] * rate_hz - round(secs[0] * rate_hz)) > 1e-6:
        secs = (max(1.0, round(secs[0])),)
    readings = [Reading((f"--window_secs={n:g}",), f"a class for every {n:g} s") for n in secs]
    guess.take("How long is a step, for which there is one label?", readings)
