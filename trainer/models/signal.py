"""The signal model: convolutions within a step, a recurrence over steps, one Dense head.

The default options are the published model (2,832,002 parameters for steps of `[3000, 1]` and two
classes): https://github.com/dallanoce/timedistributed. Its `Conv2D(32, [32, 1])` kernels
`[32, 1, in, 32]` are here Conv1D kernels `[32, in, 32]`: squeeze or expand axis 1 to exchange
weights. A Conv1D runs 5 times faster on a CPU.
"""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

from pipeline.console.errors import UsageError
from pipeline.console.near_misses import nearest
from pipeline.console.options import option
from tfrecords_schema.errors import DatasetError, UserError
from trainer.models.family import DataSpec, Family
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.normalization import NormalizationOptions, normalize, padding_input

if TYPE_CHECKING:
    from tfrecords_schema import InputSpec, LabelSpec, Statistics


@dataclasses.dataclass(frozen=True)
class SignalModelOptions(NormalizationOptions):
    """What the signal model is made of."""

    conv_filters: tuple[int, ...] = option(
        (32, 32, 32, 32), "Filters of the convolutions within a step; empty for none.", low=1
    )
    conv_kernel_samples: int = option(32, "Length of their kernels.", low=1)
    conv_strides: tuple[int, ...] = option((3, 2, 2, 2), "One stride per convolution.", low=1)
    conv_activation: str = option("relu", "Activation of all convolutions and hidden Dense layers.")
    conv_dropout: float = option(0.0, "Dropout rate after each of them.", low=0, high=1)
    step_pooling: str = option(
        "flatten", "From `[samples, filters]` to one vector.", ("flatten", "mean", "max")
    )
    step_dropout: float = option(0.0, "Dropout rate of that vector.", low=0, high=1)
    step_dense_units: tuple[int, ...] = option(
        (), "Dense layers applied to the vector of every step.", low=1
    )
    temporal_filters: tuple[int, ...] = option(
        (), "Filters of convolutions over time (padding: same), before the recurrence.", low=1
    )
    temporal_kernel_steps: int = option(5, "Length of their kernels.", low=1)
    rnn_cell: str = option("gru", "Recurrence over steps.", ("gru", "lstm", "none"))
    rnn_units: tuple[int, ...] = option(
        (256, 128), "Units of each recurrent layer (of each direction when bidirectional).", low=1
    )
    rnn_activation: str = option(
        "relu", "Activation of the recurrent layers; the source's is relu."
    )
    rnn_l2: float = option(0.01, "L2 weight on the recurrent layers' input kernels.", low=0)
    bidirectional: bool = option(False, "Whether recurrent layers also run backwards.")
    dropout: float = option(
        0.4, "Dropout rate after every recurrent, temporal and hidden Dense layer.", low=0, high=1
    )
    dense_dropout: float | None = option(
        None,
        "The rate after the hidden Dense layers before the head; else --dropout.",
        low=0,
        high=1,
    )
    batch_normalization: bool = option(True, "Whether every hidden layer is followed by one.")
    batch_normalization_momentum: float = option(
        0.99,
        "Weight of the past in its moving averages; lower it for trainings of few steps.",
        low=0,
        high=1,
    )
    record_pooling: str = option(
        "last", "Over valid steps, for one label per record.", ("last", "mean", "max")
    )
    dense_units: tuple[int, ...] = option((), "Hidden Dense layers before the head.", low=1)

    def check(self) -> None:
        """See `Options`."""
        for name in ("conv_activation", "rnn_activation"):
            check_activation(name, getattr(self, name))
        if self.rnn_cell != "none" and not self.rnn_units:
            raise UsageError(
                f"--rnn_units= is empty, and --rnn_cell={self.rnn_cell} needs the units of a layer "
                "at least; give --rnn_cell=none for a model without recurrence"
            )
        if len(self.conv_strides) != len(self.conv_filters):
            raise UsageError(
                f"--conv_strides needs one stride per convolution: got {len(self.conv_strides)} "
                f"for the {len(self.conv_filters)} of --conv_filters; give as many"
            )

    @property
    def hidden_dropout(self) -> float:
        """Dropout rate after the hidden Dense layers before the head."""
        return self.dropout if self.dense_dropout is None else self.dense_dropout


def check_activation(name: str, value: str) -> None:
    """Checks an option that is an activation of Keras.

    Raises:
        UsageError: there is none of this name.
    """
    known = [key for key, found in vars(keras.activations).items() if inspect.isfunction(found)]
    if value not in known:
        near = nearest(value, known)
        raise UsageError(
            f"--{name}={value}: expected an activation of keras.activations"
            + (f"; did you mean {near}?" if near else ", such as relu, tanh or linear")
        )


class Signal(Family):
    """Convolutions within a step, a recurrence over steps; one label per step or per record."""

    options = (SignalModelOptions,)
    inputs = ("signal",)
    labels = ("step", "record")

    def build(self, data: DataSpec, *options: Any) -> keras.Model:
        """See `build_signal_model`."""
        return build_signal_model(options[0], data.input, data.label, data.statistics)


