"""Sorts the donkey drive's samples into folders of classes: left, straight, right.

    python -m benchmarks.results.donkey_classes --input_dir=donkey_drive --output_dir=donkey_classes

The input holds `<number>/imgs/*.jpg` and `<number>/annotation.json`, whose `velocity[0]` is the
steering of the last frame, -1 to 1, positive to the right; the numbers are in order of time.
Below -0.1 is `left`, above 0.1 is `right`, what is between is `straight`.

Writes `<output_dir>/sequences/<class>/<split>_<number>/` with all frames of a sample, and
`<output_dir>/images/<class>/<split>_<number>/` with its last one, without annotations: the class is
the folder's name. The last 25 samples of time are `test`, the 15 before them `validation`.
"""

import argparse
import json

from pipeline.console import quiet

quiet.start(gpu=False)

import tensorflow as tf

from tfrecords_schema.names import join

STRAIGHT_UP_TO = 0.1
TEST_SAMPLES, VALIDATION_SAMPLES = 25, 15


def main() -> None:
    """Reads the drive, writes both folders of classes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input_dir", required=True, help="folder with the numbered samples")
    parser.add_argument("--output_dir", required=True, help="folder for sequences/ and images/")
    options = parser.parse_args()
    folders = [name.rstrip("/") for name in tf.io.gfile.listdir(options.input_dir)]
    samples = sorted((name for name in folders if name.isdigit()), key=int)
    if len(samples) <= TEST_SAMPLES + VALIDATION_SAMPLES:
        parser.error(
            f"--input_dir={options.input_dir} has {len(samples)} numbered folders, expected more "
            f"than {TEST_SAMPLES + VALIDATION_SAMPLES}"
        )
    for position, sample in enumerate(samples):
        folder = join(options.input_dir, sample)
        name = f"{split_of(position, len(samples))}_{int(sample):03d}"
        path = join(class_of(_steering(folder)), name)
        frames = sorted(tf.io.gfile.listdir(join(folder, "imgs")))
        _copy(folder, frames, join(options.output_dir, "sequences", path))
        _copy(folder, frames[-1:], join(options.output_dir, "images", path))
    print(f"{len(samples)} samples: {options.output_dir}")


def class_of(steering: float) -> str:
    """Name of the class of a steering of -1 (left) to 1 (right)."""
    if abs(steering) <= STRAIGHT_UP_TO:
        return "straight"
    return "left" if steering < 0 else "right"


def split_of(position: int, samples: int) -> str:
    """Split of the sample at a position of time: the drive's end is never trained on."""
    if position >= samples - TEST_SAMPLES:
        return "test"
    if position >= samples - TEST_SAMPLES - VALIDATION_SAMPLES:
        return "validation"
    return "train"


def _steering(folder: str) -> float:
    with tf.io.gfile.GFile(join(folder, "annotation.json"), "r") as file:
        return float(json.load(file)[0]["velocity"][0])


def _copy(folder: str, frames: list[str], output_dir: str) -> None:
    tf.io.gfile.makedirs(output_dir)
    for frame in frames:
        source = join(folder, "imgs", frame)
        tf.io.gfile.copy(source, join(output_dir, frame), overwrite=True)


if __name__ == "__main__":
    main()
