"""In front of any kind of raw folder: labels, groups and splits from a table, or from the path."""

import collections
import dataclasses
import functools
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from pipeline.console.errors import MissingLabelError, RejectedInputError, printable
from pipeline.sources.annotations import describe_labels, label_array
from pipeline.sources.files import Files
from pipeline.sources.grouping import group_in, search
from pipeline.sources.in_front import InFront, digest
from pipeline.sources.labels.asked import AskedLabel
from pipeline.sources.names import normal, require_class, require_name
from pipeline.sources.outside.options import Found
from pipeline.sources.outside.table import Columns, Row, Table, keys_of, read_table
from pipeline.sources.source import (
    Description,
    InputFile,
    RawRecord,
    Source,
)
from pipeline.sources.splits import SPLIT_NAME
from tfrecords_schema.left_out import LeftOut

Read = TypeVar("Read")
# As folders of Hugging Face have them: file_name and other columns, beside the files or above them.
METADATA = ("metadata.csv", "metadata.jsonl")


class _Match(NamedTuple):
    """The row for an input, and whether other inputs may have the same, as those of one group."""

    table: Table
    row: Row
    is_shared: bool

    @property
    def place(self) -> tuple[str, int]:
        """Which row it is."""
        return self.table.path, self.row.number


@dataclasses.dataclass(frozen=True)
class OutsideSource(InFront):
    """Another source, with what a table or the path says of its inputs.

    Where a table has several rows for an input, or one row several inputs, none of them is taken.
    """

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """Lists the inputs, and the rows of tables that are for none.

        What no table is for passes by at once; of all else it is first counted how many a row has.
        """
        if not (self.options.labels or self.options.reads_metadata):
            yield from self.inner.list_inputs()
            return
        inputs: dict[tuple[str, int], list[str]] = collections.defaultdict(list)
        tables: dict[str, Table] = {}
        for file in self.inner.list_inputs():
            table = None if isinstance(file, LeftOut) else self._table_of(file.path)[0]
            if isinstance(file, LeftOut) or table is None:
                yield file
                continue
            tables[table.path] = table
            for match in self._matches(file.path):
                inputs[match.place].append("" if match.is_shared else file.path)
        for file in self.inner.list_inputs() if tables else ():
            if not isinstance(file, LeftOut) and self._table_of(file.path)[0] is not None:
                yield self._alone(file, inputs)
        for table in tables.values() or filter(None, [self._given_table]):
            unused = (row for row in table.rows if (table.path, row.number) not in inputs)
            yield from (_unused(table, row) for row in unused)

    def _alone(self, file: InputFile, inputs: Mapping[tuple[str, int], Sequence[str]]) -> InputFile:
        """An input, with a problem if it shares a row with others."""
        matches = self._matches(file.path)
        shared = {other for match in matches for other in inputs[match.place]} - {"", file.path}
        problem = file.problem or (_several_inputs(min(shared)) if shared else "")
        return file._replace(problem=problem)

    def describe(self, path: str) -> Description:
        """See `Source`."""
        match = self._matched(path)
        asked = self._asked(match)
        found = self._of_inner(match, lambda inner: inner.describe(path))
        labels = self.options.each_label(asked, functools.partial(self._label, path, match))
        if match is not None:
            found = found._replace(
                group=_name(match, match.row.group, "group") or found.group,
                split=_split(match) or found.split,
            )
        return found._replace(
            labels=(*self._own(found.labels, asked), *describe_labels(labels, asked)),
            checksum=found.checksum + digest(labels),
        )

    def read(self, path: str) -> RawRecord:
        """See `Source`."""
        match = self._matched(path)
        asked = self._asked(match)
        raw = self._of_inner(match, lambda inner: inner.read(path))
        labels = self.options.each_label(asked, functools.partial(self._label, path, match))
        checksum = raw.checksum + digest(labels)
        labels = (*self._own(raw.labels, asked), *labels)
        return dataclasses.replace(raw, labels=labels, checksum=checksum)

    @property
    def _is_bare(self) -> bool:
        """Whether a row would say nothing of an input."""
        options = self.options
        said = options.group_column or options.split_column
        return options.label_kind == "none" and not said

    @functools.cached_property
    def _bare(self) -> Source:
        """The source without labels of its own."""
        return self.inner.without_labels()

    def _asked(self, match: _Match | None) -> tuple[AskedLabel, ...]:
        """The labels that are outside of an input."""
        options = self.options
        if len(options.asked_labels) > 1:
            return tuple(asked for asked in options.asked_labels if asked.column)
        is_outside = options.label_regex or (match and match.table.label_columns)
        return options.asked_labels if is_outside else ()

    def _own(
        self, labels: tuple[Found | None, ...], outside: Sequence[AskedLabel]
    ) -> tuple[Found | None, ...]:
        """Labels of the input itself; the source without any has none to say of them."""
        count = len(self.options.asked_labels) - len(outside)
        return (*labels, *(None,) * count)[:count]

    def _of_inner(self, match: _Match | None, act: Callable[[Source], Read]) -> Read:
        """What the source behind has, without its labels where all are outside, or it has none."""
        asked = self._asked(match)
        if asked and len(asked) == len(self.options.asked_labels):
            return act(self._bare)
        try:
            return act(self.inner)
        except MissingLabelError:
            if not self.options.may_lack_labels:
                raise
            return act(self._bare)

    @property
    def _columns(self) -> Columns:
        options = self.options
        labels = tuple(asked.column for asked in options.asked_labels if asked.column)
        return Columns(options.id_column, labels, options.group_column, options.split_column)

    @property
    def _needs_label(self) -> bool:
        options = self.options
        is_elsewhere = options.names_label and not options.label_column
        return options.label_kind != "none" and not is_elsewhere

    @property
    def _given_table(self) -> Table | None:
        path = self.options.labels
        return read_table(self.files, path, self._columns, self._needs_label) if path else None

    def _table_of(self, path: str) -> tuple[Table | None, str]:
        """The table for an input, and the relative folder that paths in it begin from."""
        if self.options.labels or not self.options.reads_metadata:
            return self._given_table, ""
        folder = _metadata_folder(self.files, self.full_path(""), posixpath.dirname(path))
        if folder is None:
            return None, ""
        name = next(n for n in METADATA if self.files.exists(self.full_path(f"{folder}{n}")))
        place = self.full_path(f"{folder}{name}")
        return read_table(self.files, place, self._columns, self._needs_label), folder

    def _matches(self, path: str) -> list[_Match]:
        """The rows for an input; there should be one."""
        table, folder = self._table_of(path)
        if table is None:
            return []
        found = table.find(keys_of(path, self.record_id(path), folder))
        is_shared = False
        if not found and self.options.group_regex:
            group = group_in(self.options.group_regex, path)
            is_shared = group is not None
            found = table.find([] if group is None else [group])
        return [_Match(table, table.rows[index], is_shared) for index in found]

    def _matched(self, path: str) -> _Match | None:
        """The row for an input; None where it may lack its labels, and nothing else is there."""
        try:
            return self._match(path)
        except MissingLabelError:
            options = self.options
            if not options.may_lack_labels or options.group_column or options.split_column:
                raise
            return None

    def _match(self, path: str) -> _Match | None:
        matches = self._matches(path)
        if len(matches) == 1:
            if self.options.group_column and matches[0].row.group is None:
                raise RejectedInputError(f"{_where(matches[0])} has no group; fill it in")
            return matches[0]
        table, _ = self._table_of(path)
        if table is None:
            if self.options.group_column or self.options.split_column:
                raise RejectedInputError(
                    f"no {' or '.join(METADATA)} beside it or above; add it, or name a table with "
                    "--labels"
                )
            return None
        if not matches and self._is_bare:
            return None
        if not matches:  # Without labels it lacks a group, or its split.
            kind = RejectedInputError if self.options.label_kind == "none" else MissingLabelError
            raise kind(
                f"no row in {table.name} for its path, id or file name; add it, or remove the input"
            )
        rows = " and ".join(str(match.row.number) for match in matches[:2])
        raise RejectedInputError(f"rows {rows} of {table.name} are both for it; remove one")

    def _label(self, path: str, match: _Match | None, asked: AskedLabel) -> np.ndarray | None:
        if self.options.label_regex:
            return self._label_in(path)
        if match is None:
            return None
        columns = match.table.label_columns
        at = columns.index(asked.column) if asked.column else 0
        value, column = match.row.labels[at], columns[at]
        if value is None:
            raise MissingLabelError(
                f"{_where(match)} has no {column!r}; add it, or remove the row and the input"
            )
        if isinstance(value, str):
            require_class(value)
        return label_array(value, column, asked.kind, _where(match))

    def _label_in(self, path: str) -> np.ndarray:
        regex = self.options.label_regex
        found = search(regex, path)
        text = (found[1] if found.re.groups else found[0]) if found else None
        if text is None:
            raise MissingLabelError(
                f"--label_regex={regex} does not match the path; every input needs a label"
            )
        if not self.options.label_kind.endswith("_value"):
            return np.array(require_class(text), object)
        try:
            return np.array(float(text))
        except ValueError:
            raise RejectedInputError(
                f"--label_regex={regex} finds {text!r}, which is no number"
            ) from None


