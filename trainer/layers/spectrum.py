"""Spectra of each record's samples as a layer: exact with padding, and part of an export."""

from typing import Any

import keras
import tensorflow as tf

from trainer.layers.patches import patch_lengths

# Added to energies before the log, for samples of deviation 1: 80 dB below a full band.
_FLOOR = 1e-6


@keras.saving.register_keras_serializable(package="trainer")
class LogMel(keras.layers.Layer):
    """The log of a mel spectrogram of every channel.

    Frames of `frame_samples` with a Hann window stand `hop_samples` apart, the first one centred on
    the first hop; beyond a record's ends there are zeros. Bands are evenly spaced on the mel scale
    (O'Shaughnessy 1987) up to half the sampling rate, as `tf.signal.linear_to_mel_weight_matrix`
    has them.

    Args:
      frame_samples: samples of a frame.
      hop_samples: samples from one frame to the next.
      bands: number of mel bands.
      rate_hz: sampling rate.
    """

    def __init__(
        self,
        frame_samples: int,
        hop_samples: int,
        bands: int,
        rate_hz: float = 16000,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.frame_samples, self.hop_samples = frame_samples, hop_samples
        self.bands, self.rate_hz = bands, rate_hz

    def call(self, packed: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`[valid, channels]`, `[batch]` -> `[frames, channels * bands]`, `[batch]` of frames."""
        frames = patch_lengths(lengths, self.hop_samples)
        record = tf.repeat(tf.range(tf.size(lengths)), frames)
        number = tf.range(tf.size(record)) - tf.gather(tf.cumsum(frames, exclusive=True), record)
        first = number * self.hop_samples + (self.hop_samples - self.frame_samples) // 2
        within = first[:, None] + tf.range(self.frame_samples)
        is_valid = (within >= 0) & (within < tf.gather(lengths, record)[:, None])
        start = tf.gather(tf.cumsum(lengths, exclusive=True), record)[:, None]
        with_zeros = tf.concat([packed, tf.zeros([1, packed.shape[-1]], packed.dtype)], axis=0)
        places = tf.where(is_valid, start + within, tf.shape(packed)[0])
        samples = tf.cast(tf.gather(with_zeros, places), tf.float32)
        window = tf.signal.hann_window(self.frame_samples)
        spectra = tf.signal.rfft(tf.transpose(samples, [0, 2, 1]) * window)
        power = tf.square(tf.abs(spectra)) / tf.reduce_sum(tf.square(window))
        mel = tf.signal.linear_to_mel_weight_matrix(
            self.bands, self.frame_samples // 2 + 1, self.rate_hz, 0.0, self.rate_hz / 2
        )
        energies = tf.tensordot(power, mel, 1)
        logs = tf.math.log(energies + _FLOOR)
        return (
            tf.cast(tf.reshape(logs, [-1, packed.shape[-1] * self.bands]), self.compute_dtype),
            frames,
        )

    def compute_output_spec(self, packed: Any, lengths: Any) -> Any:
        """Known number of values."""
        values = packed.shape[-1] * self.bands
        frames = keras.KerasTensor((None, values), dtype=self.compute_dtype)
        return frames, keras.KerasTensor(lengths.shape, dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        own = {
            "frame_samples": self.frame_samples,
            "hop_samples": self.hop_samples,
            "bands": self.bands,
            "rate_hz": self.rate_hz,
        }
        return {**super().get_config(), **own}
