"""FCN (Wang and others 2017, arXiv 1611.06455): three convolutions and the mean over time.

As published: kernels of 8, 5 and 3 samples, 128, 256 and 128 filters.
"""

from __future__ import annotations

from tfrecords_schema.errors import UserError
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.network import Features, Network, NetworkOptions

_KERNELS = (8, 5, 3)


class FCN(Network):
    """Three convolutions and the mean over time; for raw samples."""

    def encode(self, x: Features, options: NetworkOptions) -> Features:
        """See `Network.encode`."""
        if options.depth is not None:
            raise UserError(f"--depth={options.depth}: an FCN is three convolutions; leave it out")
        rows, width = x.rows, options.width or 128
        for kernel, filters in zip(_KERNELS, (width, 2 * width, width), strict=True):
            convolution = layers.TemporalConvolution(
                filters, kernel, use_bias=False, causal=options.causal, name=f"conv_{kernel}"
            )
            rows = convolution(rows, x.lengths)
            rows = layers.BatchNormalization(momentum=0.9, name=f"normalization_{kernel}")(rows)
            rows = keras.layers.ReLU(name=f"relu_{kernel}")(rows)
        return Features(rows, x.lengths)
