"""The signal model: convolutions within a step, a recurrence over steps, one Dense head.

The default options are the published model (2,832,002 parameters for steps of `[3000, 1]` and two
classes): https://github.com/dallanoce/timedistributed. Its `Conv2D(32, [32, 1])` kernels
`[32, 1, in, 32]` are here Conv1D kernels `[32, in, 32]`: squeeze or expand axis 1 to exchange
weights. A Conv1D runs 5 times faster on a CPU.
"""

import math
from typing import Any

import keras

from tfrecords_schema.errors import DatasetError
from tfrecords_schema.manifest import Statistics
from tfrecords_schema.schema import InputSpec, LabelSpec
from trainer import layers
from trainer.models.signal_options import SignalModelOptions, check_convolutions


def build_signal_model(
    options: SignalModelOptions,
    input_spec: InputSpec,
    label_spec: LabelSpec,
    statistics: Statistics | None = None,
) -> keras.Model:
    """Returns a functional model from `{"signal", "lengths"}` to logits, or to values.

    Inputs are `signal: [batch, time, *step_shape]` in the source's dtype and `lengths: [batch]
    int32`. Outputs are `[batch, time, units]` for a label per step, `[batch, units]` for one per
    record; units is the number of classes or of values. Padding and rows of length 0 give zeros.

    Raises:
        DatasetError: the dataset holds frames, or lacks the statistics that the options ask for.
        ValueError: the options do not fit the shape of a step or the kind of label.
    """
    if input_spec.kind != "signal":
        raise DatasetError(
            f"--model=signal needs signals, the dataset has {input_spec.kind}; use --model=frames"
        )
    signal = keras.Input((None, *input_spec.step_shape), dtype=input_spec.dtype, name="signal")
    lengths = keras.Input((), dtype="int32", name="lengths")
    x = layers.PackSteps(name="pack")(signal, lengths)
    x = encode_steps(x, lengths, options, input_spec, statistics)
    x = predict_from_steps(x, lengths, options, label_spec)
    outputs = unpack_predictions(x, lengths, signal, label_spec)
    return keras.Model({"signal": signal, "lengths": lengths}, outputs, name="signal_model")


def predict_from_steps(
    x: Any, lengths: Any, options: SignalModelOptions, label_spec: LabelSpec
) -> Any:
    """From packed `[valid, features]` to packed logits or values: per valid step, or per record."""
    units = head_units(label_spec)
    per_record = label_spec.per == "record"
    x = _temporal_stage(x, lengths, options)
    x = _recurrent_stage(x, lengths, options, per_record)
    if per_record and _pools(options):
        x = layers.RecordPooling(options.record_pooling, name="pool_record")(x, lengths)
        x = layers.PackRecords(name="pack_records")(x, lengths)
    x = _dense_stage(x, options.dense_units, options, "dense", options.hidden_dropout)
    # A loss needs float32 logits at least, whatever the policy.
    return keras.layers.Dense(units, dtype=float32_at_least(), name="head")(x)


def float32_at_least() -> str:
    """The policy's compute dtype, or float32 where that has fewer bits.

    For what comes before `Normalization`, and after its inverse: bfloat16 keeps 8 bits of an
    offset.
    """
    return keras.backend.result_type(keras.config.dtype_policy().compute_dtype, "float32")


def unpack_predictions(x: Any, lengths: Any, padded: Any, label_spec: LabelSpec) -> Any:
    """From the packed outputs of `predict_from_steps` to `[batch, (time of padded), units]`."""
    if label_spec.per == "record":
        return layers.UnpackRecords(name="unpack")(x, lengths)
    return layers.UnpackSteps(name="unpack")(x, lengths, padded)


def head_units(label_spec: LabelSpec) -> int:
    """Returns the number of outputs a label needs: its classes, or its values."""
    if label_spec.per not in ("step", "record"):
        raise ValueError(
            f"The signal model predicts one label per step or per record, got labels per "
            f"{label_spec.per}; choose a model for sequences."
        )
    if label_spec.kind == "value":
        return math.prod(label_spec.shape)
    if label_spec.shape:
        raise ValueError(f"A class label must be one number, got shape {label_spec.shape}.")
    return len(label_spec.class_names)


def encode_steps(
    x: Any,
    lengths: Any,
    options: SignalModelOptions,
    input_spec: InputSpec,
    statistics: Statistics | None,
) -> Any:
    """From packed `[valid, *step_shape]` to `[valid, features]`."""
    shape = input_spec.step_shape
    if options.conv_filters:
        check_convolutions(options, shape)
        channels = shape[1] if len(shape) == 2 else 1
    else:
        channels = shape[-1] if shape else 1
    as_channels = (-1, channels) if options.conv_filters else (*shape[:-1], channels)
    x = keras.layers.Reshape(as_channels, dtype=float32_at_least())(x)
    x = _normalize(x, lengths, options, channels, statistics)
    x = _convolutional_stage(x, options)
    return _dense_stage(x, options.step_dense_units, options, "step_dense", options.dropout)


