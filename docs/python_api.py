"""The Python API from end to end: a dataset, a model of one's own, stock `model.fit`.

python docs/python_api.py --dataset=demo/datasets/watch/1.0.0 [--epochs=15]

Reads like a notebook. `make demo` leaves the dataset (140 smart-watch recordings, one class each);
any dataset of signals with a class per record does. Without a validation split it validates on the
test split.
"""

# %% Imports
import argparse

import keras

from pipeline.batches.keras_batches import keras_batches
from pipeline.batches.plan import BatchOptions
from tfrecords_schema import open_dataset
from trainer import layers

# %% Flags, in place of a notebook's first cell
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--dataset", required=True, help="<output_dir>/<name>/<version>")
parser.add_argument("--epochs", type=int, default=15)
arguments = parser.parse_args()

# %% Open the dataset: what it holds is known without reading a record
dataset = open_dataset(arguments.dataset)
spec, statistics = dataset.schema.input, dataset.manifest.statistics
assert dataset.schema.label is not None
assert statistics is not None
for name, split in sorted(dataset.manifest.splits.items()):
    print(f"{name}: {split.records} records of {split.groups} groups, {split.steps} steps")

# %% Batches: an epoch is an iteration; every one has an order of its own
options = BatchOptions(batch_size=16, num_buckets=4)
train = keras_batches(dataset, "train", options, seed=1)
held_out = "validation" if "validation" in dataset.manifest.splits else "test"
validation = keras_batches(dataset, held_out, options, shuffle=False)
inputs, labels, weights = next(iter(train))
print("a batch:", {name: tuple(tensor.shape) for name, tensor in inputs.items()}, labels.shape)

# %% A model: stock layers on packed steps, ours where lengths matter
keras.utils.set_random_seed(1)
signal = keras.Input((None, *spec.step_shape), dtype=spec.dtype, name="signal")
lengths = keras.Input((), dtype="int32", name="lengths")
x = layers.PackSteps()(signal, lengths)
x = layers.Normalization("training_split", statistics.mean, statistics.deviation)(x, lengths)
if len(spec.step_shape) == 2:  # A step is a stretch of signal, [samples, channels].
    x = layers.Conv1D(32, 5, strides=2, activation="relu")(x)
    x = layers.Conv1D(32, 5, strides=2, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
x = layers.GRU(32, return_sequences=True)(keras.layers.Flatten()(x), lengths)
x = layers.RecordPooling("mean")(x, lengths)
outputs = keras.layers.Dense(len(dataset.schema.label.class_names))(x)
model = keras.Model({"signal": signal, "lengths": lengths}, outputs)
model.summary()

# %% Stock fit
model.compile(
    keras.optimizers.Adam(0.003),
    keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight"),
    weighted_metrics=["accuracy"],
)
model.fit(train, validation_data=validation, epochs=arguments.epochs, verbose=2)

# %% The test split
test = keras_batches(dataset, "test", options, shuffle=False)
print("test:", model.evaluate(test, verbose=0, return_dict=True))
