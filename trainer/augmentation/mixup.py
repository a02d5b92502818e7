"""Two records in one, with the labels of both."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.console.options import option
from trainer.augmentation.augmentation import Augmentation, Draws, Recordings

if TYPE_CHECKING:
    import tensorflow as tf

    from tfrecords_schema import LabelSpec

_QUANTILES = 4097


@dataclasses.dataclass(frozen=True)
class Mixup(Augmentation):
    """Augmentation: two recordings in one (Zhang and others 2018, arXiv 1710.09412)."""

    needs_partner: ClassVar[bool] = True
    mixup: float = option(
        0.0,
        "Each recording is mixed with another one in training, and so are their labels: alpha of "
        "the Beta distribution of the shares. At 0.2 most are mixed a little, at 0 none.",
        low=0,
    )

    def mixed(
        self, own: Recordings, partner: Recordings, label: LabelSpec, draws: Draws
    ) -> Recordings:
        """Mixes where both were recorded.

        Beyond the partner's end a recording stays as it is: scaled, it would be mixed with 0, which
        in most units is not silence. The partner's label counts for as many steps as were mixed.
        """
        import tensorflow as tf

        time = tf.shape(own.values)[1]
        other = beta(draws.uniform(0), self.mixup)
        own = own._replace(
            values=_blended(own.values, partner.values, other, partner.recorded(time)),
            beside=None
            if own.beside is None
            else _blended(
                own.beside,
                partner.beside,
                other,
                tf.sequence_mask(partner.lengths, time)[..., None],
            ),
        )
        partner_label = partner.label
        if label.per == "step":
            share = other[:, None] * tf.sequence_mask(partner.lengths, time, tf.float32)
            partner_label = _of_time(partner.label, time)
        else:
            steps = tf.maximum(own.lengths, 1)
            share = other * tf.cast(tf.minimum(partner.lengths, steps) / steps, tf.float32)
        if label.class_names:
            return own._replace(other_label=partner_label, other_share=share)
        first, second = (tf.cast(each, tf.float32) for each in (own.label, partner_label))
        share = _as_wide(share, first)
        # Where nothing is mixed in, a label stays, though the other is not known.
        mixed_label = tf.where(share > 0, first + share * (second - first), first)
        return own._replace(label=mixed_label)


def _blended(
    own: tf.Tensor, partner: tf.Tensor, share: tf.Tensor, is_there: tf.Tensor
) -> tf.Tensor:
    """`[batch, time, ...]` with a share of the partner's `[batch]`, where that has something."""
    import tensorflow as tf

    apart = _of_time(partner, tf.shape(own)[1]) - own
    return tf.where(is_there, own + _as_wide(share, apart) * apart, own)


def beta(uniform: tf.Tensor, alpha: float) -> tf.Tensor:
    """Numbers of Beta(alpha, alpha), from uniform ones in [0, 1): float32 in the same shape."""
    import tensorflow as tf

    table = tf.constant(_quantiles(alpha), tf.float32)
    place = tf.sqrt(2 * tf.minimum(uniform, 1 - uniform)) * (_QUANTILES - 1)
    before = tf.cast(place, tf.int32)
    low, high = (tf.gather(table, tf.minimum(before + n, _QUANTILES - 1)) for n in (0, 1))
    lower = low + (place - tf.cast(before, tf.float32)) * (high - low)
    return tf.where(uniform < 0.5, lower, 1 - lower)


@functools.cache
def _quantiles(alpha: float) -> np.ndarray:
    """Of Beta(alpha, alpha), from 0 to 1/2 at halves of squares; the other half mirrors them.

    The density of z = log(x / (1 - x)) is (x (1 - x))^alpha: smooth for every alpha. Squares are
    close at 0, where quantiles of a large alpha are steep.
    """
    z = -(40 / alpha + 20 / alpha**0.5) * np.linspace(1, 0, 200_001)
    density = np.exp(alpha * (np.log(4) + z - 2 * np.log1p(np.exp(z))))
    passed = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    places = np.linspace(0, 1, _QUANTILES) ** 2
    return np.interp(places * passed[-1], passed, np.exp(z) / (1 + np.exp(z)))


def _of_time(values: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
    """`[batch, time, ...]`, cut or continued."""
    import tensorflow as tf

    steps = tf.minimum(tf.range(time), tf.shape(values)[1] - 1)
    return tf.gather(values, steps, axis=1)


def _as_wide(numbers: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Numbers of the first axes of values, with as many axes as those have."""
    return numbers[(..., *[None] * (len(values.shape) - len(numbers.shape)))]
