"""Random convolutions with a ridge behind them: fitted exactly, in one pass over the recordings."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.console.options import Options, option
from tfrecords_schema.errors import UserError
from tfrecords_schema.labels import column_spans, of_head
from trainer.models.family import DataSpec
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.platt import calibrated
from trainer.models.parts.ridge import fit_ridge, one_against_others, sharpness, with_and_without
from trainer.models.signal import float32_at_least, head_units

if TYPE_CHECKING:
    from tfrecords_schema import LabelSpec
    from trainer.step.task import Batch

FITTED = ("features", "rocket", "standardize", "ridge")
"""Layers that no gradient trains."""
# The records that a fit to a bounded number of labels sees at least.
_RECORDS_AT_LEAST = 16
# That a fit holds, several times over.
_VALUES = 2**27


@dataclasses.dataclass(frozen=True)
class RandomConvolutionOptions(Options):
    """What random convolutions are made of."""

    kernel_groups: int = option(32, "Groups of 8 random kernels, at each dilation.", low=1)
    dilations: int = option(6, "Dilations of the kernels: 1, 2, 4 and so on.", low=1, high=16)
    rocket_biases: int = option(
        0,
        "Biases of each of MultiROCKET's 84 kernels, which stand beside them; for labels of "
        "recordings alone. Without (0) there are none.",
        low=0, high=64,
    )  # fmt: skip


def random_convolutions(
    rows: Any,
    row_lengths: Any,
    lengths: Any,
    scale: tuple[int, int],
    data: DataSpec,
    options: RandomConvolutionOptions,
    causal: bool,
) -> tuple[Any, Any]:
    """Features of each label, and the ridge's outputs.

    Args:
      rows: `[valid, channels]`.
      row_lengths: `[batch] int32`, rows of each record.
      lengths: `[batch] int32`, its steps.
      scale: samples of a step, and samples that a row stands for.
      data: what is predicted.
      options: of the convolutions.
      causal: whether they see only a row and earlier ones.

    Returns:
      `[labels, features]` for `ridge_fit`, and packed `[labels, units]`.
    """
    per_step = data.label.per == "step"
    kernels = layers.CompetingKernels(
        options.kernel_groups,
        options.dilations,
        rows_per_step=scale if per_step else None,
        causal=causal,
        dtype=float32_at_least(),
        name="features",
    )
    features = kernels(rows, row_lengths, lengths)
    if options.rocket_biases:
        if per_step:
            raise UserError(
                "--rocket_biases is for labels of recordings; these are of steps: leave it out"
            )
        rocket = layers.MultiRocket(
            options.dilations,
            options.rocket_biases,
            causal=causal,
            dtype=float32_at_least(),
            name="rocket",
        )
        both = [features, rocket(rows, row_lengths)]
        features = keras.layers.Concatenate(dtype=float32_at_least(), name="all_features")(both)
    if not per_step:
        features = layers.PackRecords(name="pack_features")(features, lengths)
    y = layers.Standardize(dtype=float32_at_least(), name="standardize")(features)
    units = head_units(data.label)
    head = layers.Dense(units, trainable=False, dtype=float32_at_least(), name="ridge")
    return features, head(y)


def ridge_fit(
    full: keras.Model, features: keras.Model, data: DataSpec
) -> Callable[[Iterable[Batch], int], float]:
    """`BuiltModel.fit` of a model with `random_convolutions` in it.

    Args:
      full: the model, whose ridge is set.
      features: from the same inputs to the features.
      data: what is predicted.
    """
    return lambda batches, most: _fit_head(full, features, data, batches, most)


def _fit_head(
    full: keras.Model, features: keras.Model, data: DataSpec, batches: Iterable[Batch], most: int
) -> float:
    """Fits the ridge; returns the mean loss on groups left out in turn."""
    most = min(most, max(1, _VALUES // features.output.shape[-1]))
    values, label, groups = _gathered(features, data, _adapted(full, batches), most)
    standardize = full.get_layer("standardize")
    standardize.adapt_to(values)
    fits = [
        _fitted(standardize(values[known]).numpy(), of_head, groups[known], spec)
        for spec, of_head, known in _apart(data.label, label)
    ]
    kernels, biases, losses = zip(*fits, strict=True)
    full.get_layer("ridge").set_weights([np.concatenate(kernels, -1), np.concatenate(biases, -1)])
    return sum(losses)


def _adapted(full: keras.Model, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same batches; MultiROCKET's biases, if there are some, are taken from the first."""
    import tensorflow as tf

    from trainer.step.task import inputs_of

    batches = iter(batches)
    layer = next((layer for layer in full.layers if layer.name == "rocket"), None)
    if layer is None:
        return batches
    rows, first, found, count = keras.Model(full.inputs, layer.input), [], [], 0
    for batch in batches:
        first.append(batch)
        found.append(rows(inputs_of(batch, full.input), training=False))
        count += len(found[-1][0])
        if count >= layer.ROWS:
            break
    if found:
        layer.adapt_to(*(tf.concat(parts, 0) for parts in zip(*found, strict=True)))
    return itertools.chain(first, batches)


