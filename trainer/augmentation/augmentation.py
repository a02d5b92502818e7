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

    from tfrecords_schema import InputSpec, LabelSpec
    from tfrecords_schema.channels import ChannelRole

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

    @property
    def end(self) -> tf.Tensor:
        """`[batch]` float32: the moment that is the last step afterwards."""
        import tensorflow as tf

        return self.start + tf.cast(self.lengths - 1, tf.float32) * self.rate


class Recordings(NamedTuple):
    """A batch while it is changed.

    Attributes:
      values: `[batch, time, *step_shape]` float32.
      lengths: `[batch]` int32.
      label: as the batch has it.
      padding: `[batch]` int32, samples that the last step lacks; None where all were recorded.
      other_label: like the label, another class that is right as well; None without.
      other_share: how much of each label that one is, in [0, 1], float32 in the same shape.
      beside: `[batch, time, numbers]` float32, see `BatchReader`; None without.
    """

    values: tf.Tensor
    lengths: tf.Tensor
    label: tf.Tensor
    padding: Any
    other_label: tf.Tensor | None = None
    other_share: tf.Tensor | None = None
    beside: tf.Tensor | None = None

    def recorded(self, time: tf.Tensor) -> tf.Tensor:
        """Which values of so many steps were recorded: bool, as many axes as values, some of 1."""
        import tensorflow as tf

        ones = [1] * (len(self.values.shape) - 2)
        steps = tf.reshape(tf.sequence_mask(self.lengths, time), [-1, time, *ones])
        if self.padding is None:
            return steps
        return steps & ~self.is_padding(time)[..., None]

    def is_padding(self, time: tf.Tensor) -> tf.Tensor:
        """`[batch, time, samples]`: which samples of the last valid step were not recorded."""
        import tensorflow as tf

        samples = self.values.shape[2]
        is_last = tf.range(time)[None] == self.lengths[:, None] - 1
        return is_last[..., None] & (tf.range(samples) >= samples - self.padding[:, None])[:, None]


@dataclasses.dataclass(frozen=True)
class Augmentation(Options):
    """One augmentation; its options are its strength, and 0 of all of them is none.

    A subclass overrides `times`, `values` or `mixed`.

    Attributes:
      input_kind: of the recordings that it is for, `signal` or `frames`; empty for both.
      needs_partner: whether `mixed` is asked, which takes another recording for each.
    """

    input_kind: ClassVar[str] = ""
    needs_partner: ClassVar[bool] = False

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

    def mixed(
        self, own: Recordings, partner: Recordings, label: LabelSpec, draws: Draws
    ) -> Recordings:
        """Two recordings in one, each after all other changes of its own.

        Args:
          own: what is trained on.
          partner: other recordings, perhaps padded to other lengths.
          label: of both.
          draws: random numbers, of the recordings that are trained on.
        """
        return own

    @property
    def is_on(self) -> bool:
        """Whether it does anything."""
        return any(getattr(self, field.name) for field in dataclasses.fields(self))


def augmentations() -> tuple[type[Augmentation], ...]:
    """All there are, in the order of their files."""
    from trainer import augmentation

    return tuple(classes_in(augmentation, Augmentation).values())


def require_suited(used: Iterable[Augmentation], input_spec: InputSpec, per: str) -> None:
    """Refuses augmentations that would change nothing, or what they cannot.

    Args:
      used: augmentations that are on.
      input_spec: what a recording is.
      per: what has a label.

    Raises:
      UsageError: one is for the other kind, or mixes sequences of labels, or what is not there.
    """
    kind = input_spec.kind
    for one in used:
        flag = next(f.name for f in dataclasses.fields(one) if getattr(one, f.name))
        if one.input_kind not in ("", kind):
            raise UsageError(
                f"--{flag} is for {one.input_kind}, the dataset has {kind}; leave it out"
            )
        if one.needs_partner and per == "sequence":
            raise UsageError(
                f"--{flag} is for one label per record or per step, here a record's label is a "
                "sequence with a length of its own; leave it out"
            )
        if one.needs_partner and any(role.shown_by >= 0 for role in input_spec.roles):
            raise UsageError(
                f"--{flag} cannot mix a signal that some recordings lack (--missing_signal=mask); "
                "leave it out"
            )


