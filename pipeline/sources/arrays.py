"""Which array of a file is the signal, which is the label, which are neither, and what they say."""

import dataclasses
import math
from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from pipeline.console.errors import MissingLabelError, RejectedInputError
from pipeline.console.texts import listed
from pipeline.sources.names import class_of, normal
from pipeline.sources.npz import ArrayFile
from pipeline.sources.options import ConvertOptions
from tfrecords_schema.left_out import LeftOut

LABEL_KEYS = ("label", "y")
_SHOWN, _SHOWN_LETTERS = 10, 50  # Of a file's arrays, and of each one's name.
# How well an array does for a signal.
_NO_ARRAY, _EMPTY, _ONE_VALUE, _VALUES = range(4)


@dataclasses.dataclass(frozen=True)
class ArrayChoice:
    """How the arrays of a file are told apart.

    Attributes:
      options: of the conversion, which name the labels.
      signal: name of the array with the signal; empty if it is not given.
      others: names of those with the group and the split.
      has_targets: whether labels are in files of their own.
    """

    options: ConvertOptions
    signal: str
    others: tuple[str, ...]
    has_targets: bool

    def keys(self, npz: ArrayFile) -> tuple[str, tuple[str | None, ...]]:
        """The array with the signal, and those with the labels if this file has labels."""
        labels = () if self.has_targets else self.label_keys(npz)
        return self.signal_key(npz, labels), labels

    def label_keys(self, npz: ArrayFile) -> tuple[str | None, ...]:
        """The array with each label; of a file of targets, if that is what this is.

        Raises:
          RejectedInputError: if one that is named is not there, or of targets none is clear.
        """
        return self.options.each_label(
            self.options.file_labels, lambda asked: self._label_key(npz, asked.key)
        )

    def _label_key(self, npz: ArrayFile, named: str) -> str | None:
        if named:
            return required_key(npz, named, "label_key")
        for default in LABEL_KEYS:
            if default in npz.keys and self._leaves_a_signal(npz, default):
                return default
        if not self.has_targets:
            return None
        if len(npz.keys) == 1:
            return npz.keys[0]
        raise RejectedInputError(
            f"{_how_many(npz.keys)} could be the label (arrays: {_described(npz)}); name it with "
            "--label_key"
        )

    def signal_key(self, npz: ArrayFile, label_keys: Iterable[str | None]) -> str:
        """The array with the signal, in a file whose labels are known.

        Raises:
          RejectedInputError: if the one that is named is not there, or none is clear.
        """
        if self.signal:
            return required_key(npz, self.signal, "signal_key")
        keys = self._beside(npz, label_keys)
        if len(keys) > 1:
            # A number or a text beside the signal is no second signal; neither is an array of one
            # number, unless there is nothing else.
            ranks = {key: _rank(npz, key) for key in keys}
            best = max(ranks.values())
            keys = [key for key in keys if ranks[key] == best > _NO_ARRAY]
        if len(keys) == 1:
            return keys[0]
        cure = "" if keys else ", or store an array of numbers, [time, ...]"
        raise RejectedInputError(
            f"{_how_many(keys)} could be the signal (arrays: {_described(npz)}); name it with "
            f"--signal_key{cure}"
        )

    def data_key(self, npz: ArrayFile) -> str:
        """The array with the signal, in a file whose label may be there or not."""
        asked = () if self.has_targets else self.options.file_labels
        found: list[str] = []
        for one in asked:
            keys = [normal(one.key)] if one.key else LABEL_KEYS
            there = (key for key in keys if key in npz.keys and self._leaves_a_signal(npz, key))
            found += [*there][:1]
        return self.signal_key(npz, found)

    def unused(
        self, npz: ArrayFile, signal: str | None, labels: Sequence[str | None]
    ) -> Iterator[LeftOut]:
        """What is said of arrays that nothing is read from.

        Args:
          npz: the file.
          signal: the array with the signal; None in a file of targets.
          labels: the arrays with labels, as far as there are some.
        """
        names = sorted({*npz.keys}.difference((signal, *labels), map(normal, self.others)))
        if not names:
            return
        shown = ", ".join(f"'{name[:_SHOWN_LETTERS]}'" for name in names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        is_asked = [*labels] == [None] and not self.has_targets
        cure = "; if the label is among them, name it with --label_key" if is_asked else ""
        what = "array" if len(names) == 1 else "arrays"
        yield LeftOut("recording", f"{what} {shown}{more} not used{cure}")

    def _leaves_a_signal(self, npz: ArrayFile, label_key: str) -> bool:
        """Whether the signal can be another array; in a file of targets it always is."""
        if self.has_targets:
            return True
        if self.signal:
            return label_key != normal(self.signal)
        best = max((_rank(npz, key) for key in self._beside(npz, [label_key])), default=_NO_ARRAY)
        # Beside nothing but an empty array a label is one still: that is a recording of no steps.
        return best in (_EMPTY, _VALUES) or best == _ONE_VALUE >= _rank(npz, label_key)

    def _beside(self, npz: ArrayFile, label_keys: Iterable[str | None]) -> list[str]:
        other = {*label_keys, *map(normal, self.others)}
        return [key for key in npz.keys if key not in other]


def required_key(npz: ArrayFile, key: str, flag: str) -> str:
    """The name of an array as the file has it.

    Raises:
      RejectedInputError: if there is none.
    """
    if normal(key) not in npz.keys:
        kind = MissingLabelError if flag == "label_key" else RejectedInputError
        raise kind(f"no array {key!r} (--{flag}); the file has {listed(npz.keys) or 'no arrays'}")
    return normal(key)


def time_first(shape: tuple[int, ...], axis: int, key: str) -> tuple[int, ...]:
    """The shape of an array with its axis of time in front.

    Raises:
      RejectedInputError: if it has no such axis.
    """
    if not axis:
        return shape
    if not -len(shape) <= axis < len(shape):
        raise RejectedInputError(
            f"array {key!r} has shape {[*shape]}, no axis {axis} (--time_axis); give the axis of "
            "time, or repair the recording"
        )
    return (shape[axis], *np.delete(shape, axis).tolist())


def rate_in(file: ArrayFile, key: str) -> float:
    """The samples per second under a name; 0 if none is named.

    Raises:
      RejectedInputError: if it is not there, or no rate.
    """
    if not key:
        return 0.0
    found = file.array(required_key(file, key, "rate_key"))
    rate_hz = float(found.item()) if found.size == 1 and found.dtype.kind in "iuf" else 0.0
    if not 0 < rate_hz < math.inf:
        raise RejectedInputError(
            f"array {key!r} (--rate_key) is no rate; expected one number above 0"
        )
    return rate_hz


def names_in(file: ArrayFile, key: str, count: int) -> list[str]:
    """The names of channels under a name; `0`, `1`, ... if none is named.

    Raises:
      RejectedInputError: if they are not there, or not as many.
    """
    if not key:
        return [*map(str, range(count))]
    found = file.array(required_key(file, key, "channel_key")).reshape(-1)
    if len(found) != count or found.dtype.kind not in "US":
        raise RejectedInputError(
            f"array {key!r} (--channel_key) has {len(found)} values of {found.dtype}, the signal "
            f"has {count} channels; expected a text for each"
        )
    return [str(class_of(name)).strip() for name in found.tolist()]


def _rank(npz: ArrayFile, key: str) -> int:
    """How well an array does for a signal; one that cannot be read does: people have to name it."""
    try:
        header = npz.header(key)
    except RejectedInputError:
        return _VALUES
    if not header.shape or header.dtype.kind in "US":
        return _NO_ARRAY
    return min(_EMPTY + math.prod(header.shape), _VALUES)


def _how_many(keys: Collection[str]) -> str:
    return "several arrays" if keys else "no array"


def _described(npz: ArrayFile) -> str:
    """Names and shapes of the first arrays."""
    keys = npz.keys
    more = [f"and {len(keys) - _SHOWN} more"] if len(keys) > _SHOWN else []
    shown = (f"{key[:_SHOWN_LETTERS]}{_shape(npz, key)}" for key in keys[:_SHOWN])
    return ", ".join([*shown, *more]) or "none"


def _shape(npz: ArrayFile, key: str) -> str:
    try:
        return f" {list(npz.header(key).shape)}"
    except RejectedInputError:  # It is told once it is read.
        return ""
