"""Tables of events, each with a time, by the recording that they are in.

They are like those of BIDS (`onset`, `duration`, `trial_type`, beside each recording) or of DCASE
(`filename`, `onset`, `offset`, `event_label`, one for all).
"""

import functools
import math
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.console.errors import UsageError
from pipeline.sources.files import Files
from pipeline.sources.outside.table import IDS, LABELS, key_of, read_columns
from pipeline.sources.recordings.annotations import Annotation

_RECORDINGS = (*IDS, "recording", "record", "recording_id", "record_id")
_STARTS = (
    "onset", "start", "begin", "start_secs", "start_time", "start_s", "onset_secs", "t_start",
)  # fmt: skip
_ENDS = ("offset", "end", "stop", "end_secs", "end_time", "end_s", "offset_secs", "t_end")
_DURATIONS = ("duration", "duration_secs", "duration_s")
_EVENTS = ("trial_type", "event_label", "event", "annotation", "stage", "description", *LABELS)
_SAID = {"event_file": "recording", "start": "start", "event": "name"}
_NOTHING = ("", "n/a", "na", "nan", "none")


class EventColumns(NamedTuple):
    """Which columns of a table of events are what; empty where their names say it."""

    event_file: str = ""
    start: str = ""
    end: str = ""
    duration: str = ""
    event: str = ""


class Events(NamedTuple):
    """The events of a table.

    Attributes:
      name: of the file.
      by_key: those of each recording; of a table of one, the key is empty.
      problems: why those of a recording cannot be read.
    """

    name: str
    by_key: Mapping[str, Sequence[Annotation]]
    problems: Mapping[str, str]


@functools.lru_cache(maxsize=64)
def read_events(files: Files, path: str, columns: EventColumns, is_of_one: bool) -> Events:
    """Reads a table once a process.

    A row without a start and an event says that there is none in its recording, or none more. One
    without end and duration is a point.

    Args:
      files: where it is.
      path: the file.
      columns: which columns are what.
      is_of_one: whether all events are in one recording.

    Raises:
      UsageError: if it is missing, damaged or too large, or a column is.
    """
    name = posixpath.basename(path)
    header, cells = read_columns(files, path)
    by_name = dict(zip(header, cells, strict=True))
    chosen = columns_of(header, columns)
    for what in ("start", "event", *(() if is_of_one else ("event_file",))):
        if not getattr(chosen, what):
            raise UsageError(
                f"{name} has no column with the {_SAID[what]} of an event; it has "
                f"{', '.join(header)}; name it with --{what}_column"
            )
    by_key: dict[str, list[Annotation]] = {}
    problems: dict[str, str] = {}
    lists = [by_name[name] if name else None for name in chosen]
    for number in range(len(cells[0])):
        recording, start, end, duration, event = (column and column[number] for column in lists)
        key = "" if is_of_one else key_of(recording) if recording is not None else None
        if key is None:
            continue
        of_key = by_key.setdefault(key, [])
        try:
            of_key += _event(start, end, duration, event)
        except ValueError as error:
            problems.setdefault(key, f"row {number + 1} of {name}: {error}; repair it")
    return Events(name, by_key, problems)


def columns_of(header: Sequence[str], given: EventColumns) -> EventColumns:
    """Which columns are what: those that are given, or else by their names.

    Raises:
      UsageError: if one that is given is not there.
    """
    for flag, column in given._asdict().items():
        if column and column not in header:
            raise UsageError(
                f"no column {column!r} (--{flag}_column) in the table of events; it has "
                f"{', '.join(header)}"
            )
    likely = (_RECORDINGS, _STARTS, _ENDS, _DURATIONS, _EVENTS)
    found = [
        column or _first(header, [other for other in names if other not in given])
        for column, names in zip(given, likely, strict=True)
    ]
    if given.end or given.duration:  # The other one is not asked for.
        found[2:4] = given.end, given.duration
    return EventColumns(*found)


def _first(header: Sequence[str], names: Sequence[str]) -> str:
    lower = {column.lower(): column for column in reversed(header)}
    return next((lower[name] for name in names if name in lower), "")


def _event(start: Any, end: Any, duration: Any, event: Any) -> Iterator[Annotation]:
    text = "" if _is_nothing(event) else str(event).strip()
    if not text and _is_nothing(start):
        return
    onset_secs = _secs(start, "start")
    if not _is_nothing(end):
        duration_secs = _secs(end, "end") - onset_secs
    else:
        duration_secs = 0.0 if _is_nothing(duration) else _secs(duration, "duration")
    if duration_secs < 0:
        raise ValueError(f"an event ends {-duration_secs:g} s before it begins")
    if text:
        yield Annotation(onset_secs, duration_secs, text)


def _is_nothing(cell: Any) -> bool:
    return cell is None or str(cell).strip().lower() in _NOTHING


def _secs(cell: Any, what: str) -> float:
    try:
        secs = float(cell)
    except (TypeError, ValueError):
        secs = math.nan
    if not math.isfinite(secs):
        raise ValueError(f"{str(cell)[:50]!r} is no {what} in seconds")
    return secs
