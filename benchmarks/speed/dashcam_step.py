"""One training step of the dash-cam model at its source's size: seconds and memory.

    python -m benchmarks.speed.dashcam_step --records=2

InceptionResNetV2 without its weights (they do not change the time), frames of 180 x 320, 8 frames a
record; the whole model is run, forward and backward, without cached features.
"""

import argparse
import resource
import time

import keras
import numpy as np
import tensorflow as tf

from tfrecords_schema import InputSpec, LabelSpec
from trainer.models.frame_options import FrameModelOptions
from trainer.models.frames import FrameModel, build_frame_model
from trainer.models.signal_options import SignalModelOptions
from trainer.step.steps import Steps
from trainer.step.task import Task

FRAME_SHAPE = (180, 320, 3)
FRAMES = 8
LABEL = LabelSpec("record", "value", "float32", (2,))


def build() -> FrameModel:
    """The model of `trainer/configs/dashcam.flags`, with random weights."""
    backbone = FrameModelOptions(backbone="InceptionResNetV2", trainable_backbone_layers=4)
    head = SignalModelOptions(
        rnn_cell="lstm", rnn_units=(256,), rnn_activation="relu", rnn_l2=0.0, dropout=0.0,
        batch_normalization=False, dense_units=(64,), dense_dropout=0.5,
    )  # fmt: skip
    return build_frame_model(backbone, head, InputSpec("frames", "uint8", FRAME_SHAPE), LABEL)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=2, help="records in the batch")
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    model = build().full
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    print(f"parameters {model.count_params():,}, trainable {trainable:,}")
    batch = random_batch(arguments.records)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    steps = Steps(tf.distribute.get_strategy(), model, optimizer, Task(LABEL))
    spec = {name: tf.TensorSpec([None, *x.shape[1:]], x.dtype) for name, x in batch.items()}
    print(f"{arguments.records} records of {FRAMES} frames | seconds | peak memory, MiB")
    for step in range(arguments.steps):
        started = time.monotonic()
        loss = steps.train(batch, spec).sums["loss"]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        name = "first step, with tracing" if step == 0 else f"step {step + 1}"
        print(f"{name}, loss {loss[0] / loss[1]:.3f} | {time.monotonic() - started:.2f} | {peak:,}")


def random_batch(records: int) -> dict[str, tf.Tensor]:
    """Random frames and labels."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (records, FRAMES, *FRAME_SHAPE), dtype=np.uint8)
    return {
        "frames": tf.constant(frames),
        "lengths": tf.fill([records], FRAMES),
        "label": tf.constant(rng.normal(size=(records, 2)).astype(np.float32)),
    }


if __name__ == "__main__":
    main()