def _apart(
    label: LabelSpec, labels: np.ndarray
) -> Iterator[tuple[LabelSpec, np.ndarray, np.ndarray | slice]]:
    """Each of several labels, or the one: what it is, those that are known, and which they are."""
    for head, span in column_spans(label):
        found = of_head(labels[:, span], head.label)
        known = head.label.is_known(found)
        yield head.label, found[known].reshape(-1, head.label.columns), known
    if not label.heads:
        yield label, labels, slice(None)


def _fitted(
    values: np.ndarray, label: np.ndarray, groups: np.ndarray, spec: LabelSpec
) -> tuple[np.ndarray, np.ndarray, float]:
    """Kernel `[features, units]` and bias of a ridge; its mean loss on groups left out in turn."""
    if not len(label):
        return np.zeros((values.shape[1], spec.outputs)), np.zeros(spec.outputs), 0.0
    if spec.kind == "value":
        targets = label.astype(np.float64)
        ridge = fit_ridge(values, targets, groups)
        return ridge.kernel, ridge.bias, float(np.mean((ridge.left_out - targets) ** 2))
    if spec.kind == "classes":
        ridge = fit_ridge(values, with_and_without(label), groups)
        factors, offsets, loss = calibrated(ridge.left_out, label)
        return factors * ridge.kernel, factors * ridge.bias + offsets, loss
    classes = label[:, 0]
    ridge = fit_ridge(values, one_against_others(classes, spec.outputs), groups)
    factor, loss = sharpness(ridge.left_out, classes)
    return factor * ridge.kernel, factor * ridge.bias, loss


def _gathered(
    features: keras.Model, data: DataSpec, batches: Iterable[Batch], most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels `[labels, units]` and groups of at most so many labels, or a batch more.

    Of a record with many, those at equal distances, so that many records are seen.
    """
    import tensorflow as tf

    from pipeline.batches.valid_labels import flat_labels, known_rows, label_lengths
    from trainer.step.task import inputs_of

    specs = {x.name: tf.TensorSpec(x.shape, x.dtype) for x in features.inputs}
    # TensorFlow would count the traces of a function that all trials share, and warn.
    compute = tf.function(
        functools.partial(features, training=False), input_signature=[specs], autograph=False
    )
    found: list[tuple[np.ndarray, ...]] = []
    count = 0
    for batch in batches:
        lengths = label_lengths(batch, data.label).numpy()
        groups = np.repeat(batch["group"].numpy(), lengths)
        values, known = compute(inputs_of(batch, specs)).numpy(), known_rows(batch, data.label)
        of_batch = values[known], flat_labels(batch, data.label), groups[known]
        every = -(-int(lengths.max(initial=1)) * _RECORDS_AT_LEAST // most)
        found.append(tuple(part[::every] for part in of_batch))
        count += len(found[-1][0])
        if count >= most:
            break
    values, label, groups = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return values, label, groups
