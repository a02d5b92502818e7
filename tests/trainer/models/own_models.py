"""Models as people bring them: some that are right, and one for every mistake."""

import dataclasses

import keras
import tensorflow as tf

from trainer import DataSpec, Options, layers, option


@dataclasses.dataclass(frozen=True)
class OwnOptions(Options):
    """What my model is made of."""

    units: int = option(3, "Units of the recurrent layer.", low=1, common=True)
    width: float = option(0.5, "Called like an option of families of the trainer.")


@keras.saving.register_keras_serializable(package="somebody")
class Gain(keras.layers.Layer):
    """A factor for each channel."""

    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), initializer="ones", name="gain")

    def call(self, x):
        return x * self.gain


def _inputs(data, *names):
    known = {
        "signal": keras.Input(
            (None, *data.input.step_shape), dtype=data.input.dtype, name="signal"
        ),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
        "mask": keras.Input((None,), dtype="bool", name="mask"),
    }
    return {name: known[name] for name in names}


def build(data: DataSpec, options: OwnOptions) -> keras.Model:
    """Stock layers that are told a mask."""
    given = _inputs(data, "signal", "mask")
    x = keras.layers.Dense(options.units, activation="relu")(Gain()(given["signal"]))
    if data.label.per == "record":
        x = keras.layers.GlobalAveragePooling1D()(x, mask=given["mask"])
    return keras.Model(given, keras.layers.Dense(data.units)(x))


def beside(data: DataSpec) -> keras.Model:
    """Frames, and the numbers beside them."""
    spec = data.input
    frames = keras.Input((None, *spec.step_shape), dtype=spec.dtype, name=spec.kind)
    numbers = keras.Input((None, len(spec.beside)), name="beside")
    lengths = keras.Input((), dtype="int32", name="lengths")
    pixels = layers.PackSteps()(frames, lengths)
    pixels = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    x = keras.layers.Concatenate()([pixels, layers.PackSteps()(numbers, lengths)])
    x = layers.RecordPooling("mean")(keras.layers.Dense(4, activation="relu")(x), lengths)
    x = keras.layers.Dense(data.units)(layers.PackRecords()(x, lengths))
    outputs = layers.UnpackRecords()(x, lengths)
    return keras.Model({"frames": frames, "beside": numbers, "lengths": lengths}, outputs)


def recurrent(data: DataSpec) -> keras.Model:
    """A GRU that is told a mask."""
    return _with_head(data, data.units, data.label.per == "step")


def packed(data: DataSpec) -> keras.Model:
    given = _inputs(data, "signal", "lengths")
    x = layers.PackSteps()(given["signal"], given["lengths"])
    x = layers.BatchNormalization()(keras.layers.Dense(4, activation="relu")(x))
    x = layers.Dropout(0.5)(x)
    x = keras.layers.Dense(data.units)(x)
    return keras.Model(given, layers.UnpackSteps()(x, given["lengths"], given["signal"]))


class _Subclassed(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.head = keras.layers.Dense(units)

    def call(self, inputs):
        weights = tf.cast(inputs["mask"], tf.float32)[..., None]
        mean = tf.reduce_sum(inputs["signal"] * weights, 1) / tf.reduce_sum(weights, 1)
        return self.head(mean)


def subclassed(data: DataSpec) -> keras.Model:
    return _Subclassed(data.units)


def returns_nothing(data):
    keras.layers.Dense(data.units)


def sequential(data):
    return keras.Sequential([keras.layers.GRU(data.units)])


def unnamed(data):
    x = keras.Input((None, *data.input.step_shape), name="x")
    return keras.Model(x, keras.layers.GRU(data.units)(x))


def without_lengths(data):
    given = _inputs(data, "signal")
    return keras.Model(given, keras.layers.GRU(data.units)(given["signal"]))


def fixed_time(data):
    given = {
        "signal": keras.Input((50, *data.input.step_shape), name="signal"),
        **_inputs(data, "lengths"),
    }
    return keras.Model(given, keras.layers.GRU(data.units)(given["signal"]))


def _with_head(data, units, per_step, activation=None, **layer):
    given = _inputs(data, "signal", "mask")
    x = keras.layers.GRU(3, return_sequences=per_step, **layer)(given["signal"], mask=given["mask"])
    return keras.Model(given, keras.layers.Dense(units, activation=activation)(x))


def four_classes(data):
    return _with_head(data, 4, data.label.per == "step")


def one_answer(data):
    return _with_head(data, data.units, False)


def softmax(data):
    return _with_head(data, data.units, data.label.per == "step", "softmax")


def softmax_at_the_end(data):
    made = _with_head(data, data.units, data.label.per == "step")
    return keras.Model(made.input, keras.layers.Activation("softmax")(made.output))


def sigmoid(data):
    return _with_head(data, data.units, data.label.per == "step", "sigmoid")


def strided(data):
    given = _inputs(data, "signal", "lengths")
    x = keras.layers.Conv1D(data.units, 3, strides=2, padding="same")(given["signal"])
    return keras.Model(given, x)


class _Untracked(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.factor = tf.Variable(1.0, name="factor")

    def call(self, x):
        return x * self.factor


def untracked(data):
    made = _with_head(data, data.units, data.label.per == "step")
    return keras.Model(made.input, _Untracked()(made.output))


def penalized(data):
    return _with_head(data, data.units, data.label.per == "step", activity_regularizer="l2")


def not_finite(data):
    made = _with_head(data, data.units, data.label.per == "step")
    return keras.Model(made.input, keras.ops.log(made.output - 100.0))


def padding_counts(data):
    """Its mean is over padding, too."""
    given = _inputs(data, "signal", "lengths")
    x = keras.layers.GlobalAveragePooling1D()(given["signal"])
    return keras.Model(given, keras.layers.Dense(data.units)(x))


def implicit_mask(data):
    given = _inputs(data, "signal", "lengths")
    x = keras.layers.GRU(3)(keras.layers.Masking()(given["signal"]))
    return keras.Model(given, keras.layers.Dense(data.units)(x))


def stock_statistics(data):
    made = _with_head(data, data.units, True)
    return keras.Model(made.input, keras.layers.BatchNormalization()(made.output))


class _Unregistered(keras.layers.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor


def without_config(data):
    made = _with_head(data, data.units, data.label.per == "step")
    return keras.Model(made.input, _Unregistered(2.0)(made.output))


def without_record_nan(data):
    given = _inputs(data, "signal", "lengths")
    x = layers.PackSteps()(given["signal"], given["lengths"])
    sums = layers.RecordPooling("mean")(x, given["lengths"])
    counts = keras.ops.cast(given["lengths"], "float32")[:, None]
    return keras.Model(given, keras.layers.Dense(data.units)(sums * counts / counts))


@dataclasses.dataclass(frozen=True)
class Colliding(Options):
    """Options that are there already."""

    epochs: int = option(3, "My epochs.")


def colliding(data, options: Colliding):
    return None


@dataclasses.dataclass(frozen=True)
class Plain(Options):
    units: int = 3


def plain_field(data, options: Plain):
    return None


class NoDataclass(Options):
    units: int = option(3, "Units.")


def no_dataclass(data, options: NoDataclass):
    return None


@dataclasses.dataclass(frozen=True)
class OddType(Options):
    table: complex = option(1j, "A number.")


def odd_type(data, options: OddType):
    return None


def no_type(data, options):
    return None


def wrong_type(data, options: dict):
    return None


def three(data, options: OwnOptions, more):
    return None


A_NUMBER = 3
