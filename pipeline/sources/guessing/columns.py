"""What the columns of a CSV or Parquet file are, by their names and first rows."""

import io
import re
from collections.abc import Sequence

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.guessing.readings import Guess, Reading, digits
from pipeline.sources.kinds.tables import TableSource
from pipeline.sources.recordings import columns, text_columns
from pipeline.sources.recordings.clocks import nominal_rate
from pipeline.sources.recordings.libraries import open_file, reading

_FIRST_BYTES = 4 << 20
_FIRST_ROWS = 100_000
_RECORDINGS = (
    r"(recording|record|session|trial|sequence|series|sample|file|clip)s?(_?(id|name))?|id"
)
_TIMES = r"time|times|t|timestamp|time_?stamp|secs?|seconds|date|datetime"
_LABELS = r"label|class|target|category|activity|event|state|stage"
_GROUPS = r"(subject|speaker|participant|patient|person|user|volunteer)(_?(id|name))?"
_MAX_JITTER = 0.01
_ROWS_APART = 10


def guess_from_columns(source: TableSource, paths: Sequence[str], guess: Guess) -> bool:
    """Adds which columns are what, by those of the first file.

    Args:
      source: reads the files.
      paths: of files.
      guess: takes the flags.

    Returns:
      Whether one has labels.
    """
    try:
        values = _first_rows(source, paths[0])
    except RejectedInputError as error:
        guess.facts.append(f"{paths[0]}: {error}")
        return False
    guess.facts.append(f"columns: {', '.join([*values][:20])}")
    recording = _named(values, _RECORDINGS)
    group, label, time = (_named(values, names) for names in (_GROUPS, _LABELS, _TIMES))
    if not recording and len(paths) == 1:  # One file of all people: a recording is a person's.
        recording, group = group, ""
    if recording:
        many = len({*values[recording].tolist()})
        readings = [_reading("recording_column", recording, "a recording each value")]
        readings.append(Reading((), "a recording each file"))
        guess.take("Are there many recordings in a file?", readings[: 2 if many < 3 else 1])
    if group:
        guess.take("", [_reading("group_key", group, "group")])
    if time:
        _clock(values, time, recording, guess)
    if label:
        guess.take("Which kind of label is it?", _labels(values, label, recording))
    return bool(label)


def _first_rows(source: TableSource, path: str) -> dict[str, np.ndarray]:
    place = source.full_path(path)
    if place.lower().endswith(columns.PARQUET):
        with open_file(source.files, place) as file, reading("pyarrow"):
            batch = next(columns.parquet_file(file).iter_batches(_FIRST_ROWS))
            table = columns.pyarrow.Table.from_batches([batch])
    else:
        with text_columns.open_text(source.files, place) as file:
            options = source.options
            layout = text_columns.layout_of(file, place, options.has_header, options.decimal_comma)
            with reading("Python"):
                file.seek(layout.start)
                content = file.read(_FIRST_BYTES)
        whole = content if len(content) < _FIRST_BYTES else content[: content.rfind(b"\n") + 1]
        rows = text_columns.Rows(0, len(whole))
        table = text_columns.read_text(io.BytesIO(whole), layout, rows, _FIRST_BYTES)
    return {name: columns.values_of(table, name) for name in table.column_names}


def _named(values: dict[str, np.ndarray], names: str) -> str:
    return next((name for name in values if re.fullmatch(names, name, re.IGNORECASE)), "")


def _reading(flag: str, name: str, what: str) -> Reading:
    return Reading((f"--{flag}={name}",), f"{what}: column {name}")


def _clock(values: dict[str, np.ndarray], time: str, recording: str, guess: Guess) -> None:
    """Rows by a clock that is none in places are brought to its usual rate."""
    times = values[time]
    if recording and len(times):
        names = values[recording]
        times = times[names == names[0]]
    if times.dtype.kind in "mM":
        times = (times - times[:1]) / np.timedelta64(1, "s")
    if times.dtype.kind not in "iuf" or len(times) < 3:
        return
    times = times.astype(np.float64)
    between, apart = np.diff(times), min(_ROWS_APART, len(times) - 1)
    usual = float(np.median(times[apart:] - times[:-apart]) / apart)  # Jitter cancels out.
    if not usual > 0:
        guess.facts.append(f"time: column {time} does not grow; it is read as a channel")
        return
    rate_hz = nominal_rate(1 / usual)
    is_regular = bool(np.abs(between - usual).max() <= _MAX_JITTER * usual)
    flags = [f"--time_column={time}", *([] if is_regular else [f"--resample_hz={digits(rate_hz)}"])]
    how = "regular" if is_regular else "with gaps or jitter, so interpolated"
    guess.take(
        "", [Reading((*flags,), f"time: column {time}, {digits(rate_hz)} rows a second, {how}")]
    )


def _labels(values: dict[str, np.ndarray], label: str, recording: str) -> list[Reading]:
    """Of a label that never changes within a recording, both kinds are likely."""
    cells = values[label].tolist()
    names = values[recording].tolist() if recording else [0] * len(cells)
    of_recording: dict[object, set[object]] = {}
    for name, cell in zip(names, cells, strict=True):
        of_recording.setdefault(name, set()).add(cell)
    rows = Reading((f"--label_key={label}",), f"label: column {label}, of every row")
    if any(len(found) > 1 for found in of_recording.values()):
        return [rows]
    flags = (f"--label_key={label}", "--label_kind=record_class")
    return [Reading(flags, f"label: column {label}, one for each recording"), rows]
