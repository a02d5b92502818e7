"""The options of the signal model, and what they need of a step's shape."""

import dataclasses
import inspect

from pipeline.console.command_line import nearest, not_one_of
from trainer.options.flags import check_range

STEP_POOLINGS = ("flatten", "mean", "max")
RNN_CELLS = ("gru", "lstm", "none")
_COUNTS = (
    "conv_filters",
    "conv_kernel_samples",
    "conv_strides",
    "step_dense_units",
    "temporal_filters",
    "temporal_kernel_steps",
    "rnn_units",
    "dense_units",
)
_SHARES = (
    "conv_dropout",
    "step_dropout",
    "dropout",
    "dense_dropout",
    "batch_normalization_momentum",
)


@dataclasses.dataclass(frozen=True)
class SignalModelOptions:
    """What the signal model is made of.

    Attributes:
        normalization: "none", "training_split" or "record".
        conv_filters: filters of the convolutions within a step; empty for none.
        conv_kernel_samples: length of their kernels.
        conv_strides: one stride per convolution.
        conv_activation: activation of all convolutions and hidden Dense layers.
        conv_dropout: dropout rate after each of them.
        step_pooling: "flatten", "mean" or "max": from `[samples, filters]` to one vector.
        step_dropout: dropout rate of that vector.
        step_dense_units: Dense layers applied to the vector of every step.
        temporal_filters: convolutions over time ("same" padding), before the recurrence.
        temporal_kernel_steps: length of their kernels.
        rnn_cell: "gru", "lstm" or "none".
        rnn_units: units of each recurrent layer (of each direction when bidirectional).
        rnn_activation: activation of the recurrent layers; the source's is relu.
        rnn_l2: L2 weight on the recurrent layers' input kernels.
        bidirectional: whether recurrent layers also run backwards.
        dropout: dropout rate after every recurrent, temporal and hidden Dense layer.
        dense_dropout: the rate after the hidden Dense layers before the head; None for `dropout`.
        batch_normalization: whether every hidden layer is followed by one.
        batch_normalization_momentum: weight of the past in its moving averages; lower it for
            trainings of few steps.
        record_pooling: "last", "mean" or "max" over valid steps, for one label per record.
        dense_units: hidden Dense layers before the head.
    """

    normalization: str = "none"
    conv_filters: tuple[int, ...] = (32, 32, 32, 32)
    conv_kernel_samples: int = 32
    conv_strides: tuple[int, ...] = (3, 2, 2, 2)
    conv_activation: str = "relu"
    conv_dropout: float = 0.0
    step_pooling: str = "flatten"
    step_dropout: float = 0.0
    step_dense_units: tuple[int, ...] = ()
    temporal_filters: tuple[int, ...] = ()
    temporal_kernel_steps: int = 5
    rnn_cell: str = "gru"
    rnn_units: tuple[int, ...] = (256, 128)
    rnn_activation: str = "relu"
    rnn_l2: float = 0.01
    bidirectional: bool = False
    dropout: float = 0.4
    dense_dropout: float | None = None
    batch_normalization: bool = True
    batch_normalization_momentum: float = 0.99
    record_pooling: str = "last"
    dense_units: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        from trainer.layers import normalization, pooling  # Keras is slow to import.

        _check_choice("normalization", self.normalization, normalization.KINDS)
        _check_choice("step_pooling", self.step_pooling, STEP_POOLINGS)
        _check_choice("rnn_cell", self.rnn_cell, RNN_CELLS)
        _check_choice("record_pooling", self.record_pooling, pooling.KINDS)
        for name in ("conv_activation", "rnn_activation"):
            _check_activation(name, getattr(self, name))
        check_range(self, _COUNTS, 1)
        check_range(self, _SHARES, 0, 1)
        check_range(self, ("rnn_l2",), 0)
        if self.rnn_cell != "none" and not self.rnn_units:
            raise ValueError(
                f"--rnn_units= is empty, and --rnn_cell={self.rnn_cell} needs the units of a layer "
                "at least; give --rnn_cell=none for a model without recurrence"
            )
        if len(self.conv_strides) != len(self.conv_filters):
            raise ValueError(
                f"--conv_strides needs one stride per convolution: got {len(self.conv_strides)} "
                f"for the {len(self.conv_filters)} of --conv_filters; give as many"
            )

    @property
    def hidden_dropout(self) -> float:
        """Dropout rate after the hidden Dense layers before the head."""
        return self.dropout if self.dense_dropout is None else self.dense_dropout


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"--{name}={value}: {not_one_of(value, choices)}")


def _check_activation(name: str, value: str) -> None:
    import keras  # Slow to import, and not needed to show help.

    known = [key for key, found in vars(keras.activations).items() if inspect.isfunction(found)]
    if value not in known:
        near = nearest(value, known)
        raise ValueError(
            f"--{name}={value}: expected an activation of keras.activations"
            + (f"; did you mean {near}?" if near else ", such as relu, tanh or linear")
        )


def check_convolutions(options: SignalModelOptions, shape: tuple[int, ...]) -> None:
    """Raises where a step has no samples axis, or fewer samples than a kernel needs."""
    if len(shape) not in (1, 2):
        raise ValueError(
            f"Convolutions within a step need steps of [samples] or [samples, channels], got "
            f"{list(shape)}. Set conv_filters to nothing and use step_dense_units or "
            "temporal_filters for the steps."
        )
    samples = shape[0]
    for number, stride in enumerate(options.conv_strides):
        if samples < options.conv_kernel_samples:
            raise ValueError(
                f"Convolution {number + 1} of {len(options.conv_filters)} cannot be applied: its "
                f"input has {samples} samples ({shape[0]} in a step), its kernel "
                f"{options.conv_kernel_samples}. Lower conv_kernel_samples or conv_strides, give "
                "fewer conv_filters (none, where a step is a vector of features and not a "
                "stretch of signal), or cut longer steps."
            )
        samples = (samples - options.conv_kernel_samples) // stride + 1
