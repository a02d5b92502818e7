"""From several tensors to one: sums of packed rows, and one answer of several networks."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="trainer")
class MemberMean(keras.layers.Layer):
    """The mean over networks: of their probabilities, or of their values.

    Args:
      of_classes: whether outputs are logits of classes; the result is the log of the mean of their
        softmax then, so that its softmax is that mean.
    """

    def __init__(self, of_classes: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.of_classes = of_classes

    def call(self, members: list[tf.Tensor]) -> tf.Tensor:
        """A list of `[batch, (time), units]` -> the same shape."""
        mean = _mean_of_softmax if self.of_classes else _mean
        return mean(tf.stack(members))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "of_classes": self.of_classes}


@keras.saving.register_keras_serializable(package="trainer")
class Pool(keras.layers.Layer):
    """Two answers as one: the mean of their values, or of their logits.

    Of logits it is the logarithmic opinion pool (Genest and Zidek 1986): what one of them holds to
    be impossible is, however sure the other is.

    Args:
      share: of the second in the mean.
    """

    def __init__(self, share: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.share = share

    def call(self, answers: list[tf.Tensor]) -> tf.Tensor:
        """Two `[batch, (time), units]` -> the same shape."""
        first, second = answers
        return (1 - self.share) * first + self.share * second

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Pool":
        """The inverse of `get_config`; files of before say `of_classes`, which changes nothing."""
        return cls(**{name: given for name, given in config.items() if name != "of_classes"})

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "share": self.share}


@keras.saving.register_keras_serializable(package="trainer")
class MeanOfSigmoids(keras.layers.Layer):
    """The mean over networks of the sigmoid of their logits, as the logit of that mean."""

    def call(self, members: list[tf.Tensor]) -> tf.Tensor:
        """A list of `[batch, (time), classes]` -> the same shape."""
        return _mean_of_sigmoids(tf.stack(members))


@keras.saving.register_keras_serializable(package="trainer")
class MeanOfHeads(keras.layers.Layer):
    """The mean over networks of each of several labels, by its kind.

    Args:
      kinds: of each label, as `LabelSpec.kind`.
      sizes: outputs of each.
    """

    def __init__(self, kinds: Sequence[str], sizes: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.kinds, self.sizes = [*kinds], [*sizes]

    def call(self, members: list[tf.Tensor]) -> tf.Tensor:
        """A list of `[batch, (time), units]` -> the same shape."""
        parts = tf.split(tf.stack(members), self.sizes, axis=-1)
        means = {"value": _mean, "classes": _mean_of_sigmoids}
        found = (
            means.get(kind, _mean_of_softmax)(part)
            for kind, part in zip(self.kinds, parts, strict=True)
        )
        return tf.concat([*found], -1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "kinds": self.kinds, "sizes": self.sizes}


@keras.saving.register_keras_serializable(package="trainer")
class Add(keras.layers.Add):
    """`keras.layers.Add` of equal shapes that takes no rows, called eagerly as well.

    Keras (3.15) takes a second summand `[0, features]` for a bias of `[features]`, and fails.
    """

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """A list of `[rows, ...]` -> the same shape."""
        return tf.add_n(inputs)


def _mean(stacked: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(stacked, axis=0)


def _mean_of_softmax(stacked: tf.Tensor) -> tf.Tensor:
    logs = tf.nn.log_softmax(stacked)
    return tf.reduce_logsumexp(logs, axis=0) - tf.math.log(tf.cast(tf.shape(logs)[0], logs.dtype))


def _mean_of_sigmoids(stacked: tf.Tensor) -> tf.Tensor:
    there = tf.reduce_logsumexp(tf.math.log_sigmoid(stacked), axis=0)
    return there - tf.reduce_logsumexp(tf.math.log_sigmoid(-stacked), axis=0)
