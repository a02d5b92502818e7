"""Bands and stretches of time left out of spectra in training."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

# As in the paper's stronger policies.
_MASKS = 2
_DRAWS: contextvars.ContextVar[Callable[[str], Any] | None] = contextvars.ContextVar(
    "_DRAWS", default=None
)


@contextlib.contextmanager
def drawing(draws: Callable[[str], Any]) -> Iterator[None]:
    """A block in which layers know random numbers of the records of a batch.

    Args:
      draws: from the name of what draws to numbers whose `uniform(number)` is `[batch]` float32 in
        [0, 1), others for each name and number.
    """
    token = _DRAWS.set(draws)
    try:
        yield
    finally:
        _DRAWS.reset(token)


@keras.saving.register_keras_serializable(package="trainer")
class SpectralMasks(keras.layers.Layer):
    """Sets two stretches of bands and two of frames to 0 in training, others for each record.

    Park and others 2019 (SpecAugment, arXiv 1904.08779), without the warp of time. Of normalized
    bands 0 is the mean. Where nobody says random numbers (`drawing`) it is the identity.

    Args:
      bands: of a channel.
      frequency_mask: most of the bands that a stretch covers, as a share.
      frame_mask: most of a record's frames that a stretch covers, as a share.
    """

    def __init__(self, bands: int, frequency_mask: float, frame_mask: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.bands, self.frequency_mask, self.frame_mask = bands, frequency_mask, frame_mask

    def call(self, rows: tf.Tensor, lengths: tf.Tensor, training: bool | None = False) -> tf.Tensor:
        """`[frames, channels * bands]`, `[batch]` frames of each record -> the same shape."""
        draws_of = _DRAWS.get()
        if not training or draws_of is None:
            return rows
        draws, count = draws_of(self.name), tf.size(lengths)
        bands = tf.range(float(self.bands))[None]
        record = tf.repeat(tf.range(count), lengths)
        first = tf.gather(tf.cumsum(lengths, exclusive=True), record)
        frame = tf.cast(tf.range(tf.size(record)) - first, tf.float32)
        kept_bands = tf.ones([count, self.bands], tf.bool)
        kept_frames = tf.ones_like(frame, tf.bool)
        for number in range(0, 4 * _MASKS, 4):
            places = [draws.uniform(number + each) for each in range(4)]
            start, end = _stretch(places[:2], self.frequency_mask, float(self.bands))
            kept_bands &= (bands < start[:, None]) | (bands >= end[:, None])
            start, end = _stretch(places[2:], self.frame_mask, tf.cast(lengths, tf.float32))
            kept_frames &= (frame < tf.gather(start, record)) | (frame >= tf.gather(end, record))
        kept = tf.gather(kept_bands, record) & kept_frames[:, None]
        return tf.where(tf.tile(kept, [1, rows.shape[-1] // self.bands]), rows, tf.zeros_like(rows))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        own = {
            "bands": self.bands,
            "frequency_mask": self.frequency_mask,
            "frame_mask": self.frame_mask,
        }
        return {**super().get_config(), **own}


def _stretch(places: list[tf.Tensor], most: float, length: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """First and one past the last of up to `most` of a length."""
    masked = tf.floor(places[0] * (most * length + 1))
    masked = tf.minimum(masked, length)
    start = tf.floor(places[1] * (length - masked + 1))
    return start, start + masked
