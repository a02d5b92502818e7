"""Predictions of several labels, one label after the other."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from tfrecords_schema import Head, LabelSpec
from tfrecords_schema.labels import column_spans, of_head, output_spans
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.rows import Row


def predictions_apart(found: Predictions, label: LabelSpec) -> Iterator[tuple[Head, Predictions]]:
    """The predictions of each label, as if it were alone; only those whose label is known.

    Of a record's label among those of steps the prediction is the mean over its steps. A single
    label has no name.
    """
    if not label.heads:
        yield Head("", label), found
    for (head, columns), (_, outputs) in zip(column_spans(label), output_spans(label), strict=True):
        labels = of_head(found.label[..., columns], head.label)
        if head.label.per == label.per:
            yield head, _known(found, head.label, labels, outputs)
        else:
            yield head, _of_records(found, head.label, labels, outputs)


def rows_apart(rows: Sequence[Row], label: LabelSpec) -> Iterator[tuple[Head, list[Row]]]:
    """The rows of a table of each label, as if it were alone; see `predictions_apart`."""
    if not label.heads:
        yield Head("", label), [*rows]
    for head, outputs in output_spans(label):
        parts = [row.output[..., outputs] for row in rows]
        if head.label.per != label.per:
            parts = [part.mean(0, keepdims=True) if len(part) else part for part in parts]
        yield (
            head,
            [
                row._replace(output=part, answer=(part >= 0.5).astype(np.int8))
                if head.label.kind == "classes"
                else row._replace(output=part)
                for row, part in zip(rows, parts, strict=True)
            ],
        )


def _known(found: Predictions, label: LabelSpec, labels: np.ndarray, outputs: slice) -> Predictions:
    known = label.is_known(labels)
    record = np.repeat(np.arange(len(found.lengths)), found.lengths)
    lengths = np.bincount(record[known], minlength=len(found.lengths)).astype(np.int32)
    step = None
    if label.per == "step" and (found.step is not None or not known.all()):
        begins = np.cumsum(found.lengths) - found.lengths
        step = np.arange(len(record), dtype=np.int32) - begins[record].astype(np.int32)
        step = (step if found.step is None else found.step)[known]
    of_prefix = found.prefix_prediction
    return dataclasses.replace(
        found,
        lengths=lengths,
        label=labels[known],
        prediction=found.prediction[known][:, outputs],
        prefix_prediction=None if of_prefix is None else of_prefix[:, outputs],
        step=step,
    )


def _of_records(
    found: Predictions, label: LabelSpec, labels: np.ndarray, outputs: slice
) -> Predictions:
    with_steps = found.lengths > 0
    begins = (np.cumsum(found.lengths) - found.lengths)[with_steps]
    own = labels[begins]
    known = label.is_known(own)
    sums = np.add.reduceat(found.prediction[:, outputs].astype(np.float64), begins)
    means = sums / found.lengths[with_steps][:, np.newaxis]
    lengths = np.zeros(len(found.lengths), np.int32)
    lengths[with_steps] = known
    return Predictions(found.record, lengths, own[known], means[known].astype(np.float32))
