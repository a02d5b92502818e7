"""Options of every kind of raw folder: where labels, groups and splits stand outside of it."""

import dataclasses
import posixpath
import re
from typing import ClassVar

from pipeline.console.errors import UsageError
from pipeline.console.options import Effect, Options, option


def as_file(text: str) -> str:
    """A file as all workers spell it: absolute, unless it is remote."""
    return text if "://" in text else posixpath.abspath(posixpath.expanduser(text))


@dataclasses.dataclass(frozen=True)
class OutsideOptions(Options):
    """Labels and groups in a table, or in the path.

    Attributes:
      reads_metadata: whether a `metadata.csv` or `.jsonl` beside the inputs is read unasked.
    """

    reads_metadata: ClassVar[bool] = False

    labels: str = option(
        "",
        "Table (.csv, .tsv, .jsonl, .parquet) with a row for every input, joined by its path, id "
        "or file name.",
        common=True,
        effect=Effect.NONE,
        parse=as_file,
    )
    id_column: str = option(
        "", "Column of the table with path, id or file name; file_name, path, id, or the first."
    )
    label_column: str = option(
        "", "Column of the table with the label; label, y, class, or the only other one."
    )
    label_regex: str = option(
        "",
        "Finds the label in the relative path (group 1, or all); see --label_kind.",
        common=True,
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        try:
            re.compile(self.label_regex)
        except re.error as error:
            raise UsageError(
                f"--label_regex={self.label_regex}: not a regular expression ({error})"
            ) from error

    @property
    def are_outside(self) -> bool:
        """Whether anything of an input may stand outside of it."""
        return bool(self.labels or self.label_regex or self.reads_metadata)
