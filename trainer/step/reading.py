"""How the logits of a trained model are read: as probabilities, and as the class that is stated."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Reading:
    """A temperature and a threshold; as it is by default, the softmax and its likeliest class.

    Attributes:
      temperature: logits are divided by it (Guo and others 2017, arXiv 1706.04599, section 4.2).
      positive: number of a class with a threshold; None for none.
      threshold: that class is stated where its probability is at least that, else the likeliest of
        the others.
      thresholds: of each class, where a label is any number of them; empty: 0.5 of all.
    """

    temperature: float = 1.0
    positive: int | None = None
    threshold: float = 0.5
    thresholds: tuple[float, ...] = ()

    def softmax(self, logits: tf.Tensor) -> tf.Tensor:
        """Probabilities `[..., classes]` float32; the likeliest class is that of the logits."""
        plain = tf.nn.softmax(logits)
        if self.temperature == 1:
            return plain
        found = tf.nn.softmax(logits / self.temperature)
        # Rounding makes equal what is nearly so: the class that was first must not lose by that.
        first = tf.argmax(plain, -1)
        chosen = tf.one_hot(first, tf.shape(plain)[-1], True, False, dtype=tf.bool)
        lost = (tf.argmax(found, -1) != first)[..., tf.newaxis]
        above = tf.math.nextafter(tf.reduce_max(found, -1, keepdims=True), 1.0)
        return tf.where(chosen & lost, above, found)

    def present(self, probabilities: tf.Tensor) -> tf.Tensor:
        """The classes that are stated, any number of them: bool `[..., classes]` like those."""
        return probabilities >= tf.constant(self.thresholds or 0.5, tf.float32)

    def answer(self, probabilities: tf.Tensor) -> tf.Tensor:
        """The class that is stated: `[...]` int32 from `[..., classes]` float32."""
        if self.positive is None:
            return tf.argmax(probabilities, -1, tf.int32)
        of_it = tf.one_hot(self.positive, tf.shape(probabilities)[-1], True, False, dtype=tf.bool)
        others = tf.argmax(tf.where(of_it, -1.0, probabilities), -1, tf.int32)
        is_stated = probabilities[..., self.positive] >= tf.constant(self.threshold, tf.float32)
        return tf.where(is_stated, self.positive, others)


AS_THEY_ARE = Reading()
"""The softmax of the logits, and its likeliest class."""
