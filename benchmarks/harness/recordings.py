"""Random signals of the published shape, as npz files and as a dataset.

Peers import this before their first step is timed: NumPy, and nothing of the project.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from benchmarks.harness.processes import run_module

MEDIAN_STEPS, SIGMA, FEWEST_STEPS, MOST_STEPS = 33, 0.7, 5, 200
SAMPLES = 3000


def lognormal_lengths(count: int, seed: int = 0) -> np.ndarray:
    """Steps of `count` recordings: `[count] int64`, from 5 to 200."""
    lengths = np.random.default_rng(seed).lognormal(np.log(MEDIAN_STEPS), SIGMA, count)
    return np.clip(lengths.astype(int), FEWEST_STEPS, MOST_STEPS)


def record_id(number: int) -> str:
    """Name of a recording, in order of making."""
    return f"r{number:06d}"


def write_pairs(
    folder: pathlib.Path,
    lengths: Sequence[int] | np.ndarray,
    step_shape: Sequence[int] = (SAMPLES, 1),
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


def signal_dataset(
    folder: pathlib.Path,
    lengths: Sequence[int] | np.ndarray,
    step_shape: Sequence[int] = (SAMPLES, 1),
) -> str:
    """Writes pairs and converts them, all of them into `train`; returns the dataset's folder."""
    write_pairs(folder, lengths, step_shape)
    flags = [f"--input_dir={folder / 'signal'}", f"--target_dir={folder / 'target'}"]
    run_module("pipeline", *conversion_flags(folder / "datasets"), *flags)
    return str(folder / "datasets" / "bench" / "1.0.0")


def write_labelled(folder: pathlib.Path, count: int, steps: int) -> None:
    """Writes `ID.npz` with `signal` `[steps, 3000, 1] float32` and `label` `[steps]`."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        signal = random.standard_normal((steps, SAMPLES, 1), np.float32)
        np.savez(folder / f"{record_id(number)}.npz", signal=signal, label=np.arange(steps) % 2)


def conversion_flags(output_dir: object) -> list[str]:
    """Of `python -m pipeline`, for npz signals without splits; the input is still to be named."""
    return ["--source=signals", "--splits=train=1", "--name=bench", f"--output_dir={output_dir}"]
