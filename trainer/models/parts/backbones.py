"""Convolutional networks of `keras.applications`, by name: building, weights, freezing."""

import types
import warnings
from typing import Any

import keras
import tensorflow as tf

from pipeline.console.near_misses import not_one_of
from tfrecords_schema.errors import UserError
from tfrecords_schema.places import gfile
from trainer.models.parts import WITHOUT_WEIGHTS
from trainer.models.parts.weight_files import require_fitting

IMAGENET = "imagenet"


@keras.saving.register_keras_serializable(package="trainer")
class Preprocess(keras.layers.Layer):
    """The `preprocess_input` that belongs to a network of `keras.applications`."""

    def __init__(self, backbone: str, **kwargs: Any):
        # The network casts to its own precision; pixels are scaled in float32.
        super().__init__(autocast=False, **{**kwargs, "dtype": "float32"})
        self.backbone = backbone
        self._preprocess = application_module(backbone).preprocess_input

    def call(self, frames: tf.Tensor) -> tf.Tensor:
        """`[rows, height, width, 3]` uint8 RGB -> the same shape, float32, as trained on."""
        return self._preprocess(tf.cast(frames, tf.float32))

    def compute_output_spec(self, frames: Any) -> keras.KerasTensor:
        """The shape stays."""
        return keras.KerasTensor(frames.shape, dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "backbone": self.backbone}


def load_backbone(name: str, weights: str, frame_shape: tuple[int, ...]) -> keras.Model:
    """Builds a network without its classifier: `[rows, *frame_shape]` to a map of features.

    Args:
        name: name of the function in `keras.applications`, such as `InceptionResNetV2`.
        weights: "imagenet", "none", or a file that Keras' `load_weights` takes.
        frame_shape: `(height, width, 3)`.

    Raises:
        UserError: no such network, frames too small for it, or weights that cannot be had.
    """
    build = getattr(application_module(name), name)
    from_imagenet = weights == IMAGENET
    try:
        model = build(
            include_top=False, weights=IMAGENET if from_imagenet else None, input_shape=frame_shape
        )
    except Exception as error:
        # Keras raises a bare Exception for a failed download, ValueError for small frames.
        raise UserError(_why_not_built(name, from_imagenet, frame_shape, error)) from error
    if weights not in (IMAGENET, WITHOUT_WEIGHTS):
        _load_file(model, name, weights)
    return model


def freeze_all_but_last(model: keras.Model, trainable_layers: int) -> None:
    """Freezes all layers but the last few, in the order of `model.layers`.

    A frozen BatchNormalization uses its moving averages, also in training.
    """
    for layer in model.layers[: max(len(model.layers) - trainable_layers, 0)]:
        layer.trainable = False


def application_module(name: str) -> types.ModuleType:
    """The module of `keras.applications` that has the network and its `preprocess_input`.

    Raises:
        UserError: there is none of this name.
    """
    modules = [m for m in vars(keras.applications).values() if isinstance(m, types.ModuleType)]
    for module in modules:
        if hasattr(module, "preprocess_input") and callable(getattr(module, name, None)):
            return module
    known = sorted(n for n, value in vars(keras.applications).items() if n[0].isupper() and value)
    raise UserError(
        f"--backbone={name}: expected conv, or a network of keras.applications; "
        f"{not_one_of(name, known)}"
    )


def _load_file(model: keras.Model, name: str, path: str) -> None:
    if not gfile.exists(path):
        raise UserError(f"--backbone_weights={path}: no such file; give imagenet, none or a file.")
    try:
        with warnings.catch_warnings():
            # Keras leaves layers that are not in the file as they are, and only warns.
            warnings.filterwarnings("error", message="Skipping|.*could not be loaded")
            require_fitting(path, model)
            model.load_weights(path)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"--backbone_weights={path} cannot be loaded into {name} without its classifier "
            f"({error}); give weights saved from that network, as .h5, .weights.h5 or .keras."
        ) from error


def _why_not_built(
    name: str, from_imagenet: bool, frame_shape: tuple[int, ...], error: Exception
) -> str:
    if from_imagenet and "URL fetch failure" in str(error):
        return (
            f"ImageNet weights of {name} cannot be downloaded here ({error}); give "
            "--backbone_weights=PATH to weights on disk, or --backbone_weights=none."
        )
    return f"--backbone={name} cannot be built for frames of {list(frame_shape)}: {error}"
