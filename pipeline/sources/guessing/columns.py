"""What the columns of a CSV or Parquet file are, by their names and first rows."""

import io
import re
from collections.abc import Sequence

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.guessing.readings import Guess, Reading, digits
from pipeline.sources.kinds.tables import TableSource
from pipeline.sources.recordings import columns, text_columns
from pipeline.sources.recordings.clocks import UNITS, nominal_rate
from pipeline.sources.recordings.libraries import open_file, reading

_FIRST_BYTES = 4 << 20
_FIRST_ROWS = 100_000
_RECORDINGS = (
    r"(recording|record|session|trial|sequence|series|sample|file|clip)s?(_?(id|name))?|id"
)
_NAMES_OF_UNITS = {
    "s": "s|secs?|seconds?",
    "ms": "ms|msecs?|millis|milliseconds?",
    "us": "us|\u00b5s|micros|microseconds?",
    "ns": "ns|nanos|nanoseconds?",
}
_UNIT = rf"[ _(\[]+({'|'.join(_NAMES_OF_UNITS.values())})[)\]]?"
_TIMES = rf"((.*[ _])?(time|times|timestamp|time_?stamp|date|datetime)|t|secs?|seconds)({_UNIT})?"
_LABELS = (
    r"label|class|target|category|activity|event|state|stage|gesture|gt|(ground_?)?truth"
    r"|(label|class|activity)_?(id|name)"
)
_GROUPS = r"(subject|speaker|participant|patient|person|user|volunteer)(_?(id|name))?"
_SINCE_1970 = {"ns": 1e17, "us": 1e14, "ms": 1e11}  # In 1973; of seconds no one has so many.
_MIN_ROWS = 3
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
    group, label = (_named(values, names) for names in (_GROUPS, _LABELS))
    if not recording and len(paths) == 1:  # One file of all people: a recording is a person's.
        recording, group = group, ""
    if recording:
        many = len({*values[recording].tolist()})
        readings = [_reading("recording_column", recording, "a recording each value")]
        readings.append(Reading((), "a recording each file"))
        guess.take("Are there many recordings in a file?", readings[: 2 if many < 3 else 1])
    if group:
        guess.take("", [_reading("group_key", group, "group")])
    first = _of_first(values, recording)
    times = _times_in(first, guess)
    if times:
        _clock(*next(iter(times.items())), guess)
    named = {recording, group, label, *[*times][:1]}
    _leave_out(
        {name for name in values if name in times or _counts(first[name])}, named, values, guess
    )
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


def _of_first(values: dict[str, np.ndarray], recording: str) -> dict[str, np.ndarray]:
    """The rows of the first recording."""
    if not recording:
        return values
    rows = values[recording] == values[recording][0]
    return {name: column[rows] for name, column in values.items()}


def _times_in(first: dict[str, np.ndarray], guess: Guess) -> dict[str, np.ndarray]:
    """The columns that are a clock of a recording, `[rows]` numbers or dates."""
    found = {}
    for name, times in first.items():
        is_called_so = re.fullmatch(_TIMES, name.strip(), re.IGNORECASE)
        if not is_called_so or times.dtype.kind not in "mMiuf" or len(times) < _MIN_ROWS:
            continue
        if (np.diff(times.astype(np.float64)) > 0).all():
            found[name] = times
        else:
            guess.facts.append(f"time: column {name} does not grow; it is read as a channel")
    return found


def _clock(name: str, times: np.ndarray, guess: Guess) -> None:
    """Rows by a clock that is none in places are brought to its usual rate."""
    readings = []
    for unit in _units(name, times):
        secs = (times - times[0]) / (UNITS[unit] if unit else np.timedelta64(1, "s"))
        between, apart = np.diff(secs), min(_ROWS_APART, len(secs) - 1)
        usual = float(np.median(secs[apart:] - secs[:-apart]) / apart)  # Jitter cancels out.
        rate_hz = nominal_rate(1 / usual)
        flags, how = [f"--time_column={name}"], "regular"
        if unit not in ("", "s"):
            flags.append(f"--time_unit={unit}")
        if np.abs(between - usual).max() > _MAX_JITTER * usual:
            flags.append(f"--resample_hz={digits(rate_hz)}")
            how = "with gaps or jitter, so interpolated"
        why = f"time: column {name}{f' in {unit}' if unit else ''}, {digits(rate_hz)} rows a second"
        readings.append(Reading((*flags,), f"{why}, {how}"))
    guess.take("Which unit has the time?", readings)


def _units(name: str, times: np.ndarray) -> list[str]:
    """The unit that times probably have, or the two; empty of dates."""
    if times.dtype.kind in "mM":
        return [""]
    if said := re.search(rf"{_UNIT}$", name.strip(), re.IGNORECASE):
        word = said[1].lower()
        return [unit for unit, names in _NAMES_OF_UNITS.items() if re.fullmatch(names, word)]
    if since_1970 := [unit for unit, least in _SINCE_1970.items() if times[0] >= least]:
        return since_1970[:1]
    is_coarse = times.dtype.kind in "iu" and np.median(np.diff(times)) > 1
    return ["ms", "s"] if is_coarse else ["s"]


def _counts(column: np.ndarray) -> bool:
    """Whether it numbers rows: it says nothing of what was recorded."""
    is_whole = column.dtype.kind in "iu" and len(column) >= _MIN_ROWS
    return is_whole and bool((np.diff(column.astype(np.float64)) == 1).all())


def _leave_out(
    names: set[str], named: set[str], values: dict[str, np.ndarray], guess: Guess
) -> None:
    """Chooses the channels where a column of numbers is none."""
    left_out = [name for name in values if name in names - named]
    others = [n for n in values if n not in named | names and values[n].dtype.kind in "biuf"]
    if left_out and others and not any("," in name for name in others):
        why = f"channels: {', '.join(others)}; {', '.join(left_out)} only counts rows, or time"
        guess.take("", [Reading((f"--channels={','.join(others)}",), why)])


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
