"""The forecaster: an encoder reads a signal up to a point, a decoder goes on from there.

With `--rnn_cell=lstm --rnn_units=40,40,40,40` it is a published model whose decoder was unrolled
by hand, 150 times; here the decoder is one loop, `FeedbackDecoder`.
"""

import math
from typing import Any

import keras

from tfrecords_schema import DatasetError, InputSpec, Statistics
from trainer import layers
from trainer.layers.features import FeaturesApart, FeaturesTogether
from trainer.layers.feedback_decoder import FeedbackDecoder
from trainer.models.forecast_options import ForecastOptions
from trainer.models.signal import float32_at_least
from trainer.models.signal_options import SignalModelOptions


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
        ValueError: the options name no recurrent layers, or layers that do not fit each other.
        DatasetError: the normalization needs statistics that the dataset lacks.
    """
    _check(options)
    features = math.prod(input_spec.step_shape)
    signal = keras.Input((None, *input_spec.step_shape), dtype=input_spec.dtype, name="signal")
    lengths = keras.Input((), dtype="int32", name="lengths")
    inputs = {"signal": signal, "lengths": lengths}
    normalize = _normalization(options, features, statistics)
    split = FeaturesApart(name="features_apart") if forecast.forecast_apart else lambda *x: x

    def rows_of(values: Any) -> tuple[Any, Any]:
        flat = keras.layers.Reshape((-1, features), dtype=float32_at_least())(values)
        return split(normalize(flat, lengths), lengths)

    target = None
    if forecast.teacher_forcing:
        inputs["label"] = keras.Input((None, *input_spec.step_shape), name="label")
        target, _ = rows_of(inputs["label"])
    start, states = _encode(*rows_of(signal), options)
    decoder = FeedbackDecoder(
        1 if forecast.forecast_apart else features,
        options.rnn_units,
        options.rnn_cell,
        activation=options.rnn_activation,
        residual=forecast.forecast_residual,
        teacher_forcing=forecast.teacher_forcing,
        name="decoder",
    )
    x = decoder(start, states, steps=forecast.horizon_steps, target=target)
    x = FeaturesTogether(features, name="features_together")(x) if forecast.forecast_apart else x
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


def _check(options: SignalModelOptions) -> None:
    units = options.rnn_units
    if options.rnn_cell == "none":
        raise ValueError("--model=forecaster is recurrent, got --rnn_cell=none; give lstm or gru")
    if units[0] != units[-1]:
        raise ValueError(
            f"--rnn_units={','.join(map(str, units))}: the last encoder layer's state starts the "
            "first decoder layer, so the first and the last size must be equal"
        )
    if options.normalization == "record":
        raise ValueError(
            "--normalization=record cannot be undone for a forecast; use training_split"
        )
