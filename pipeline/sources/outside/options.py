"""Options of every kind of raw folder: where labels, groups and splits stand outside of it."""

import dataclasses
import functools
import posixpath
import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self, TypeVar

from pipeline.console.errors import MissingLabelError, RejectedInputError, UsageError
from pipeline.console.options import Effect, option
from pipeline.sources.labels.asked import AskedLabel, asked_labels
from pipeline.sources.labels.options import LabelOptions
from pipeline.sources.names import normal, require_class

Found = TypeVar("Found")


def as_file(text: str) -> str:
    """A file as all workers spell it: absolute, unless it is remote."""
    return text if "://" in text else posixpath.abspath(posixpath.expanduser(text))


@dataclasses.dataclass(frozen=True)
class OutsideOptions(LabelOptions):
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
        "",
        "Column of the table with path, id or file name; file_name, path, id, or the first. A "
        "number, such as 0, says that its first line has no names: columns are 0, 1, ...",
    )
    label_column: str = option(
        "",
        "Column of the table with the label; label, y, class, or the only other one. Several, also "
        "beside --label_key: stage,age.",
    )
    label_regex: str = option(
        "",
        "Finds the label in the path (group 1, or all).",
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
        for asked in self.asked_labels:
            _require_class_names(asked.class_names)

    @functools.cached_property
    def asked_labels(self) -> tuple[AskedLabel, ...]:
        """The labels that are asked for; one, unless several are named, or none."""
        return asked_labels(self.label_key, self.label_column, self.label_kind, self.class_names)

    @property
    def file_labels(self) -> tuple[AskedLabel, ...]:
        """Those of them that are in the inputs themselves, if a table has not the only one."""
        asked = self.asked_labels
        return asked if len(asked) == 1 else tuple(one for one in asked if not one.column)

    @property
    def may_lack_labels(self) -> bool:
        """Whether a recording may have some of several labels and not others."""
        return len(self.asked_labels) > 1 and self.unlabelled != "auto"

    def each_label(
        self, asked: Iterable[AskedLabel], read: Callable[[AskedLabel], Found | None]
    ) -> tuple[Found | None, ...]:
        """What is read of each label; None of one that is not there where it may lack.

        Raises:
          MissingLabelError: by `read`, where it may not.
        """
        found: list[Found | None] = []
        for one in asked:
            try:
                found.append(read(one))
            except MissingLabelError:
                if not self.may_lack_labels:
                    raise
                found.append(None)
        return tuple(found)

    def without_labels(self, **others: Any) -> Self:
        """The same of inputs that have none.

        Args:
          others: fields of a kind of options that say where labels are.
        """
        class_names = self.class_names if len(self.asked_labels) < 2 else ()
        return dataclasses.replace(
            self, label_kind="none", label_key="", class_names=class_names, **others
        )

    @property
    def are_outside(self) -> bool:
        """Whether anything of an input may stand outside of it."""
        return bool(self.labels or self.label_regex or self.reads_metadata)


def _require_class_names(names: tuple[str, ...]) -> None:
    """Checks the names of the classes of a label.

    Raises:
      UsageError: one is empty, no name, or there twice.
    """
    if "" in names:  # It is not left out: each counts for its place.
        raise UsageError(
            f"--class_names: name {names.index('') + 1} of {len(names)} is empty; name every "
            "class, with commas only between the names"
        )
    if len(set(map(normal, names))) < len(names):
        raise UsageError("--class_names: a name occurs twice; name each class once")
    try:
        for name in names:
            require_class(name)
    except RejectedInputError as error:
        raise UsageError(f"--class_names: {error}") from error
