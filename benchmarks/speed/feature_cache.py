"""What cached features save: seconds of each epoch with the dash-cam model of the source.

    python -m benchmarks.speed.feature_cache --work_dir=/tmp/feature_cache

32 synthetic samples of 8 frames, 180 x 320; InceptionResNetV2 without its weights, all but the last
4 layers frozen. Epoch 1 holds the computation of the features; later ones read them.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks.speed.dashcam_step import FRAME_SHAPE, FRAMES, LABEL, build
from pipeline.batches.plan import BatchOptions
from tests.datasets import Record, write_dataset
from tfrecords_schema import Dataset, InputSpec, RecordSchema
from trainer.data.split_data import SplitData
from trainer.step.steps import Steps
from trainer.step.task import Task
from trainer.training.feature_cache import FeatureCache


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work_dir", required=True, help="an empty folder")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=38)
    arguments = parser.parse_args()
    dataset = synthetic(arguments.work_dir, arguments.samples)
    model = build()
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.full.trainable_variables)
    steps = Steps(tf.distribute.get_strategy(), model.from_features, optimizer, Task(LABEL))
    started = time.monotonic()
    cache = FeatureCache(f"{arguments.work_dir}/features", dataset, model.features)
    options = BatchOptions(batch_size=arguments.batch_size)
    split = SplitData(cache.dataset("train"), "train", options)
    seconds = []
    for epoch in range(arguments.epochs):
        train_epoch(steps, split, epoch)
        seconds.append(time.monotonic() - started)
        print(
            f"epoch {epoch + 1} | {seconds[-1]:.2f} s | {seconds[-1] / seconds[0]:.3f} of epoch 1"
        )
        started = time.monotonic()


def train_epoch(steps: Steps, split: SplitData, epoch: int) -> None:
    """One pass over the split."""
    plan = split.plan(epoch=epoch)
    batches, spec = split.batches(plan, tf.distribute.get_strategy())
    for _ in range(plan.num_steps):
        steps.train(next(batches), spec)


def synthetic(folder: str, samples: int) -> Dataset:
    """Random frames as JPEG, random velocities."""
    rng = np.random.default_rng(0)
    records = []
    for number in range(samples):
        frames = rng.integers(0, 256, (FRAMES, *FRAME_SHAPE), dtype=np.uint8)
        encoded = [tf.io.encode_jpeg(frame).numpy() for frame in frames]
        records.append(Record(str(number), encoded, rng.normal(size=2).astype(np.float32)))
    schema = RecordSchema(InputSpec("frames", "uint8", FRAME_SHAPE), LABEL)
    return write_dataset(folder, {"train": records}, schema, name="synthetic")


if __name__ == "__main__":
    main()