def build_signal_model(
    options: SignalModelOptions,
    input_spec: InputSpec,
    label_spec: LabelSpec,
    statistics: Statistics | None = None,
) -> keras.Model:
    """Returns a functional model from `{"signal", "lengths"}` to logits, or to values.

    Inputs are `signal: [batch, time, *step_shape]` in the source's dtype and `lengths: [batch]
    int32`; where records have it and values are normalized, `padding: [batch] int32` as well.
    Outputs are `[batch, time, units]` for a label per step, `[batch, units]` for one per record;
    units is the number of classes or of values. Padding and rows of length 0 give zeros.

    Raises:
        DatasetError: the dataset holds frames, or lacks the statistics that the options ask for.
        UserError: the options do not fit the shape of a step or the kind of label.
    """
    if input_spec.kind != "signal":
        raise DatasetError(
            f"--model=signal needs signals, the dataset has {input_spec.kind}; use --model=frames"
        )
    signal = keras.Input((None, *input_spec.step_shape), dtype=input_spec.dtype, name="signal")
    lengths = keras.Input((), dtype="int32", name="lengths")
    inputs = {"signal": signal, "lengths": lengths}
    x = layers.PackSteps(name="pack")(signal, lengths)
    x = encode_steps(x, inputs, options, input_spec, statistics)
    x = predict_from_steps(x, lengths, options, label_spec)
    outputs = unpack_predictions(x, lengths, signal, label_spec)
    return keras.Model(inputs, outputs, name="signal_model")


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
    return layers.Dense(units, dtype=float32_at_least(), name="head")(x)


def float32_at_least() -> str:
    """The policy's compute dtype, or float32 where that has fewer bits.

    For what comes before `Normalization`, and after its inverse: bfloat16 keeps 8 bits of an
    offset.
    """
    return keras.backend.result_type(keras.config.dtype_policy().compute_dtype, "float32")


def unpack_predictions(
    x: Any, lengths: Any, padded: Any, label_spec: LabelSpec, name: str = "unpack"
) -> Any:
    """From the packed outputs of `predict_from_steps` to `[batch, (time of padded), units]`."""
    if label_spec.per == "record":
        return layers.UnpackRecords(name=name)(x, lengths)
    return layers.UnpackSteps(name=name)(x, lengths, padded)


def head_units(label_spec: LabelSpec) -> int:
    """Returns the number of outputs a label needs: its classes, or its values."""
    if label_spec.per not in ("step", "record"):
        raise UserError(
            f"The signal model predicts one label per step or per record, got labels per "
            f"{label_spec.per}; choose a model for sequences."
        )
    return label_spec.outputs


def encode_steps(
    x: Any,
    inputs: dict[str, Any],
    options: SignalModelOptions,
    input_spec: InputSpec,
    statistics: Statistics | None,
) -> Any:
    """From packed `[valid, *step_shape]` to `[valid, features]`.

    Args:
        x: packed steps.
        inputs: of the model, with `lengths`; what else this reads is added.
        options: of the model.
        input_spec: what a step is.
        statistics: of the training split.
    """
    shape = input_spec.step_shape
    if options.conv_filters:
        check_convolutions(options, shape)
        channels = shape[1] if len(shape) == 2 else 1
    else:
        channels = shape[-1] if shape else 1
    as_channels = (-1, channels) if options.conv_filters else (*shape[:-1], channels)
    x = keras.layers.Reshape(as_channels, dtype=float32_at_least())(x)
    # What is not normalized is 0 in the padding already.
    kind = options.normalization
    padding = padding_input(inputs, input_spec) if kind != "none" else None
    lengths, roles = inputs["lengths"], input_spec.roles
    x = normalize(x, lengths, kind, channels, statistics, "normalize", padding, roles)
    x = _convolutional_stage(x, options)
    return _dense_stage(x, options.step_dense_units, options, "step_dense", options.dropout)


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
        x = layers.Dense(size, activation=options.conv_activation, name=name)(x)
        x = _normalize_batch(_drop(x, dropout, name), options, name)
    return x


def _drop(x: Any, rate: float, name: str) -> Any:
    return layers.Dropout(rate, name=f"{name}_dropout")(x) if rate else x


def _normalize_batch(x: Any, options: SignalModelOptions, name: str) -> Any:
    if not options.batch_normalization:
        return x
    momentum = options.batch_normalization_momentum
    return layers.BatchNormalization(momentum=momentum, name=f"{name}_batch_normalization")(x)


def check_convolutions(options: SignalModelOptions, shape: tuple[int, ...]) -> None:
    """Raises where a step has no samples axis, or fewer samples than a kernel needs."""
    if len(shape) not in (1, 2):
        raise UserError(
            f"Convolutions within a step need steps of [samples] or [samples, channels], got "
            f"{list(shape)}. Set conv_filters to nothing and use step_dense_units or "
            "temporal_filters for the steps."
        )
    samples = shape[0]
    for number, stride in enumerate(options.conv_strides):
        if samples < options.conv_kernel_samples:
            raise UserError(
                f"Convolution {number + 1} of {len(options.conv_filters)} cannot be applied: its "
                f"input has {samples} samples ({shape[0]} in a step), its kernel "
                f"{options.conv_kernel_samples}. Lower conv_kernel_samples or conv_strides, give "
                "fewer conv_filters (none, where a step is a vector of features and not a "
                "stretch of signal), or cut longer steps."
            )
        samples = (samples - options.conv_kernel_samples) // stride + 1
