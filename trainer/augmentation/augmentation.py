"""What an augmentation is, and how all of them are applied to a batch.

What is drawn depends on (seed, epoch, record) alone, not on the batch, its padding or the replica:
so the plan may be dealt out in any way, and a training that goes on sees what it would have seen.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pipeline.console.errors import UsageError
from pipeline.console.options import Options
from pipeline.console.rooms import classes_in

if TYPE_CHECKING:
    import tensorflow as tf

_BITS = 0xFFFF_FFFF


class Draws:
    """Random numbers of each record of a batch."""

    def __init__(self, seed: int, epoch: Any, records: Any, name: str):
        """Prepares.

        Args:
          seed: of the training.
          epoch: scalar int64 tensor.
          records: `[batch]` row of each record in its split.
          name: of what draws.
        """
        import tensorflow as tf

        key = _mixed(tf.constant(zlib.crc32(name.encode()) ^ (seed & _BITS), tf.int64))
        key = _mixed(key ^ tf.cast(epoch, tf.int64))
        self._keys = _mixed(key ^ tf.cast(records, tf.int64))

    def uniform(self, number: int) -> tf.Tensor:
        """`[batch]` float32 in [0, 1), others for each number."""
        return _fraction(_mixed(self._keys + number * 0x9E37_79B9))

    def normal(self, shape: Any) -> tf.Tensor:
        """`[batch, *shape]` float32 of a normal distribution; `shape` may be a tensor."""
        import tensorflow as tf

        count = tf.reduce_prod(tf.cast(shape, tf.int64))
        places = tf.range(count, dtype=tf.int64)[None]
        first = _fraction(_mixed(_mixed(self._keys[:, None] + 2 * places)))
        second = _fraction(_mixed(_mixed(self._keys[:, None] + 2 * places + 1)))
        radius = tf.sqrt(-2 * tf.math.log(tf.maximum(first, 1e-7)))  # Box and Muller 1958.
        flat = radius * tf.cos(6.2831853 * second)
        return tf.reshape(flat, tf.concat([[tf.shape(flat)[0]], tf.cast(shape, tf.int32)], 0))


class Times(NamedTuple):
    """Which moments of a record are its steps afterwards: `start + step * rate`.

    Attributes:
      start: `[batch]` float32.
      rate: `[batch]` float32.
      lengths: `[batch]` int32, steps afterwards.
    """

    start: tf.Tensor
    rate: tf.Tensor
    lengths: tf.Tensor


@dataclasses.dataclass(frozen=True)
class Augmentation(Options):
    """One augmentation; its options are its strength, and 0 of all of them is none.

    A subclass overrides `times`, or `values`.

    Attributes:
      input_kind: of the recordings that it is for, `signal` or `frames`; empty for both.
    """

    input_kind: ClassVar[str] = ""

    def times(self, lengths: tf.Tensor, draws: Draws) -> Times | None:
        """Which moments are kept; None leaves time as it is.

        Args:
          lengths: `[batch]` int32, at least 1.
          draws: random numbers.
        """
        return None

    def values(self, values: tf.Tensor, lengths: tf.Tensor, draws: Draws) -> tf.Tensor:
        """Changed values, in the same shape; what becomes of padding does not matter.

        Args:
          values: `[batch, time, *step_shape]` float32.
          lengths: `[batch]` int32.
          draws: random numbers.
        """
        return values

    @property
    def is_on(self) -> bool:
        """Whether it does anything."""
        return any(getattr(self, field.name) for field in dataclasses.fields(self))


def augmentations() -> tuple[type[Augmentation], ...]:
    """All there are, in the order of their files."""
    from trainer import augmentation

    return tuple(classes_in(augmentation, Augmentation).values())


def require_kind(used: Iterable[Augmentation], kind: str) -> None:
    """Refuses augmentations that would change nothing.

    Args:
      used: augmentations that are on.
      kind: of the input.

    Raises:
      UsageError: one is for the other kind.
    """
    for one in used:
        if one.input_kind not in ("", kind):
            flag = next(f.name for f in dataclasses.fields(one) if getattr(one, f.name))
            raise UsageError(
                f"--{flag} is for {one.input_kind}, the dataset has {kind}; leave it out"
            )


def augmented(
    batch: dict[str, Any], used: Sequence[Augmentation], seed: int, epoch: Any, per: str
) -> dict[str, Any]:
    """A batch with all augmentations applied.

    Args:
      batch: `signal` or `frames` `[batch, time, *step_shape]`, `lengths`, `record`, `label`.
      used: what to apply.
      seed: of the training.
      epoch: scalar tensor.
      per: what has a label; labels of steps move with them.
    """
    import tensorflow as tf

    kind = "signal" if "signal" in batch else "frames"
    given = batch[kind]
    values, lengths, label = tf.cast(given, tf.float32), batch["lengths"], batch["label"]
    for one in used:
        draws = Draws(seed, epoch, batch["record"], type(one).__name__)
        if times := one.times(tf.maximum(lengths, 1), draws):
            new_lengths = tf.where(lengths > 0, times.lengths, 0)
            values = _at(values, times, lengths, smooth=kind == "signal")
            if per == "step":
                label = _at(label, times, lengths, smooth=False)
            lengths = new_lengths
        values = one.values(values, lengths, draws)
    if given.dtype.is_integer:
        values = tf.round(tf.clip_by_value(values, given.dtype.min, given.dtype.max))
    changed = {kind: tf.cast(values, given.dtype), "lengths": lengths, "label": label}
    if per == "step":
        changed["label_lengths"] = lengths
    return {**batch, **{name: value for name, value in changed.items() if name in batch}}


def _at(values: tf.Tensor, times: Times, lengths: tf.Tensor, *, smooth: bool) -> tf.Tensor:
    """`[batch, time, ...]` at other moments, between steps on a line or at the nearest one."""
    import tensorflow as tf

    steps = tf.range(tf.maximum(tf.reduce_max(times.lengths), 1))
    moments = times.start[:, None] + tf.cast(steps, tf.float32)[None] * times.rate[:, None]
    last = tf.cast(tf.maximum(lengths - 1, 0), tf.float32)[:, None]
    moments = tf.clip_by_value(moments, 0.0, last)
    if not smooth:
        return tf.gather(values, tf.cast(tf.round(moments), tf.int32), batch_dims=1)
    before = tf.floor(moments)
    share = tf.reshape(
        moments - before, tf.concat([tf.shape(moments), [1] * (len(values.shape) - 2)], 0)
    )
    low = tf.gather(values, tf.cast(before, tf.int32), batch_dims=1)
    high = tf.gather(values, tf.cast(tf.minimum(before + 1, last), tf.int32), batch_dims=1)
    return low + share * (high - low)


def _mixed(values: tf.Tensor) -> tf.Tensor:
    """Mixes 32 bits of int64 numbers (the last steps of MurmurHash3, Appleby 2011)."""
    values = values & _BITS
    for shift, factor in ((16, 0x85EB_CA6B), (13, 0xC2B2_AE35)):
        values = ((values ^ (values // 2**shift)) * factor) & _BITS
    return values ^ (values // 2**16)


def _fraction(values: tf.Tensor) -> tf.Tensor:
    """In [0, 1), from the upper 24 of 32 bits."""
    import tensorflow as tf

    return tf.cast(values // 256, tf.float32) / 2**24
