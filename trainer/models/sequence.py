"""One to many: one vector, or one image, to a sequence whose length the label has.

A record of several steps or frames is pooled to one vector first. The vector is repeated for every
step of the sequence; what follows is the signal model, over the sequence's steps.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tfrecords_schema.errors import UserError
from trainer.models.family import DataSpec, Family
from trainer.models.frames import FrameModelOptions, encode_frames, without_downloads
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.beside import beside_rows, joined
from trainer.models.signal import SignalModelOptions, encode_steps, predict_from_steps

if TYPE_CHECKING:
    from tfrecords_schema import InputSpec, LabelSpec, Statistics


class Sequence(Family):
    """One vector, or one image, to a sequence whose length the label has."""

    options = (SignalModelOptions, FrameModelOptions)
    labels = ("sequence",)
    joins_beside = True

    def build(self, data: DataSpec, *options: Any) -> keras.Model:
        """See `build_sequence_model`."""
        return build_sequence_model(options[0], options[1], data.input, data.label, data.statistics)

    def restored(self, *options: Any) -> tuple[Any, ...]:
        """See `Frames.restored`."""
        return without_downloads(*options)


def build_sequence_model(
    options: SignalModelOptions,
    frame_options: FrameModelOptions,
    input_spec: InputSpec,
    label_spec: LabelSpec,
    statistics: Statistics | None = None,
) -> keras.Model:
    """Returns a functional model to logits, or values, `[batch, longest, units]`.

    Inputs are `signal` or `frames: [batch, time, *step_shape]`, `lengths: [batch] int32` and
    `label_lengths: [batch] int32`, the steps to predict; `longest` is the greatest of those, at
    least 1. Padding and rows of length 0 give zeros.

    Raises:
        UserError: the label is no sequence, or the options do not fit the input.
    """
    if label_spec.per != "sequence":
        raise UserError(
            f"--model=sequence predicts sequences with a length of their own, the dataset has one "
            f"label per {label_spec.per}; use --model=signal or --model=frames"
        )
    kind = input_spec.kind
    padded = keras.Input((None, *input_spec.step_shape), dtype=input_spec.dtype, name=kind)
    lengths = keras.Input((), dtype="int32", name="lengths")
    label_lengths = keras.Input((), dtype="int32", name="label_lengths")
    inputs = {kind: padded, "lengths": lengths, "label_lengths": label_lengths}
    x: Any = layers.PackSteps(name="pack")(padded, lengths)
    if kind == "frames":
        beside = beside_rows(inputs, lengths, input_spec, statistics)
        x = joined(encode_frames(x, frame_options), beside)
    else:
        x = encode_steps(x, inputs, options, input_spec, statistics)
    x = layers.RecordPooling(options.record_pooling, name="pool_input")(x, lengths)
    x = layers.RepeatRecords(name="repeat")(x, label_lengths)
    x = predict_from_steps(x, label_lengths, options, dataclasses.replace(label_spec, per="step"))
    outputs = layers.UnpackSequence(name="unpack")(x, label_lengths)
    return keras.Model(inputs, outputs, name="sequence_model")
