"""What is known of a label before its kind is."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from pipeline.sources.labels.looks import Looks, looks_of
from pipeline.sources.names import class_counts

LabelForm = Literal["integer", "text", "value", "names"]


class Label(NamedTuple):
    """What a label looks like before its kind is known.

    Attributes:
      form: `integer` and `text` are classes, `value` is a number or a vector, `names` are any
        number of classes each.
      dtype: NumPy name of the dtype it will be stored in.
      shape: shape in the source.
      classes: distinct classes in this record, sorted; empty for values.
      is_loose: whether the source writes 0.0 and 0 alike, as JSON does.
      counts: how often each of the classes is there; empty where it is once.
      looks: what is seen in it; nothing of texts.
      missing: how many of its classes are not known.
    """

    form: LabelForm
    dtype: str
    shape: tuple[int, ...]
    classes: tuple[int, ...] | tuple[str, ...] = ()
    is_loose: bool = False
    counts: tuple[int, ...] = ()
    looks: Looks = Looks()
    missing: int = 0

    @classmethod
    def of_classes(
        cls, label: np.ndarray, shape: tuple[int, ...], *, is_loose: bool = False
    ) -> "Label":
        """That of an array of integers or texts.

        Raises:
          RejectedInputError: see `names.class_counts`.
        """
        found = class_counts(label)
        form: LabelForm = "integer" if label.dtype.kind in "iub" else "text"
        looks = looks_of(label) if form == "integer" else Looks()
        return cls(form, "int64", shape, tuple(found), is_loose, _counts(found), looks)

    @classmethod
    def of_numbers(
        cls, label: np.ndarray, dtype: str, label_kind: str, *, is_loose: bool = False
    ) -> "Label":
        """That of an array of numbers: values, or classes where `--label_kind` says so.

        Of classes NaN is one that is not known.

        Raises:
          RejectedInputError: like `of_classes`.
        """
        looks = looks_of(label)
        if label_kind.endswith("_value"):  # Rows of 0 and 1 are not taken for classes.
            looks = looks._replace(columns=(), ones=(), unsure=0, known=0)
        if not label_kind.endswith("_class") or not looks.is_whole:
            return cls("value", dtype, label.shape, is_loose=is_loose, looks=looks)
        known = label[np.isfinite(label)].astype(np.int64)
        found = cls.of_classes(known, label.shape, is_loose=is_loose)
        return found._replace(looks=looks, missing=label.size - known.size)

    def without(self, classes: Collection[int | str]) -> "Label":
        """The same without these classes, which stand for one that is not known."""
        counts = dict(zip(self.classes, self.counts or (1,) * len(self.classes), strict=True))
        kept = {one: count for one, count in counts.items() if one not in classes}
        missing = self.missing + sum(counts.values()) - sum(kept.values())
        return self._replace(classes=cast(Any, tuple(kept)), counts=_counts(kept), missing=missing)

    @property
    def unknown(self) -> int:
        """How much of it is not known."""
        return self.missing or self.looks.missing

    @property
    def is_missing(self) -> bool:
        """Whether nothing of it is known."""
        if self.form == "value":
            return 0 < self.looks.rows == self.looks.missing and not self.looks.known
        if self.form == "names":
            return 0 < self.missing == math.prod(self.shape)
        return bool(self.missing) and not self.classes


def _counts(found: Mapping[Any, int]) -> tuple[int, ...]:
    return tuple(found.values()) if sum(found.values()) > len(found) else ()
