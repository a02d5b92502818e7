"""Random convolutions with a ridge behind them: fitted exactly, in one pass over the recordings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.console.options import Options, option
from tfrecords_schema.errors import UserError
from trainer.models.family import DataSpec
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.ridge import fit_ridge, one_against_others, sharpness
from trainer.models.signal import float32_at_least, head_units

if TYPE_CHECKING:
    from trainer.step.task import Batch

# Of more records the ridge takes the first that come in a random order.
_MOST_RECORDS = 4096


@dataclasses.dataclass(frozen=True)
class RandomConvolutionOptions(Options):
    """What random convolutions are made of."""

    kernel_groups: int = option(32, "Groups of 8 random kernels, at each dilation.", low=1)
    dilations: int = option(6, "Dilations of the kernels: 1, 2, 4 and so on.", low=1, high=16)


def random_convolutions(
    rows: Any, row_lengths: Any, lengths: Any, data: DataSpec, options: RandomConvolutionOptions
) -> tuple[Any, Any]:
    """Features of packed rows, and the ridge's outputs.

    Args:
      rows: `[valid, channels]`.
      row_lengths: `[batch] int32`, rows of each record.
      lengths: `[batch] int32`, its steps.
      data: what is predicted.
      options: of the convolutions.

    Returns:
      `[batch, features]` for `ridge_fit`, and `[batch, units]`.

    Raises:
      UserError: there is not one label per record.
    """
    if data.label.per != "record":
        raise UserError(
            f"random convolutions predict one label per record, the dataset has one per "
            f"{data.label.per}; leave out --random_convolutions"
        )
    features = layers.CompetingKernels(
        options.kernel_groups, options.dilations, dtype=float32_at_least(), name="features"
    )(rows, row_lengths)
    y = layers.PackRecords(name="pack_features")(features, lengths)
    y = layers.Standardize(dtype=float32_at_least(), name="standardize")(y)
    units = head_units(data.label)
    head = keras.layers.Dense(units, trainable=False, dtype=float32_at_least(), name="ridge")
    return features, layers.UnpackRecords(name="unpack_ridge")(head(y), lengths)


def ridge_fit(
    full: keras.Model, features: keras.Model, data: DataSpec
) -> Callable[[Iterable[Batch]], float]:
    """`BuiltModel.fit` of a model with `random_convolutions` in it.

    Args:
      full: the model, whose ridge is set.
      features: from the same inputs to the features.
      data: what is predicted.
    """
    return lambda batches: _fit_head(full, features, data, batches)


def _fit_head(
    full: keras.Model, features: keras.Model, data: DataSpec, batches: Iterable[Batch]
) -> float:
    """Fits the ridge; returns the mean loss on records left out in turn."""
    import tensorflow as tf

    compute = tf.function(lambda inputs: features(inputs, training=False), reduce_retracing=True)
    found, labels = [], []
    records = 0
    for batch in batches:
        valid = batch["lengths"].numpy() > 0
        inputs = {tensor.name: batch[tensor.name] for tensor in features.inputs}
        found.append(compute(inputs).numpy()[valid])
        labels.append(batch["label"].numpy()[valid])
        records += int(valid.sum())
        if records >= _MOST_RECORDS:
            break
    values, label = np.concatenate(found), np.concatenate(labels)
    standardize = full.get_layer("standardize")
    standardize.adapt_to(values)
    values = standardize(values).numpy()
    head = full.get_layer("ridge")
    if data.label.kind == "value":
        targets = label.reshape(len(label), -1).astype(np.float64)
        ridge = fit_ridge(values, targets)
        head.set_weights([ridge.kernel, ridge.bias])
        return float(np.mean((ridge.left_out - targets) ** 2))
    ridge = fit_ridge(values, one_against_others(label, data.units))
    factor, loss = sharpness(ridge.left_out, label)
    head.set_weights([factor * ridge.kernel, factor * ridge.bias])
    return loss
