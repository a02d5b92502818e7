"""The forecaster: an encoder reads a signal up to a point, a decoder goes on from there.

With `--rnn_cell=lstm --rnn_units=40,40,40,40` it is a published model whose decoder was unrolled
by hand, 150 times; here the decoder is one loop, `FeedbackDecoder`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from pipeline.console.options import Options, option
from tfrecords_schema.errors import DatasetError, UserError
from trainer.models.family import DataSpec, Family
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.normalization import require_distinct
from trainer.models.signal import SignalModelOptions, float32_at_least

if TYPE_CHECKING:
    from tfrecords_schema import InputSpec, LabelSpec, Statistics
    from trainer.step.task import Task


@dataclasses.dataclass(frozen=True)
class ForecastOptions(Options):
    """What is forecast, and how; the recurrent layers are those of the signal model's options."""

    horizon_steps: int = option(150, "Steps at a record's end that the forecaster predicts.", low=1)
    teacher_forcing: float = option(
        0.0,
        "Share of the forecaster's steps that read the true step before them in training.",
        low=0,
        high=1,
    )
    forecast_residual: bool = option(False, "Forecast the difference to the step before.")
    forecast_apart: bool = option(
        False, "Forecast each feature from itself alone, all with the same weights."
    )


class Forecaster(Family):
    """An encoder and a decoder, both recurrent: the steps that follow the signal's own."""

    options = (SignalModelOptions, ForecastOptions)
    inputs = ("signal",)
    labels = ("sequence",)

    def label(self, input_spec: InputSpec, label: LabelSpec | None) -> LabelSpec:
        """See `forecast_label`."""
        from trainer.step.forecast import forecast_label

        return forecast_label(input_spec)

    def task(self, label: LabelSpec, *options: Any, **scoring: Any) -> Task:
        """A forecast of the horizon that is asked for."""
        from trainer.step.forecast import ForecastTask

        return ForecastTask(label, **scoring, horizon_steps=options[1].horizon_steps)

    def build(self, data: DataSpec, *options: Any) -> keras.Model:
        """See `build_forecaster`."""
        return build_forecaster(options[0], options[1], data.input, data.statistics)


def build_forecaster(
    options: SignalModelOptions,
    forecast: ForecastOptions,
    input_spec: InputSpec,
    statistics: Statistics | None = None,
) -> keras.Model:
    """Returns a functional model from `{"signal", "lengths"}` to the steps that follow.

    Inputs are `signal: [batch, time, *step_shape]` in the source's dtype and `lengths: [batch]
    int32`; with teacher forcing also `label: [batch, horizon_steps, *step_shape]` float32, which is
    read in training only. The output is `[batch, horizon_steps, features]` float32, in the unit of
    the signal. Of the options only the recurrent layers and the normalization matter.

    Raises:
        UserError: the options name no recurrent layers, or layers that do not fit each other; or
            the signal cannot be forecast in its own unit.
        DatasetError: the normalization needs statistics that the dataset lacks.
    """
    _check(options, input_spec)
    require_distinct(statistics, "subtract an offset from the recordings, and convert them again")
    features = math.prod(input_spec.step_shape)
    signal = keras.Input((None, *input_spec.step_shape), dtype=input_spec.dtype, name="signal")
    lengths = keras.Input((), dtype="int32", name="lengths")
    inputs = {"signal": signal, "lengths": lengths}
    normalize = _normalization(options, features, statistics)
    split = layers.FeaturesApart(name="features_apart") if forecast.forecast_apart else lambda *x: x

    def rows_of(values: Any) -> tuple[Any, Any]:
        flat = keras.layers.Reshape((-1, features), dtype=float32_at_least())(values)
        return split(normalize(flat, lengths), lengths)

    target = None
    if forecast.teacher_forcing:
        inputs["label"] = keras.Input((None, *input_spec.step_shape), name="label")
        target, _ = rows_of(inputs["label"])
    start, states = _encode(*rows_of(signal), options)
    decoder = layers.FeedbackDecoder(
        1 if forecast.forecast_apart else features,
        options.rnn_units,
        options.rnn_cell,
        activation=options.rnn_activation,
        residual=forecast.forecast_residual,
        teacher_forcing=forecast.teacher_forcing,
        name="decoder",
    )
    x = decoder(start, states, steps=forecast.horizon_steps, target=target)
    x = (
        layers.FeaturesTogether(features, name="features_together")(x)
        if forecast.forecast_apart
        else x
    )
    if options.normalization == "training_split":
        x = keras.layers.Rescaling(
            normalize.deviation, normalize.mean, dtype="float32", name="denormalize"
        )(x)
    outputs = keras.layers.Activation("linear", dtype="float32", name="forecast")(x)
    return keras.Model(inputs, outputs, name="forecaster")


def _encode(rows: Any, lengths: Any, options: SignalModelOptions) -> tuple[Any, list[Any]]:
    """The last valid step `[batch, features]`, and the states of the last layer after it."""
    layer_class = layers.GRU if options.rnn_cell == "gru" else layers.LSTM
    packed = layers.PackSteps(name="pack")(rows, lengths)
    start = layers.RecordPooling("last", name="last_step")(packed, lengths)
    x: Any = packed
    for number, units in enumerate(options.rnn_units):
        is_last = number == len(options.rnn_units) - 1
        x = layer_class(
            units,
            activation=options.rnn_activation,
            return_sequences=not is_last,
            return_state=is_last,
            name=f"encoder_{number}",
        )(x, lengths)
    return start, x[1:]


def _normalization(
    options: SignalModelOptions, features: int, statistics: Statistics | None
) -> layers.Normalization:
    if options.normalization == "none":
        return layers.Normalization(name="normalize")
    if statistics is None:
        raise DatasetError(
            "--normalization=training_split needs the training split's statistics, which this "
            "dataset's manifest lacks; use none"
        )
    # Statistics are per last axis; a step of several axes repeats them.
    repeats = features // len(statistics.mean)
    mean, deviation = list(statistics.mean) * repeats, list(statistics.deviation) * repeats
    return layers.Normalization("training_split", mean, deviation, name="normalize")


def _check(options: SignalModelOptions, input_spec: InputSpec) -> None:
    units = options.rnn_units
    if input_spec.has_padding:
        raise UserError(
            "--model=forecaster predicts whole steps, and --tail=pad filled up the last one of a "
            "recording; convert with --tail=drop"
        )
    if any(role.shown_by >= 0 for role in input_spec.roles):
        raise UserError(
            "--model=forecaster predicts every channel, and some recordings lack a signal; convert "
            "with --missing_signal=reject"
        )
    if options.rnn_cell == "none":
        raise UserError("--model=forecaster is recurrent, got --rnn_cell=none; give lstm or gru")
    if units[0] != units[-1]:
        raise UserError(
            f"--rnn_units={','.join(map(str, units))}: the last encoder layer's state starts the "
            "first decoder layer, so the first and the last size must be equal"
        )
    if options.normalization == "record":
        raise UserError(
            "--normalization=record cannot be undone for a forecast; use training_split"
        )
