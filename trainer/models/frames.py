"""The frame model: a convolutional network on every valid frame, then a recurrence over frames.

The network is one of `keras.applications`, or a few convolutions. What follows it, from one vector
per frame to the labels, is that of the signal model and has its options.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pipeline.console.options import Effect, Options, option
from tfrecords_schema.errors import DatasetError, UserError
from trainer.models.family import BuiltModel, DataSpec, Family
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts import WITHOUT_WEIGHTS
from trainer.models.parts.beside import beside_input, beside_rows, joined
from trainer.models.signal import (
    SignalModelOptions,
    check_activation,
    predict_from_steps,
    unpack_predictions,
)

if TYPE_CHECKING:
    from tfrecords_schema import InputSpec, LabelSpec, Statistics


CONVOLUTIONS = "conv"


@dataclasses.dataclass(frozen=True)
class FrameModelOptions(Options):
    """What turns a frame into one vector; the rest is as in `SignalModelOptions`."""

    backbone: str = option(
        CONVOLUTIONS,
        "A network of keras.applications by name, such as MobileNetV2; conv: --frame_conv_filters.",
    )
    backbone_weights: str = option(
        WITHOUT_WEIGHTS,
        "imagenet (downloaded), none (random), or a file that Keras' load_weights takes.",
    )
    trainable_backbone_layers: int = option(
        0, "The last layers of the backbone that are trained; the others are frozen.", low=0
    )
    frame_conv_filters: tuple[int, ...] = option(
        (64,), "Filters of the convolutions of --backbone=conv.", low=1
    )
    frame_conv_kernel: int = option(3, "Height and width of their kernels.", low=1)
    frame_conv_activation: str = option("linear", "Activation of each of them.")
    frame_pool: int = option(2, "Size and stride of the max pooling after the last of them.", low=1)
    frame_dropout: float = option(
        0.0, "Dropout rate on what is left of each frame: its vector, or map.", low=0, high=1
    )
    frame_pooling: str = option(
        "flatten",
        "From a frame's map of features to a vector; rows: an LSTM over its rows, top to bottom.",
        ("flatten", "average", "max", "rows"),
    )
    frame_rnn_units: int = option(5, "Units of the LSTM of --frame_pooling=rows.", low=1)
    cache_features: bool = option(
        True,
        "Compute what is frozen once per frame, and keep the features on disk.",
        effect=Effect.NONE,
    )
    feature_cache_dir: str = option(
        "",
        "Where features are kept, for several runs to share; default <run_dir>/features.",
        effect=Effect.PLACE,
    )

    def check(self) -> None:
        """See `Options`."""
        check_activation("frame_conv_activation", self.frame_conv_activation)


class Frames(Family):
    """A network on every frame, a recurrence over frames; one label per frame or per record."""

    options = (FrameModelOptions, SignalModelOptions)
    inputs = ("frames",)
    joins_beside = True
    labels = ("step", "record")

    def build(self, data: DataSpec, *options: Any) -> BuiltModel:
        """See `build_frame_model`."""
        return build_frame_model(options[0], options[1], data.input, data.label, data.statistics)

    def restored(self, *options: Any) -> tuple[Any, ...]:
        """What a backbone started from is in the checkpoint, trained on or not."""
        return without_downloads(*options)


def without_downloads(*options: Any) -> tuple[Any, ...]:
    """The options with a backbone of random weights, which a checkpoint replaces."""
    return tuple(
        dataclasses.replace(group, backbone_weights=WITHOUT_WEIGHTS)
        if isinstance(group, FrameModelOptions)
        else group
        for group in options
    )


def build_frame_model(
    options: FrameModelOptions,
    signal_options: SignalModelOptions,
    input_spec: InputSpec,
    label_spec: LabelSpec,
    statistics: Statistics | None = None,
) -> BuiltModel:
    """Builds the model; only valid frames are computed on.

    Statistics are those of the numbers beside the frames.

    Raises:
        DatasetError: the dataset does not hold frames.
        UserError: the options do not fit the frames or the kind of label.
    """
    if input_spec.kind != "frames":
        raise DatasetError(
            f"--model=frames needs frames, the dataset has {input_spec.kind}; convert image "
            "folders with --source=image_folders, or use --model=signal"
        )
    frame = keras.Input(input_spec.step_shape, dtype="uint8", name="frame")
    fixed, trained = _encoder_parts(options, input_spec.step_shape)
    fixed_outputs = fixed(frame)
    features = keras.Model(frame, fixed_outputs, name="features")
    shape = fixed_outputs.shape[1:]
    head = _head(trained, shape, options, signal_options, label_spec, input_spec)
    full = _model(input_spec, features, head, label_spec, statistics)
    if not any(isinstance(layer, layers.Frozen) for layer in features.layers):
        return BuiltModel(full, None, None)
    behind = dataclasses.replace(
        input_spec, kind="signal", dtype="float32", step_shape=tuple(features.output.shape[1:])
    )
    return BuiltModel(full, features, _model(behind, lambda x: x, head, label_spec, statistics))


def encode_frames(x: Any, options: FrameModelOptions) -> Any:
    """From packed frames `[valid, height, width, 3]` uint8 to one vector each."""
    fixed, trained = _encoder_parts(options, tuple(x.shape[1:]))
    return _read_rows(trained(fixed(x)), options)


def _model(
    spec: InputSpec,
    encode: Any,
    head: keras.Model,
    label_spec: LabelSpec,
    statistics: Statistics | None,
) -> keras.Model:
    """From padded steps to padded outputs, through `encode` and `head` on packed steps."""
    padded = keras.Input((None, *spec.step_shape), dtype=spec.dtype, name=spec.kind)
    lengths = keras.Input((), dtype="int32", name="lengths")
    inputs = {spec.kind: padded, "lengths": lengths}
    packed = encode(layers.PackSteps(name="pack")(padded, lengths))
    beside = beside_rows(inputs, lengths, spec, statistics)
    outputs = head({"features": packed, "lengths": lengths, **beside})
    outputs = unpack_predictions(outputs, lengths, padded, label_spec)
    return keras.Model(inputs, outputs, name=f"{spec.kind}_to_label")


def _head(
    trained: Any,
    shape: Any,
    options: FrameModelOptions,
    signal_options: SignalModelOptions,
    label_spec: LabelSpec,
    input_spec: InputSpec,
) -> keras.Model:
    """All that is trained, as one model, so that both ways into it share its layers."""
    features = keras.Input(tuple(shape), dtype="float32", name="features")
    lengths = keras.Input((), dtype="int32", name="lengths")
    beside = beside_input(input_spec)
    x = trained(features)
    if options.frame_dropout:
        x = layers.Dropout(options.frame_dropout, name="frame_dropout")(x)
    x = joined(_read_rows(x, options), beside)
    x = predict_from_steps(x, lengths, signal_options, label_spec)
    return keras.Model({"features": features, "lengths": lengths, **beside}, x, name="trained")


def _read_rows(x: Any, options: FrameModelOptions) -> Any:
    """A recurrence over the rows of a map: `[valid, rows, columns, channels]` to a vector."""
    if options.frame_pooling != "rows":
        return x
    _, rows, columns, channels = x.shape
    x = keras.layers.Reshape((rows, columns * channels), name="rows")(x)
    return layers.NeverEmpty(
        keras.layers.LSTM(options.frame_rnn_units, name="lstm"), name="read_rows"
    )(x)


def _encoder_parts(options: FrameModelOptions, frame_shape: tuple[int, ...]) -> tuple[Any, Any]:
    """What turns packed frames into features, and features into vectors (or maps, for rows)."""
    if options.backbone == CONVOLUTIONS:
        rescale = keras.layers.Rescaling(1 / 255, dtype="float32", name="rescale")
        return rescale, lambda x: _convolutions(x, options)
    from trainer.models.parts.backbones import Preprocess, freeze_all_but_last, load_backbone
    from trainer.models.parts.frontier import split_at_frontier

    preprocess = Preprocess(options.backbone, name="preprocess")
    backbone = load_backbone(options.backbone, options.backbone_weights, frame_shape)
    freeze_all_but_last(backbone, options.trainable_backbone_layers)
    frozen_layers = [layer for layer in backbone.layers if not layer.trainable]
    encoder = keras.Model(backbone.input, _pool_frame(backbone.output, options))
    trunk, tail = split_at_frontier(encoder, frozen_layers)
    if trunk is None:
        return preprocess, tail
    frozen = layers.Frozen(trunk, name="frozen")
    split = layers.SplitFeatures(frozen.shapes, name="split_features")
    return lambda x: frozen(preprocess(x)), lambda x: _join(tail, split(x))


def _join(tail: keras.Model | None, tensors: list[Any]) -> Any:
    if tail is None:
        return tensors[0]
    return tail(tensors if len(tensors) > 1 else tensors[0])


def _convolutions(x: Any, options: FrameModelOptions) -> Any:
    _check_frame_size(min(x.shape[1:3]), options)
    for number, filters in enumerate(options.frame_conv_filters):
        x = layers.Conv2D(
            filters,
            options.frame_conv_kernel,
            activation=options.frame_conv_activation,
            name=f"frame_conv_{number}",
        )(x)
    pool = keras.layers.MaxPooling2D(options.frame_pool)
    x = layers.NeverEmpty(pool, name="frame_pool")(x)
    return _pool_frame(x, options)


def _check_frame_size(pixels: int, options: FrameModelOptions) -> None:
    left = pixels - len(options.frame_conv_filters) * (options.frame_conv_kernel - 1)
    if left < options.frame_pool:
        raise UserError(
            f"The convolutions cannot be applied to frames of {pixels} pixels: they leave "
            f"{max(left, 0)}, and --frame_pool={options.frame_pool} needs as many. Lower "
            "--frame_pool or --frame_conv_kernel, give fewer --frame_conv_filters, or convert with "
            "a larger --resize."
        )


def _pool_frame(x: Any, options: FrameModelOptions) -> Any:
    if options.frame_pooling == "rows":
        return x
    if options.frame_pooling == "flatten":
        return keras.layers.Flatten(name="frame_vector")(x)
    if options.frame_pooling == "average":
        return keras.layers.GlobalAveragePooling2D(name="frame_vector")(x)
    return layers.NeverEmpty(keras.layers.GlobalMaxPooling2D(), name="frame_vector")(x)
