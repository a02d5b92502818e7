"""What a model learns to predict: one label of a step or a record, or several side by side.

Several are columns of one float32 array: a class is its index, any number of classes are 0 and 1,
values are themselves, and NaN stands where nothing is known. So whatever carries a label carries
several; what is made of each is asked of its own spec. A label of the whole record beside labels of
its steps is repeated at each of them.
"""

import dataclasses
import itertools
import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tfrecords_schema.errors import DatasetError
from tfrecords_schema.names import UNLABELLED, WIDER_KINDS

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# What tf.io.decode_raw reads; float64 is stored as float32.
SUPPORTED_DTYPES = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
)

_SHOWN_CLASSES = 10
_MOST_STEP_BYTES = 2**31 - 1  # Of a record.

LabelPer = Literal["step", "record", "sequence"]
LabelKind = Literal["class", "value", "classes", "ordinal", "heads"]
LABEL_SEPARATOR = ";"  # Between the names of classes in a cell.
MISSING_CLASS = -1  # As tensorflow-datasets has it, where a class is not known.


COLUMN_DTYPE = "float32"
CLASS_SEPARATOR = ": "  # Between the name of a label and that of its class.


@dataclasses.dataclass(frozen=True)
class LabelSpec:
    """What a model learns to predict.

    Attributes:
      per: one label per `step`, one per `record`, or a `sequence` with a time axis of its own.
      kind: `class` (stored as int64 index into `class_names`), `value`, or `classes`, any number of
        them (stored as int8 [classes], 1 for those that are there, 0 for others). A training may
        take classes for `ordinal`, which have an order. `heads` are several labels side by side
        (stored as float32 [columns], see `heads.py`).
      dtype: NumPy name of the stored dtype.
      shape: shape of one label: `()` for a class, `(2,)` for a velocity.
      class_names: names in the order of their index; empty for values. Of `heads` those of all.
      has_missing: whether some labels may not be known: a class is -1 then, a value holds NaN;
        of `classes` and of `heads` each may be.
      heads: the several labels, in the order of their columns.
    """

    per: LabelPer
    kind: LabelKind
    dtype: str = "int64"
    shape: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    # What is predicted is the same.
    has_missing: bool = dataclasses.field(default=False, compare=False)
    heads: tuple["Head", ...] = ()

    def __post_init__(self) -> None:
        require_dtype("label", self.dtype)
        require_shape("label", self.shape, self.dtype)
        if len({*self.class_names}) < len(self.class_names):
            raise DatasetError("label: got a class name twice; name each class once")
        try:
            "".join(self.class_names).encode()
        except UnicodeEncodeError as error:
            raise DatasetError("label: got a class name that is no valid Unicode") from error
        if self.is_single and (self.dtype != "int64" or self.shape):
            raise DatasetError(
                f"a class label is a single int64 index, got dtype {self.dtype}, shape {self.shape}"
            )
        expected = ("int8", (len(self.class_names),))
        if self.kind == "classes" and (self.dtype, self.shape) != expected:
            raise DatasetError(
                f"a label of any number of classes is {expected[0]} {[*expected[1]]}, got "
                f"{self.dtype} {[*self.shape]}"
            )
        _require_heads(self)

    @classmethod
    def of_heads(cls, heads: "Sequence[Head]") -> "LabelSpec":
        """Several labels side by side; those of records beside those of steps are of each step.

        Raises:
          DatasetError: they cannot stand side by side.
        """
        return cls(
            "step" if any(head.label.per == "step" for head in heads) else "record",
            "heads",
            COLUMN_DTYPE,
            (sum(head.label.columns for head in heads),),
            _class_names_of(heads),
            any(head.label.has_missing for head in heads),
            tuple(heads),
        )

    def named(self, name: str) -> "LabelSpec":
        """One of several labels; what it is itself, where no name is given.

        Raises:
          DatasetError: there is none of that name.
        """
        return self.head(name).label if name else self

    def head(self, name: str) -> "Head":
        """One of several labels.

        Raises:
          DatasetError: there is none of that name.
        """
        for one in self.heads:
            if one.name == name:
                return one
        known = ", ".join(head.name for head in self.heads) or "one, without a name: leave that out"
        raise DatasetError(f"the dataset has no label {name!r} (--label); it has {known}")

    @property
    def columns(self) -> int:
        """How many numbers a label is."""
        return math.prod(self.shape)

    @property
    def outputs(self) -> int:
        """How many numbers a model answers for a label."""
        if self.heads:
            return sum(head.label.outputs for head in self.heads)
        return len(self.class_names) or self.columns

    @property
    def has_values(self) -> bool:
        """Whether numbers are among what a model answers."""
        return self.kind == "value" or any(head.label.has_values for head in self.heads)

    @property
    def array_shape(self) -> tuple[int | None, ...]:
        """Shape of a whole record's label; None stands for the time axis."""
        return self.shape if self.per == "record" else (None, *self.shape)

    @property
    def is_single(self) -> bool:
        """Whether a label is one class."""
        return "class" in (self.kind, WIDER_KINDS.get(self.kind))

    @property
    def as_stored(self) -> "LabelSpec":
        """The label as the dataset has it, whatever a training takes it for."""
        kind: Any = WIDER_KINDS.get(self.kind, self.kind)
        return dataclasses.replace(self, kind=kind)

    @property
    def is_class_feature(self) -> bool:
        """Whether the label is stored as a plain int64 feature (one class per record)."""
        return self.is_single and self.per == "record"

    def is_known(self, labels: np.ndarray) -> np.ndarray:
        """Which labels are known: `[...]` bool of `[..., *shape]`."""
        if self.is_single:
            return labels >= 0
        if self.kind == "classes":
            return np.any(labels >= 0, axis=-1)
        if self.kind == "heads":
            return ~np.isnan(labels).all(-1)
        units = tuple(range(labels.ndim - len(self.shape), labels.ndim))
        return ~np.isnan(labels).any(axis=units)

    def unknown(self, steps: int) -> np.ndarray:
        """The label of a record of which none is known; a sequence has no step.

        Args:
          steps: of the record.
        """
        lead = {"step": (steps,), "record": (), "sequence": (0,)}[self.per]
        value = np.nan if self.kind in ("value", "heads") else MISSING_CLASS
        return np.full((*lead, *self.shape), value, self.dtype)

    def class_totals(self, labels: np.ndarray) -> np.ndarray:
        """How many of some known labels, `[..., *shape]`, are of each class: `[classes]` int64."""
        if self.kind == "classes":
            return (labels.reshape(-1, len(self.class_names)) > 0).sum(0)
        if self.kind == "heads":
            return _class_totals(self, labels)
        return np.bincount(labels.reshape(-1), minlength=len(self.class_names))

    def names_in(self, labels: np.ndarray) -> list[str]:
        """Names of the classes that are among some known labels, `[..., *shape]`."""
        return [self.class_names[at] for at in np.flatnonzero(self.class_totals(labels))]

    def summary(self, label: np.ndarray) -> str:
        """A label in a few words, for people, as the index has it."""
        if self.kind == "heads":
            return ", ".join(_summaries(self, label))
        known = self.is_known(label)
        if not known.all():
            rest = self.summary(label[known]) if known.any() else ""
            return f"{rest} {UNLABELLED}:{known.size - int(known.sum())}".strip()
        if self.kind == "value":
            return f"mean {label.mean(dtype=np.float64):.4g}" if label.size else "empty"
        if self.per == "record":
            return LABEL_SEPARATOR.join(self.names_in(label))
        counts = self.class_totals(label).tolist()
        pairs = [
            f"{one}:{count}" for one, count in zip(self.class_names, counts, strict=True) if count
        ]
        return " ".join(pairs[:_SHOWN_CLASSES]) + (" ..." if len(pairs) > _SHOWN_CLASSES else "")

    def feature(self) -> "tfds.features.FeatureConnector":
        """The tensorflow-datasets feature of this label."""
        import tensorflow_datasets as tfds  # Which takes long, and only a conversion needs.

        if self.is_class_feature:
            return tfds.features.ClassLabel(names=list(self.class_names))
        return bytes_tensor(self.array_shape, self.dtype)


