"""Tables in a folder of recordings that say what is in them."""

import collections
import itertools
import posixpath
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.console.errors import UsageError
from pipeline.sources.guessing.paths import PEOPLE, are_splits
from pipeline.sources.guessing.readings import Guess, Reading
from pipeline.sources.outside.source import METADATA
from pipeline.sources.outside.table import LABELS, key_of, keys_of, read_columns
from pipeline.sources.source import Source

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_MAX_TABLES = 20
_MIN_SHARE = 0.5  # Of the inputs, whose names a column must have.
_GROUPS = re.compile(
    r"(?i)(subject|speaker|participant|patient|person|user|client|volunteer|animal|identifier)"
    r"(_?id)?|who|(src|source)(_?(file|id))?|session(_?id)?|location|site"
)
_FOLDS = re.compile(r"(?i)(cv_?)?folds?")
_SPLITS = re.compile(r"(?i)split|subset|partition|set")
_SHOWN = 4


class FoundTable(NamedTuple):
    """A table with a row for most inputs."""

    path: str
    id_column: str
    share: float
    columns: dict[str, list[Any]]


def guess_from_tables(
    source: Source, paths: Sequence[str], tables: Sequence[str], guess: Guess
) -> bool:
    """Adds what the best of the tables says.

    Args:
      source: reads the inputs.
      paths: of inputs.
      tables: relative paths of tables, which are none of the inputs.
      guess: takes the flags.

    Returns:
      Whether one has a label.
    """
    matches = (match_inputs(source, paths, name) for name in tables[:_MAX_TABLES])
    found = [table for table in matches if table]
    if not found:
        return False
    best = max(found, key=lambda table: (table.share, table.path))
    is_read_anyway = posixpath.basename(best.path) in METADATA and source.options.reads_metadata
    where = f"{best.path}, {best.share:.0%} of the inputs by column {best.id_column}"
    flags = [] if is_read_anyway else [f"--labels={source.full_path(best.path)}"]
    guess.take("", [Reading((*flags, f"--id_column={best.id_column}"), f"table: {where}")])
    others = {name: cells for name, cells in best.columns.items() if name != best.id_column}
    repeated = {
        name: cells for name, cells in others.items() if len({*map(str, cells)}) < len(cells)
    }
    _guess_column(repeated, _GROUPS, "group", guess)
    splits = {n: c for n, c in others.items() if are_splits(c)}
    _guess_column(splits, _SPLITS, "split", guess)
    labels = _labels(others, len(paths))
    guess.take(
        "Which column is the label?",
        [
            Reading((f"--label_column={name}",), f"label: column {name} ({_shown(others[name])})")
            for name in labels
        ],
    )
    return bool(labels)


def match_inputs(source: Source, paths: Sequence[str], name: str) -> FoundTable | None:
    """How a table names the inputs; None if it does not."""
    try:
        header, cells = read_columns(source.files, source.full_path(name))
    except UsageError:
        return None
    folder = posixpath.dirname(name) if posixpath.basename(name) in METADATA else ""
    keys = [{*keys_of(path, source.record_id(path), folder), *_people(path)} for path in paths]
    if not {*map(key_of, header)}.isdisjoint(itertools.chain.from_iterable(keys)):
        header, cells = read_columns(source.files, source.full_path(name), has_header=False)
    columns = dict(zip(header, cells, strict=True))
    best = FoundTable(name, "", 0.0, columns)
    for column, values in columns.items():
        known = {key_of(value) for value in values if value is not None}
        share = sum(not known.isdisjoint(of_input) for of_input in keys) / len(keys)
        if share > best.share:
            best = FoundTable(name, column, share, columns)
    return best if best.share >= _MIN_SHARE else None


def _people(path: str) -> list[str]:
    """Whom a path is of, as a table of people names them."""
    found = PEOPLE.search(path)
    return [found[0]] if found else []


def _guess_column(
    columns: dict[str, list[Any]], names: re.Pattern[str], what: str, guess: Guess
) -> None:
    found = [name for name in columns if names.fullmatch(name)]
    readings = [
        Reading(
            (f"--{what}_column={name}",),
            f"{what}: column {name} ({_shown(columns[name])})",
        )
        for name in found
    ]
    guess.take(f"Which column is the {what}?", readings)


def _labels(columns: dict[str, list[Any]], total: int) -> list[str]:
    """The columns that could be the label, those with a name for it first."""
    likely = []
    for name, cells in columns.items():
        distinct = len({str(cell) for cell in cells})
        is_number = all(isinstance(cell, float) for cell in cells)
        is_other = _GROUPS.fullmatch(name) or _FOLDS.fullmatch(name) or are_splits(cells)
        if is_other or distinct < 2:
            continue
        if is_number or distinct <= max(2, total / 3) or name.lower() in LABELS:
            likely.append(name)
    named = [name for name in likely if name.lower() in LABELS]
    return [*named, *(name for name in likely if name not in named)][: 1 if len(named) == 1 else 6]


def _shown(cells: Sequence[Any]) -> str:
    names = [str(name) for name, _ in collections.Counter(map(str, cells)).most_common(_SHOWN)]
    return ", ".join(names) + (", ..." if len({*map(str, cells)}) > _SHOWN else "")


def is_table(path: str) -> bool:
    """Whether a file may be a table that describes others."""
    return path.lower().endswith(SUFFIXES)
