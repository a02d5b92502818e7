"""Sorts the donkey drive's samples into folders of classes: left, straight, right.

    python -m benchmarks.results.donkey_classes --input_dir=donkey_drive --output_dir=donkey_classes

The input holds `<number>/imgs/*.jpg` and `<number>/annotation.json`, whose `velocity[0]` is the
steering of the last frame, -1 to 1, positive to the right; the numbers are in order of time.
Below -0.1 is `left`, above 0.1 is `right`, what is between is `straight`.

Writes `<output_dir>/sequences/<class>/<split>_<number>/` with all frames of a sample, and
`<output_dir>/images/<class>/<split>_<number>/` with its last one, without annotations: the class is
the folder's name. The last 25 samples of time are `test`, the 15 before them `validation`.
"""

import json
import pathlib
import shutil
import sys

from benchmarks.harness.flags import parse_flags

STRAIGHT_UP_TO = 0.1
TEST_SAMPLES, VALIDATION_SAMPLES = 25, 15


def main() -> None:
    """Reads the drive, writes both folders of classes."""
    args = parse_flags(__doc__, input_dir=pathlib.Path, output_dir=pathlib.Path)
    folders = [path for path in args.input_dir.iterdir() if path.name.isdigit()]
    samples = sorted(folders, key=lambda path: int(path.name))
    if len(samples) <= TEST_SAMPLES + VALIDATION_SAMPLES:
        sys.exit(
            f"error: --input_dir={args.input_dir} has {len(samples)} numbered folders, expected "
            f"more than {TEST_SAMPLES + VALIDATION_SAMPLES}"
        )
    for position, sample in enumerate(samples):
        name = f"{split_of(position, len(samples))}_{int(sample.name):03d}"
        folder = pathlib.Path(class_of(_steering(sample)), name)
        frames = sorted((sample / "imgs").iterdir())
        _copy(frames, args.output_dir / "sequences" / folder)
        _copy(frames[-1:], args.output_dir / "images" / folder)
    print(f"{len(samples)} samples: {args.output_dir}")


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


def _steering(sample: pathlib.Path) -> float:
    return float(json.loads((sample / "annotation.json").read_text())[0]["velocity"][0])


def _copy(frames: list[pathlib.Path], folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        shutil.copyfile(frame, folder / frame.name)


if __name__ == "__main__":
    main()