@dataclasses.dataclass(frozen=True)
class Head:
    """One of several labels: its name, and what it is when it stands alone."""

    name: str
    label: LabelSpec


def _class_names_of(heads: Sequence[Head]) -> tuple[str, ...]:
    """The classes of all labels, each behind the name of its label."""
    return tuple(class_in(head, name) for head in heads for name in head.label.class_names)


def _require_heads(label: LabelSpec) -> None:
    """Checks that a label of several is what its heads say.

    Raises:
      DatasetError: it is not.
    """
    heads, names = label.heads, [head.name for head in label.heads]
    if (label.kind == "heads") != bool(heads):
        raise DatasetError(f"a label of kind {label.kind!r} has {len(heads)} heads")
    if not heads:
        return
    if len(heads) < 2 or len({*names}) < len(names) or not all(map(_is_name, names)):
        raise DatasetError(f"heads of a label: got {names}, expected two names or more, all others")
    kinds = {(head.label.per, head.label.kind) for head in heads}
    if any(per == "sequence" or kind == "heads" for per, kind in kinds):
        raise DatasetError(
            "several labels are of steps or of records each, and none is several itself; got "
            f"{sorted(kinds)}"
        )
    wanted = (COLUMN_DTYPE, (sum(head.label.columns for head in heads),), _class_names_of(heads))
    if (label.dtype, label.shape, label.class_names) != wanted:
        raise DatasetError("a label's dtype, shape and class_names are not those of its heads")


def views(label: LabelSpec) -> Sequence[Head]:
    """The labels that there are; a single one has no name."""
    return label.heads or [Head("", label)]


