"""From a folder to what it probably is, and to the command that would convert it."""

import collections
import itertools
import posixpath
import re
import shlex
from collections.abc import Sequence
from typing import Any

from pipeline.console.errors import UsageError
from pipeline.sources.annotations import ANNOTATION, parse_annotation
from pipeline.sources.files import Files
from pipeline.sources.guessing.arrays import recordings_within
from pipeline.sources.guessing.contents import guess_from_contents
from pipeline.sources.guessing.events import beside, find_events
from pipeline.sources.guessing.paths import guess_from_paths
from pipeline.sources.guessing.readings import Guess, Reading
from pipeline.sources.guessing.tables import guess_from_tables, is_table
from pipeline.sources.kinds import sources
from pipeline.sources.recordings.event_options import EventOptions
from pipeline.sources.source import InputFile, Source

_MAX_FILES = 200_000
_LOOKED_INTO = 30
_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_ANNOTATION_BYTES = 1 << 20
_FRAMES, _TABLES = "image_folders", "tables"
_SECOND_SHARE = 0.2
_EXAMPLES = 3
_INSIDE_LABELS = ("--label_key", "--label_kind", "--annotation_suffix", "--window_secs")
_OUTSIDE_LABELS = ("--label_column", "--events", "--window_secs")


def guess(folder: str, files: Files) -> Guess:
    """Guesses what a folder is.

    Args:
      folder: local, absolute.
      files: reads it.

    Raises:
      UsageError: if there is nothing in it that any kind reads.
    """
    found = Guess()
    paths = _list(folder, files)
    kind = _kind(folder, paths, found)
    source = _source(kind, folder, files)
    inputs = _inputs(source)
    if (within := recordings_within(source, inputs, found)) is not source:
        source, inputs = within, _inputs(within)
    inputs, companions = _without_companions(kind, inputs, found)
    suffix = beside(paths, inputs)
    inputs = [path for path in inputs if not (suffix and path.endswith(suffix))]
    if not inputs:
        raise UsageError(
            f"no recordings of kind {kind} in {folder}, only files that describe some; name the "
            "folder that has them"
        )
    if companions:
        source = _source(kind, folder, files, annotation_suffix=companions)
    found.facts.append(f"inputs: {len(inputs):,}, such as {', '.join(inputs[:_EXAMPLES])}")
    some = inputs[:: max(1, len(inputs) // _LOOKED_INTO)][:_LOOKED_INTO]
    inside, outside = Guess(), Guess()
    has_label = guess_from_contents(source, some, inside)
    tables = [path for path in paths if is_table(path) and path not in {*inputs}]
    if _outside(source, inputs, tables, suffix, outside) and has_label:
        _ask_which(inside, outside)
    has_label |= any(flag.startswith(_OUTSIDE_LABELS) for flag in outside.flags)
    found.add(inside)
    found.add(outside)
    if kind == _FRAMES:
        has_label = has_label or _frames(source, inputs, found)
    has_group = any(flag.startswith("--group") for flag in found.flags)
    guess_from_paths(inputs, found, needs_label=not has_label, needs_group=not has_group)
    if not any(fact.startswith(("label: ", "events: ")) for fact in found.facts):
        found.facts.append("label: those in the inputs" if has_label else "label: none was found")
    return found


def command(folder: str, name: str, flags: Sequence[str]) -> str:
    """The command line of a conversion, a few flags a line."""
    words = [f"--input_dir={folder}", "--output_dir=datasets", f"--name={name}", *flags]
    lines, line = [], "python -m pipeline"
    for word in map(quoted, words):
        if len(line) + len(word) > 96:
            lines.append(f"{line} \\")
            line = " "
        line += f" {word}"
    return "\n".join([*lines, line])


def quoted(flag: str) -> str:
    """A flag as a shell takes it: what a file or a column is called is never run by one."""
    name, equals, value = flag.partition("=")
    return f"{name}{equals}{shlex.quote(value)}" if equals else flag


def name_of(folder: str) -> str:
    """A dataset's name after a folder."""
    name = re.sub(r"[^a-z0-9_]+", "_", posixpath.basename(folder).lower()).strip("_")
    return name if name[:1].isalpha() else f"data_{name}".rstrip("_")


def _list(folder: str, files: Files) -> list[str]:
    root = posixpath.join(folder, "")
    listed = (f for f in files.list(folder) if not (f.passed_over or f.path.endswith("/")))
    paths = [f.path.removeprefix(root) for f in itertools.islice(listed, _MAX_FILES)]
    return sorted(p for p in paths if not any(part.startswith(".") for part in p.split("/")))


def _kind(folder: str, paths: Sequence[str], found: Guess) -> str:
    """The kind that most files are of; tables beside others describe them."""
    counts: collections.Counter[str] = collections.Counter()
    lower = [path.lower() for path in paths]
    for kind, source in sources().items():
        suffix = source.suffix if kind != _FRAMES else _IMAGES
        counts[kind] = sum(path.endswith(suffix) for path in lower) if suffix else 0
    if counts["wfdb"]:
        counts["arrays"] = 0  # Signals of records end in .mat, too.
    others = sum(counts.values()) - counts[_TABLES]
    if others:
        counts[_TABLES] = 0
    kinds = [
        kind for kind, count in counts.most_common() if count > _SECOND_SHARE * max(counts.values())
    ]
    if not kinds or not counts[kinds[0]]:
        suffixes = collections.Counter(posixpath.splitext(path)[1] for path in lower)
        some = ", ".join(f"{suffix or 'none'} ({n})" for suffix, n in suffixes.most_common(5))
        raise UsageError(
            f"no kind of raw folder reads what is in {folder} (suffixes: {some or 'no files'}); "
            f"there are {', '.join(sources())}"
        )
    readings = [
        Reading((f"--source={kind}",), f"kind: {kind}, {counts[kind]:,} files") for kind in kinds
    ]
    if few := [f"{kind} ({n:,})" for kind, n in counts.most_common() if n and kind not in kinds]:
        found.facts.append(f"also there: files of {', '.join(few)}; name the folder to read them")
    found.take("Which files are the recordings?", readings)
    return kinds[0]


def _source(kind: str, folder: str, files: Files, **options: Any) -> Source:
    source = sources()[kind]
    label_key = "annotations" if options else ""
    made = source.options_kind()(folder, "", "guess", label_key=label_key, **options)
    return source(made, files)


def _inputs(source: Source) -> list[str]:
    return sorted(file.path for file in source.list_inputs() if isinstance(file, InputFile))


def _without_companions(kind: str, inputs: list[str], found: Guess) -> tuple[list[str], str]:
    """Of EDF: the recordings, and how the files with their annotations end."""
    if kind != "edf":
        return inputs, ""
    for word in ("Hypnogram", "annotations", "events"):
        ends = collections.Counter(
            match[0] for path in inputs if (match := re.search(rf"[-_]?{word}\.[a-z]+$", path))
        )
        if ends:
            suffix = ends.most_common(1)[0][0]
            why = f"annotations: in files beside that end in {suffix}"
            found.take("", [Reading((f"--annotation_suffix={suffix}",), why)])
            return [path for path in inputs if not path.endswith(suffix)], suffix
    return inputs, ""


def _outside(
    source: Source, inputs: Sequence[str], tables: Sequence[str], suffix: str, found: Guess
) -> bool:
    """Whether tables have labels, of events or of recordings; if of both, it is asked."""
    is_timed = isinstance(source.options, EventOptions)
    events = find_events(source, inputs, tables, suffix) if is_timed else None
    if events is None:
        return guess_from_tables(source, inputs, tables, found)
    are_events = {table for table in tables if suffix and table.endswith(suffix)}
    if not events.is_one_each:
        are_events.add(events.table)
    others = [table for table in tables if table not in are_events]
    whole = Guess()
    if guess_from_tables(source, inputs, others, whole):
        readings = [
            Reading(events.flags, events.why),
            Reading((*whole.flags,), "; ".join(whole.facts)),
        ]
        if events.is_one_each:
            readings.reverse()
        found.take("Which are the labels?", readings)
        if not events.is_one_each:
            found.take("How long is a step, for which there is one label?", [*events.steps])
    else:
        found.facts += whole.facts
        found.flags += whole.flags
        events.take(found)
    return True


def _ask_which(inside: Guess, outside: Guess) -> None:
    """Of labels in the recordings and in a table one kind is taken, and it is asked."""
    own = tuple(flag for flag in inside.flags if flag.startswith(_INSIDE_LABELS))
    given = tuple(flag for flag in outside.flags if flag.startswith(_OUTSIDE_LABELS))
    if own and given:
        inside.flags = [flag for flag in inside.flags if flag not in own]
        outside.flags = [flag for flag in outside.flags if flag not in given]
        readings = [
            Reading(given, "label: as the table has it"),
            Reading(own, "label: as the recordings have it"),
        ]
        outside.take("Which are the labels?", readings)


def _frames(source: Source, inputs: Sequence[str], found: Guess) -> bool:
    """Whether folders of frames have labels: a field of their annotation, or the folder above."""
    place = source.full_path(f"{inputs[0]}/{ANNOTATION}")
    if not source.files.exists(place):
        parents = {posixpath.dirname(path) for path in inputs}
        return len(parents) > 1 and "" not in parents
    with source.files.open(place) as file:
        fields, _ = parse_annotation(file.read(_ANNOTATION_BYTES))
    readings = [
        Reading((f"--label_key={name}",), f"label: {name} of {ANNOTATION} ({str(value)[:40]})")
        for name, value in fields.items()
    ]
    found.take(f"Which field of {ANNOTATION} is the label?", readings)
    if beside := [name for name, value in [*fields.items()][1:] if _is_numbers(value)]:
        names = ",".join(beside)
        found.facts.append(f"numbers that may be inputs beside the frames: --beside_key={names}")
    return True


def _is_numbers(value: Any) -> bool:
    """Whether a field of an annotation is a number, or a list of them."""
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(type(one) in (int, float) for one in values)
