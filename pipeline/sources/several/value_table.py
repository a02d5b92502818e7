"""Values of recordings in a table, with a row for each of them, or for each group."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.files import Files
from pipeline.sources.grouping import group_in
from pipeline.sources.outside.table import IDS, key_of, keys_of, read_columns


class ValueTable(NamedTuple):
    """A table that was read.

    Attributes:
      name: of the file.
      values: cells of each column that is asked for.
      rows: numbers of the rows of each key.
    """

    name: str
    values: dict[str, list[Any]]
    rows: dict[str, list[int]]

    def of(self, path: str, record_id: str, group_regex: str) -> dict[str, Any]:
        """The values of a recording.

        Raises:
          RejectedInputError: there is no row for it, or there are several.
        """
        group = group_in(group_regex, path) if group_regex else None
        keys = [*keys_of(path, record_id), *([] if group is None else [key_of(group)])]
        rows: list[int] = next((self.rows[key] for key in keys if key in self.rows), [])
        if len(rows) != 1:
            what = f"rows {rows[0] + 1} and {rows[1] + 1} of {self.name} are" if rows else (
                f"no row of {self.name} (--values_table) is"
            )  # fmt: skip
            raise RejectedInputError(f"{what} for its path, id, file name or group; give it one")
        return {name: cells[rows[0]] for name, cells in self.values.items()}


@functools.lru_cache(maxsize=8)
def read_values(files: Files, path: str, id_column: str, names: Sequence[str]) -> ValueTable:
    """Reads a table once a process.

    Args:
      files: where it is.
      path: the file.
      id_column: column with path, id, file name or group, if the table has it; else one of the
        usual names, or the first.
      names: values that are asked for.

    Raises:
      UsageError: if it is damaged, or has none of the columns that are asked for.
    """
    header, cells = read_columns(files, path)
    columns = dict(zip(header, cells, strict=True))
    values = {name: columns[name] for name in names if name in columns}
    place = path.rpartition("/")[2]
    if not values:
        asked = ", ".join(names)
        raise UsageError(
            f"{place} has no column {asked} (--input_values); it has {', '.join(header)}"
        )
    rows: dict[str, list[int]] = {}
    ids = next((name for name in (id_column, *IDS) if name in header), header[0])
    for number, value in enumerate(columns[ids]):
        if value is not None:
            rows.setdefault(key_of(value), []).append(number)
    return ValueTable(place, values, rows)
