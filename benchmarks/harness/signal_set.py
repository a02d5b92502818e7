"""A set of random signals of the published shape, as npz files and as a dataset."""

import pathlib
import subprocess
import sys
from collections.abc import Sequence

import numpy as np

MEDIAN_STEPS, SIGMA, FEWEST_STEPS, MOST_STEPS = 33, 0.7, 5, 200


def lognormal_lengths(count: int, seed: int = 0) -> np.ndarray:
    """Steps of `count` recordings: `[count] int64`, from 5 to 200."""
    lengths = np.random.default_rng(seed).lognormal(np.log(MEDIAN_STEPS), SIGMA, count)
    return np.clip(lengths.astype(int), FEWEST_STEPS, MOST_STEPS)


def record_id(number: int) -> str:
    """Name of a recording, in order of making."""
    return f"r{number:06d}"


def write_npz(
    folder: pathlib.Path, lengths: Sequence[int] | np.ndarray, step_shape: Sequence[int]
) -> None:
    """Writes `signal/ID.npz` `[time, *step_shape] float32` and `target/ID.npz` `[time, 1]`."""
    random = np.random.default_rng(0)
    for kind in ("signal", "target"):
        (folder / kind).mkdir(parents=True)
    for number, steps in enumerate(lengths):
        name = record_id(number) + ".npz"
        signal = random.standard_normal((steps, *step_shape), np.float32)
        np.savez(folder / "signal" / name, signal=signal)
        np.savez(folder / "target" / name, target=random.integers(0, 2, (steps, 1)))


def convert(folder: pathlib.Path, *flags: str) -> str:
    """Converts what `write_npz` wrote, all of it into `train`; returns the dataset's folder."""
    command = [sys.executable, "-m", "pipeline", "--source=signals", "--splits=train=1"]
    command += [f"--input_dir={folder / 'signal'}", f"--target_dir={folder / 'target'}"]
    command += [f"--output_dir={folder / 'datasets'}", "--name=bench", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return str(folder / "datasets" / "bench" / "1.0.0")