@functools.lru_cache(maxsize=65_536)
def _metadata_folder(files: Files, root: str, folder: str) -> str | None:
    """The nearest folder with a table from an input's upwards, with `/` behind it unless empty."""
    inside = posixpath.join(folder, "") if folder else ""
    if any(files.exists(f"{root}{inside}{name}") for name in METADATA):
        return inside
    return _metadata_folder(files, root, posixpath.dirname(folder)) if folder else None


def _where(match: _Match) -> str:
    return f"row {match.row.number} of {match.table.name}"


def _name(match: _Match, name: str | None, what: str) -> str:
    """The name of a group or split as stored; empty if the table has none of them."""
    if name is None:
        return ""
    return normal(require_name(name, f"{what} in {_where(match)}"))


def _split(match: _Match) -> str:
    name = _name(match, match.row.split, "split")
    if name and not SPLIT_NAME.fullmatch(name):
        raise RejectedInputError(
            f"split {name!r} in {_where(match)} is no name of a split; use a letter, then letters, "
            "digits and _, but not all"
        )
    return name


def _several_inputs(other: str) -> str:
    return f"its row in the table is also that of {other}; give paths in the table's column of ids"


def _unused(table: Table, row: Row) -> LeftOut:
    why = f"of {table.name}, for no input; remove them, or add the files"
    return LeftOut("row", why, 1, printable(row.key))