def _normalize(
    x: Any,
    lengths: Any,
    options: SignalModelOptions,
    channels: int,
    statistics: Statistics | None,
) -> Any:
    mean: list[float] = []
    deviation: list[float] = []
    if options.normalization == "training_split":
        if statistics is None:
            raise DatasetError(
                "normalization=training_split needs the training split's statistics, which this "
                "dataset's manifest lacks; use record or none."
            )
        mean, deviation = _per_channel(statistics, channels)
    layer = layers.Normalization(options.normalization, mean, deviation, name="normalize")
    return layer(x, lengths)


def _per_channel(statistics: Statistics, channels: int) -> tuple[list[float], list[float]]:
    """Statistics per channel; those of a signal without a channel axis are pooled into one."""
    mean, deviation = statistics.mean, statistics.deviation
    if len(mean) == channels:
        return list(mean), list(deviation)
    pooled = sum(mean) / len(mean)
    squares = [d * d + (m - pooled) ** 2 for m, d in zip(mean, deviation, strict=True)]
    return [pooled], [math.sqrt(sum(squares) / len(squares))]


def _convolutional_stage(x: Any, options: SignalModelOptions) -> Any:
    for number, (filters, stride) in enumerate(
        zip(options.conv_filters, options.conv_strides, strict=True)
    ):
        x = layers.Conv1D(
            filters,
            options.conv_kernel_samples,
            strides=stride,
            activation=options.conv_activation,
            name=f"conv_{number}",
        )(x)
        x = _normalize_batch(x, options, f"conv_{number}")
        x = _drop(x, options.conv_dropout, f"conv_{number}")
    return _drop(_pool_step(x, options.step_pooling), options.step_dropout, "step")


def _pool_step(x: Any, kind: str) -> Any:
    if len(x.shape) == 2:
        return x
    if kind == "flatten" or len(x.shape) > 3:
        return keras.layers.Flatten(name="pool_step")(x)
    if kind == "mean":
        return keras.layers.GlobalAveragePooling1D(name="pool_step")(x)
    # Keras refuses the maximum of an empty batch.
    return layers.NeverEmpty(keras.layers.GlobalMaxPooling1D(), name="pool_step")(x)


def _temporal_stage(x: Any, lengths: Any, options: SignalModelOptions) -> Any:
    for number, filters in enumerate(options.temporal_filters):
        name = f"temporal_{number}"
        layer = layers.TemporalConvolution(
            filters, options.temporal_kernel_steps, options.conv_activation, name=name
        )
        x = _normalize_batch(_drop(layer(x, lengths), options.dropout, name), options, name)
    return x


def _pools(options: SignalModelOptions) -> bool:
    """Whether a record's vector is pooled from steps, not the recurrence's own last state."""
    return options.rnn_cell == "none" or options.record_pooling != "last"


def _recurrent_stage(x: Any, lengths: Any, options: SignalModelOptions, per_record: bool) -> Any:
    units = () if options.rnn_cell == "none" else options.rnn_units
    for number, size in enumerate(units):
        takes_last = per_record and not _pools(options) and number == len(units) - 1
        x = _recurrent(x, lengths, options, size, f"rnn_{number}", not takes_last)
        if takes_last:
            x = layers.PackRecords(name="pack_records")(x, lengths)
        name = f"rnn_{number}"
        x = _normalize_batch(_drop(x, options.dropout, name), options, name)
    return x


def _recurrent(
    x: Any, lengths: Any, options: SignalModelOptions, units: int, name: str, sequences: bool
) -> Any:
    def direction(suffix: str, backwards: bool) -> Any:
        layer_class = layers.GRU if options.rnn_cell == "gru" else layers.LSTM
        return layer_class(
            units,
            activation=options.rnn_activation,
            kernel_regularizer=keras.regularizers.L2(options.rnn_l2) if options.rnn_l2 else None,
            return_sequences=sequences,
            go_backwards=backwards,
            name=name + suffix,
        )(x, lengths)

    if not options.bidirectional:
        return direction("", False)
    both = [direction("_forward", False), direction("_backward", True)]
    return keras.layers.Concatenate(name=f"{name}_both")(both)


def _dense_stage(
    x: Any, units: tuple[int, ...], options: SignalModelOptions, prefix: str, dropout: float
) -> Any:
    for number, size in enumerate(units):
        name = f"{prefix}_{number}"
        x = keras.layers.Dense(size, activation=options.conv_activation, name=name)(x)
        x = _normalize_batch(_drop(x, dropout, name), options, name)
    return x


def _drop(x: Any, rate: float, name: str) -> Any:
    return layers.Dropout(rate, name=f"{name}_dropout")(x) if rate else x


def _normalize_batch(x: Any, options: SignalModelOptions, name: str) -> Any:
    if not options.batch_normalization:
        return x
    momentum = options.batch_normalization_momentum
    return layers.BatchNormalization(momentum=momentum, name=f"{name}_batch_normalization")(x)
