"""Random recordings to call a model with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tfrecords_schema import LabelSpec
    from trainer.models.family import DataSpec


def example(data: DataSpec, lengths: Sequence[int], time: int, seed: int = 0) -> dict[str, Any]:
    """A batch of random recordings with labels; its padding is not zero.

    Args:
      data: what a recording is.
      lengths: steps of each; 0 for a row without a record.
      time: padded steps.
      seed: other values.
    """
    spec, label, rng = data.input, data.label, np.random.default_rng(seed)
    shape = (len(lengths), time, *spec.step_shape)
    is_float = np.issubdtype(spec.dtype, np.floating)
    values = rng.normal(size=shape) if is_float else rng.integers(0, 100, shape)
    rows = np.asarray(lengths, np.int32)
    of_label = (len(lengths),) if label.per == "record" else (len(lengths), time)
    heads = [head.label for head in label.heads] or [label]
    targets = [_labels(head, of_label, rng) for head in heads]
    if label.heads:
        columns = [target.reshape(*of_label, -1).astype(label.dtype) for target in targets]
        targets = [np.concatenate(columns, -1)]
    given = {spec.kind: values.astype(spec.dtype), "lengths": rows, "label": targets[0]}
    if spec.beside:
        numbers = rng.normal(size=(len(lengths), time, len(spec.beside)))
        given["beside"] = numbers.astype(np.float32)
    return {**given, "padding": np.zeros_like(rows), "label_lengths": rows}


def _labels(label: LabelSpec, places: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Random labels of one kind, `[*places, *shape]`, all known."""
    if label.is_single:
        return rng.integers(0, label.outputs, places)
    if label.kind == "classes":
        return rng.integers(0, 2, (*places, label.outputs)).astype(np.int8)
    return rng.normal(size=(*places, *label.shape)).astype(np.float32)


def padded_to(time: int, batch: dict[str, Any], data: DataSpec) -> dict[str, Any]:
    """The same recordings with so many steps, no fewer than before, and other values as padding."""
    before = batch[data.input.kind].shape[1]
    other = example(data, batch["lengths"], time, seed=time)
    valid = np.arange(before) < batch["lengths"][:, None]
    for name, values in batch.items():
        if values.shape[:2] == valid.shape:
            other[name][:, :before][valid] = values[valid]
        else:
            other[name] = values
    return other
