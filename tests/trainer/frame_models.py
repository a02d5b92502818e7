"""Small frame datasets, and a small backbone whose random weights do not let values vanish."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from tests.datasets import Record, write_dataset
from tfrecords_schema import Dataset, InputSpec, LabelSpec, RecordSchema
from trainer.models.frames import FrameModelOptions
from trainer.models.signal import SignalModelOptions

FRAME_SHAPE = (32, 32, 3)
INPUT = InputSpec("frames", "uint8", FRAME_SHAPE)
BESIDE = InputSpec("frames", "uint8", FRAME_SHAPE, beside=("speed", "age"))

# A recurrence and a head with every kind of dropout but no batch statistics of their own.
SMALL_HEAD = SignalModelOptions(
    conv_filters=(), conv_strides=(), rnn_cell="lstm", rnn_units=(6,), rnn_activation="tanh",
    rnn_l2=0.0, dropout=0.2, batch_normalization=False, dense_units=(5,), dense_dropout=0.3,
)  # fmt: skip


def random_frames(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_backbone_weights(path: pathlib.Path) -> pathlib.Path:
    """Weights of a MobileNetV2 whose moving averages are those of random frames."""
    keras.utils.set_random_seed(7)
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=FRAME_SHAPE)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    frames = random_frames((16, *FRAME_SHAPE)).astype(np.float32)
    model(keras.applications.mobilenet_v2.preprocess_input(frames), training=True)
    model.save_weights(str(path))
    return path


def mobilenet_options(weights: pathlib.Path, trainable: int = 4) -> FrameModelOptions:
    return FrameModelOptions(
        backbone="MobileNetV2",
        backbone_weights=str(weights),
        trainable_backbone_layers=trainable,
        frame_pooling="average",
    )


def frames_dataset(
    folder: pathlib.Path,
    label: LabelSpec,
    splits: dict[str, list[int]],
    num_shards: int = 3,
    input_spec: InputSpec = INPUT,
) -> Dataset:
    """PNG frames of 32 x 32 pixels; `splits` has the number of frames of each record."""
    rng = np.random.default_rng(1)

    def record(split: str, number: int, length: int) -> Record:
        frames = random_frames((length, *FRAME_SHAPE), seed=int(rng.integers(1 << 30)))
        shape = {"step": (length,), "record": (), "sequence": (number % 3 + 1,)}[label.per]
        if label.kind == "class":
            value = rng.integers(0, len(label.class_names), shape)
        else:
            value = rng.normal(size=(*shape, *label.shape)).astype(np.float32)
        encoded = [tf.io.encode_png(frame).numpy() for frame in frames]
        beside = np.random.default_rng(number).normal(size=(length, len(input_spec.beside)))
        group = f"{split}-group{number // 2}"
        return Record(f"{split}-{number}", encoded, value, group, beside.astype(np.float32))

    records = {
        split: [record(split, number, length) for number, length in enumerate(lengths)]
        for split, lengths in splits.items()
    }
    schema = RecordSchema(input_spec, label)
    return write_dataset(folder, records, schema, num_shards=num_shards)


def assert_padded_frames_change_nothing(
    model: keras.Model, lengths: np.ndarray, shape: tuple[int, ...], tolerance: float
) -> None:
    """Trains on a batch, and on the same with other frames behind all records: all is the same.

    Outputs, by a loss of them all, gradients, and what batches leave in the model.
    """
    frames = random_frames((len(lengths), int(lengths.max()), *shape))
    start = [v.numpy() for v in model.variables]
    results = []
    for padded in (frames, np.concatenate([frames, frames[:, :1] ^ 255], axis=1)):
        for variable, value in zip(model.variables, start, strict=True):
            variable.assign(value)
        with tf.GradientTape() as tape:
            outputs = model({"frames": padded, "lengths": lengths}, training=True)
            loss = tf.reduce_sum(tf.square(outputs))
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        results.append([loss, *gradients, *(v.numpy() for v in model.non_trainable_variables)])
    assert any(np.abs(gradient).max() > 0 for gradient in gradients)
    for first, second in zip(*results, strict=True):
        np.testing.assert_allclose(first, second, atol=tolerance, rtol=tolerance)