def class_in(head: Head, name: str) -> str:
    """A class of a label, as it is called among those of all."""
    return f"{head.name}{CLASS_SEPARATOR}{name}" if head.name else name


def spans(sizes: Sequence[int]) -> Iterator[slice]:
    """Where each of several parts of such sizes stands."""
    ends = [0, *itertools.accumulate(sizes)]
    return itertools.starmap(slice, itertools.pairwise(ends))


def column_spans(label: LabelSpec) -> list[tuple[Head, slice]]:
    """Each label, and its columns."""
    return [*zip(label.heads, spans([head.label.columns for head in label.heads]), strict=True)]


def output_spans(label: LabelSpec) -> list[tuple[Head, slice]]:
    """Each label, and its share of a model's outputs."""
    return [*zip(label.heads, spans([head.label.outputs for head in label.heads]), strict=True)]


def of_head(columns: np.ndarray, label: LabelSpec) -> np.ndarray:
    """One label as it is when it stands alone, `[..., *shape]` of its columns `[..., columns]`."""
    found = columns.reshape((*columns.shape[:-1], *label.shape))
    if not label.class_names:
        return found.astype(label.dtype)
    return np.where(np.isnan(found), -1, found).astype(label.dtype)


def apart(label: LabelSpec, labels: np.ndarray) -> Iterator[tuple[Head, np.ndarray]]:
    """Each label of a record as it would hold it alone; a single one has no name.

    Args:
      label: what the record has.
      labels: of all its steps, where that is of steps.
    """
    if not label.heads:
        yield Head("", label), labels
    for head, span in column_spans(label):
        found = of_head(labels[..., span], head.label)
        yield head, found[0] if label.per == "step" and head.label.per == "record" else found


def side_by_side(labels: Mapping[str, np.ndarray], several: LabelSpec, steps: int) -> np.ndarray:
    """The inverse of `of_head` for all labels of a record: `[(steps), columns]` float32.

    Args:
      labels: by the names of the heads, each as it is when it stands alone.
      several: what they are together.
      steps: of the record.
    """
    parts = []
    for head in several.heads:
        columns = labels[head.name].astype(COLUMN_DTYPE)
        if head.label.class_names:
            columns[columns < 0] = np.nan
        if several.per == "step" and head.label.per == "record":
            columns = np.broadcast_to(columns, (steps, *columns.shape))
        lead = (steps,) if several.per == "step" else ()
        parts.append(columns.reshape(*lead, head.label.columns))
    return np.concatenate(parts, -1)


def _summaries(label: LabelSpec, labels: np.ndarray) -> Iterator[str]:
    """Each label of a record in a few words, behind its name, as the index has it."""
    for head, found in apart(label, labels):
        yield f"{head.name} {head.label.summary(found)}"


def _class_totals(label: LabelSpec, labels: np.ndarray) -> np.ndarray:
    """How many labels of a record, those that are known in part at least, are of each class."""
    totals = [np.zeros(0, np.int64)]
    for head, span in column_spans(label):
        if head.label.class_names:
            found = of_head(labels[..., span], head.label)
            found = found[:1] if label.per == "step" and head.label.per == "record" else found
            totals.append(head.label.class_totals(found[head.label.is_known(found)]))
    return np.concatenate(totals)


def missing_of_heads(label: LabelSpec, labels: np.ndarray) -> dict[str, int]:
    """How many labels of a record, `[..., columns]`, are not known, of each head."""
    return {
        head.name: int((~np.asarray(head.label.is_known(found))).sum())
        for head, found in apart(label, labels)
    }


def _is_name(name: str) -> bool:
    return name.replace("-", "_").isidentifier()


def require_shape(what: str, shape: tuple[int, ...], dtype: str) -> None:
    """Refuses the shape of a step that no record can have.

    Raises:
      DatasetError: it is such.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if min(shape, default=1) < 1 or size > _MOST_STEP_BYTES:
        raise DatasetError(
            f"{what} shape of a step: got {reprlib.repr(list(shape))}, expected sizes of 1 or more "
            f"that take {_MOST_STEP_BYTES} bytes together at most"
        )


def require_dtype(what: str, dtype: str) -> None:
    """Refuses a dtype that is not among `SUPPORTED_DTYPES`.

    Raises:
      DatasetError: it is such.
    """
    if dtype not in SUPPORTED_DTYPES:
        raise DatasetError(
            f"{what} dtype: got {reprlib.repr(dtype)}, expected one of "
            f"{', '.join(SUPPORTED_DTYPES)}; convert the arrays before writing them"
        )


def bytes_tensor(shape: tuple[int | None, ...], dtype: str) -> "tfds.features.Tensor":
    """The tensorflow-datasets feature of an array that is stored as its bytes."""
    import tensorflow_datasets as tfds

    return tfds.features.Tensor(
        shape=shape, dtype=np.dtype(dtype), encoding=tfds.features.Encoding.BYTES
    )
