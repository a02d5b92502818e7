"""Several labels side by side: each has its own loss and metrics, and outputs of its own.

The loss of a label is the weighted sum of those of its heads; one that is not known weighs nothing.
So the gradients are those of a model of each head, added up.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf

from pipeline.batches.valid_labels import filled, is_known, of_head
from tfrecords_schema import DatasetError, LabelSpec
from tfrecords_schema.labels import column_spans, output_spans, spans
from trainer.metrics.metric import Mean
from trainer.metrics.table import in_label
from trainer.step.kinds import step_kind
from trainer.step.step_kind import Scoring, StepKind


class Part(NamedTuple):
    """One of several labels.

    Attributes:
      name: of the head.
      label: what it is by itself; `per` may be record where all together are of steps.
      of: how its outputs are held to it, one label a step where all together are of steps.
      kind: of it.
      columns: its share of the columns of a label.
      outputs: its share of a model's outputs.
      weight: of its loss.
    """

    name: str
    label: LabelSpec
    of: Scoring
    kind: StepKind
    columns: slice
    outputs: slice
    weight: float

    def labels(self, columns: tf.Tensor) -> tf.Tensor:
        """Labels as they are when they stand alone: `[..., *shape]` of all columns."""
        return of_head(columns[..., self.columns], self.of.label)


class HeadsLabel(StepKind):
    """Labels are `[batch, (time), columns]` float32; see `labels.py` of the schema."""

    def require(self, of: Scoring) -> None:
        """See `StepKind`."""
        if of.activation == "sigmoid":
            raise DatasetError(
                "--class_activation=sigmoid is for one label, one class out of several; the "
                "dataset has several labels, leave it out"
            )

    def parts(self, of: Scoring) -> Iterator[Part]:
        """Each of the labels."""
        columns, outputs = column_spans(of.label), output_spans(of.label)
        names = spans([len(head.label.class_names) for head in of.label.heads])
        weights = of.label_weights or (1.0,) * len(of.label.heads)
        places = zip(columns, outputs, names, weights, strict=True)
        for (head, at), (_, answered), classes, weight in places:
            label = dataclasses.replace(head.label, per=of.label.per)
            given = of.class_weights[classes] if of.class_weights and label.class_names else None
            own = Scoring(label, given, of.label_smoothing, of.activation)
            kind = step_kind(label.kind)
            yield Part(head.name, head.label, own, kind, at, answered, weight)

    def means(self, of: Scoring) -> dict[str, Mean]:
        """See `StepKind`."""
        return {
            in_label(part.name, name): mean
            for part in self.parts(of)
            for name, mean in part.kind.means(part.of).items()
        }

    def monitored(self, of: Scoring) -> tuple[str, ...]:
        """See `StepKind`."""
        return tuple(
            in_label(part.name, name)
            for part in self.parts(of)
            for name in part.kind.monitored(part.of)
        )

    def measured(
        self, of: Scoring, label: tf.Tensor, outputs: tf.Tensor, valid: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """See `StepKind`."""
        return {
            in_label(part.name, name): sums
            for part in self.parts(of)
            for name, sums in part.kind.measured(
                part.of, part.labels(label), outputs[..., part.outputs], valid
            ).items()
        }

    def losses(self, of: Scoring, label: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """See `StepKind`; with the weights of classes and of labels in it."""
        total = tf.zeros(tf.shape(outputs)[:-1])
        for part in self.parts(of):
            own, spec = part.labels(label), part.of.label
            weights = part.weight * tf.cast(is_known(own, spec), tf.float32)
            own = filled(own, spec)
            weights = part.kind.weights(part.of, own, weights)
            losses = part.kind.losses(part.of, own, outputs[..., part.outputs])
            total += tf.where(weights > 0, weights * losses, 0.0)
        return total

    def predictions(self, of: Scoring, outputs: tf.Tensor) -> tf.Tensor:
        """See `StepKind`."""
        found = (
            part.kind.predictions(part.of, outputs[..., part.outputs]) for part in self.parts(of)
        )
        return tf.concat([*found], -1)

    def answers(
        self, of: Scoring, predictions: tf.Tensor, valid: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Those of each label behind its name; of a record's among those of steps their mean."""
        answers: dict[str, tf.Tensor] = {}
        for part in self.parts(of):
            own, counted = predictions[..., part.outputs], valid
            if part.label.per != of.label.per:
                own, counted = mean_of_steps(own, valid), tf.reduce_any(valid, -1)
            found = part.kind.answers(part.of, own, counted)
            answers |= {f"{part.name}_{name}": values for name, values in found.items()}
        return answers


def mean_of_steps(values: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """The mean over valid steps: `[batch, units]` of `[batch, time, units]`."""
    kept = tf.where(valid[..., None], values, tf.zeros_like(values))
    count = tf.reduce_sum(tf.cast(valid, values.dtype), 1, keepdims=True)
    return tf.math.divide_no_nan(tf.reduce_sum(kept, 1), count)