def augmented(
    batch: dict[str, Any],
    used: Sequence[Augmentation],
    seed: int,
    epoch: Any,
    label: LabelSpec,
    roles: Sequence[ChannelRole] = (),
) -> dict[str, Any]:
    """A batch with all augmentations applied.

    A channel of a record with integers beyond 2^24, which float32 does not tell apart, is changed
    relative to the record's first sample, as if that were 0.

    Args:
      batch: `signal` or `frames` `[batch, time, *step_shape]`, `lengths`, `record`, `label`;
        perhaps `beside`, which changes as values of `roles` do; perhaps `padding`, whose samples
        are 0 afterwards as before; and `partner` where one of
        `used` needs it, see `BatchReader`.
      used: what to apply.
      seed: of the training.
      epoch: scalar tensor.
      label: labels of steps move with them.
      roles: of the channels; values and flags move in time, and change only where a partner does.

    Returns:
      The batch, perhaps with `other_label` and `other_share`, see `Recordings`.
    """
    import tensorflow as tf

    from pipeline.batches.exact_difference import exact_difference

    kind = "signal" if "signal" in batch else "frames"
    own, origin = _changed(batch, kind, used, seed, epoch, label.per, roles)
    for one in used:
        if one.needs_partner:
            partner, other = _changed(batch["partner"], kind, used, seed, epoch, label.per, roles)
            if origin is not None:
                shift = exact_difference(other, origin, tf.float32)
                partner = partner._replace(values=partner.values + shift)
            draws = Draws(seed, epoch, batch["record"], type(one).__name__)
            own = one.mixed(own, partner, label, draws)
    values = _rounded(own.values, batch[kind].dtype, origin)
    if own.padding is not None:
        is_padding = own.is_padding(tf.shape(values)[1])[..., None]
        values = tf.where(is_padding, tf.zeros_like(values), values)
    changed = {name: part for name, part in own._asdict().items() if part is not None}
    del changed["values"]
    return {**batch, **changed, kind: values}


def _changed(
    batch: dict[str, Any],
    kind: str,
    used: Sequence[Augmentation],
    seed: int,
    epoch: Any,
    per: str,
    roles: Sequence[ChannelRole],
) -> tuple[Recordings, tf.Tensor | None]:
    """A batch with all that changes each record alone, and what its values are relative to."""
    import tensorflow as tf

    from pipeline.batches.exact_difference import as_exact, exact_difference

    given, lengths, label = batch[kind], batch["lengths"], batch["label"]
    beside = batch.get("beside")
    origin = _origin(given)
    values = tf.cast(given, tf.float32)
    if origin is not None:
        values = exact_difference(as_exact(given, tf.float32), origin, tf.float32)
    padding, are_signals = batch.get("padding"), [role.kind == "signal" for role in roles]
    if padding is not None:  # Else what fills the last step would enter its neighbours.
        values = _with_edge(Recordings(values, lengths, label, padding))
    for one in used:
        draws = Draws(seed, epoch, batch["record"], type(one).__name__)
        if times := one.times(tf.maximum(lengths, 1), draws):
            new_lengths = tf.where(lengths > 0, times.lengths, 0)
            if padding is not None:
                padding = tf.where(times.end > tf.cast(lengths - 2, tf.float32), padding, 0)
            values = _at(values, times, lengths, smooth=kind == "signal")
            if per == "step":
                label = _at(label, times, lengths, smooth=False)
            if beside is not None:
                beside = _at(beside, times, lengths, smooth=False)
            lengths = new_lengths
        changed = one.values(values, lengths, draws)
        values = changed if all(are_signals) else tf.where(are_signals, changed, values)
    return Recordings(values, lengths, label, padding, beside=beside), origin


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


def _origin(given: tf.Tensor) -> tf.Tensor | None:
    """What to subtract from each channel of integers that float32 may not tell apart, int64."""
    import tensorflow as tf

    if given.dtype not in (tf.int32, tf.int64):
        return None
    axes = [*range(1, max(2, len(given.shape) - 1))]
    is_wide = tf.reduce_any((given > 2**24) | (given < -(2**24)), axes, keepdims=True)
    first = tf.cast(first_sample(given), tf.int64)
    return tf.where(is_wide, first, tf.zeros_like(first))


def first_sample(values: tf.Tensor) -> tf.Tensor:
    """Of each channel (the last axis) of each record, with as many axes as the values have."""
    return values[(slice(None), *[slice(0, 1)] * max(1, len(values.shape) - 2))]


def _rounded(values: tf.Tensor, dtype: tf.DType, origin: tf.Tensor | None) -> tf.Tensor:
    """float32 in the dtype of the batch, integers within their range."""
    import tensorflow as tf

    if not dtype.is_integer:
        return tf.cast(values, dtype)
    values = tf.round(values)
    if origin is None:
        return tf.cast(tf.clip_by_value(values, dtype.min, dtype.max), dtype)
    exact = tf.cast(origin, tf.float64) + tf.cast(values, tf.float64)
    # The largest float32 below 2^63: the cast of a larger one has the wrong sign.
    limited = tf.cast(tf.clip_by_value(values, -(2.0**63), 2.0**63 - 2.0**39), tf.int64)
    total = origin + limited
    total = tf.where(exact >= float(dtype.max), tf.constant(dtype.max, tf.int64), total)
    total = tf.where(exact <= float(dtype.min), tf.constant(dtype.min, tf.int64), total)
    return tf.cast(total, dtype)


def _with_edge(given: Recordings) -> tf.Tensor:
    """`[batch, time, samples, channels]` with the last recorded sample in the padding."""
    import tensorflow as tf

    values, samples = given.values, given.values.shape[2]
    last = tf.gather(values, tf.maximum(given.lengths - 1, 0), batch_dims=1)
    edge = tf.gather(last, samples - 1 - given.padding, batch_dims=1)[:, None, None]
    return tf.where(given.is_padding(tf.shape(values)[1])[..., None], edge, values)


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
