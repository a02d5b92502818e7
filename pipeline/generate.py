"""`python -m pipeline.generate`: recordings with known answers, as npz for `python -m pipeline`.

`waves`: five sines each, to be forecast. `echo`: a sequence that must come back as it went in, in
three shapes. The same flags give the same bytes.
"""

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from pipeline.console import quiet

if __name__ == "__main__":
    quiet.start(gpu=False)

import numpy as np
import tensorflow as tf

from pipeline.console.command_line import version_text
from pipeline.console.errors import UsageError
from pipeline.console.terminal import print_error
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write, make_folder

WAVE_FEATURES = 5
# As the forecaster's authors passed them to a function of (min, max): the greater one first.
_WAVELENGTHS = (30.0, 10.0)
_MIN_STEPS, _MAX_STEPS = 300, 450
# Sixths of the way from one whole wavelength to the next; between the splits lie dead ones.
_CATEGORIES = {"train": 0, "validation": 2, "test": 4}
_NUM_CATEGORIES = 6
_SPLITS_BY_FOLDER = "|".join(f"^(?P<{split}>{split}/)" for split in _CATEGORIES)

_ECHO = np.array([0.0, 0.2, 0.4, 0.6, 0.8], np.float32)


def wave(split: str, number: int, seed: int) -> np.ndarray:
    """One recording: every feature is `sin(t / wavelength + shift)` of its own.

    Args:
      split: `train`, `validation` or `test`; no two of them share a wavelength.
      number: number of the recording; it alone, with the split and the seed, decides the values.
      seed: any number from 0.

    Returns:
      [time, 5] float32, time in [300, 450).
    """
    rng = np.random.default_rng([seed, _CATEGORIES[split], number])
    steps = rng.integers(_MIN_STEPS, _MAX_STEPS)
    shift = rng.uniform(size=WAVE_FEATURES)
    wavelength = _wavelengths(rng, _CATEGORIES[split])
    time = np.arange(steps)[:, None]
    return np.sin(time / wavelength + shift).astype(np.float32)


def write_waves(output_dir: str, counts: dict[str, int], seed: int) -> None:
    """Writes `<output_dir>/<split>/<number>.npz` with the array `signal`."""
    for split, count in counts.items():
        if count:
            make_folder(output_dir, split)
        for number in range(count):
            path = join(output_dir, split, f"{number:06d}.npz")
            _write(path, signal=wave(split, number, seed))


def write_echo(output_dir: str) -> None:
    """Writes the recordings of the three echo problems, each in a folder of its own.

    `one_to_one`: 5 of `signal` [1, 1] with a number as `label`; `many_to_one` and `many_to_many`:
    one of `signal` [5, 1] with `label` [5], which is one vector or one number per step.
    """
    together = {"echo": (_ECHO[:, None], _ECHO)}
    apart = {f"echo_{i}": (np.full((1, 1), x), x) for i, x in enumerate(_ECHO)}
    problems = {"one_to_one": apart, "many_to_one": together, "many_to_many": together}
    for problem, recordings in problems.items():
        make_folder(output_dir, problem)
        for name, (signal, label) in recordings.items():
            _write(join(output_dir, problem, f"{name}.npz"), signal=signal, label=label)


def main(argv: Sequence[str]) -> int:
    """Generates as the command line says.

    Returns:
      0, or 2 if the command line makes no sense.
    """
    args = _make_parser().parse_args(argv)
    try:
        _require_new(args.output_dir)
        print(_run(args))
    except UsageError as error:
        print_error(error)
        return 2
    return 0


def _wavelengths(rng: np.random.Generator, category: int) -> np.ndarray:
    """base + c with base = trunc(u (max - min) + min) and c = (category + u') / 6: [5] float64."""
    low, high = _WAVELENGTHS
    base = np.trunc(rng.uniform(size=WAVE_FEATURES) * (high - low) + low)
    return base + (category + rng.uniform(size=WAVE_FEATURES)) / _NUM_CATEGORIES


def _run(args: argparse.Namespace) -> str:
    if args.what == "echo":
        write_echo(args.output_dir)
        return f"wrote the echo problems to {args.output_dir}/one_to_one, many_to_one, many_to_many"
    counts = {split: getattr(args, split) for split in _CATEGORIES}
    if min(counts.values()) < 0 or args.seed < 0:
        raise UsageError("counts and --seed must not be negative")
    write_waves(args.output_dir, counts, args.seed)
    return (
        f"wrote {sum(counts.values()):,} waves to {args.output_dir}; convert them with\n"
        f"  python -m pipeline --source=signals --input_dir={args.output_dir} "
        f"--split_regex='{_SPLITS_BY_FOLDER}' --output_dir=... --name=..."
    )


def _require_new(folder: str) -> None:
    if tf.io.gfile.exists(folder) and tf.io.gfile.listdir(folder):
        raise UsageError(
            f"--output_dir={folder} is not empty, and what is in it would be mixed with what is "
            "generated; give another folder, or empty it"
        )


def _write(path: str, **arrays: np.ndarray) -> None:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    atomic_write(path, content.getvalue())


def _make_parser() -> argparse.ArgumentParser:
    formatter: Callable[..., argparse.HelpFormatter] = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.generate", description="Writes recordings to convert."
    )
    parser.add_argument("--version", action="version", version=version_text())
    kinds = parser.add_subparsers(dest="what", required=True)
    waves = kinds.add_parser("waves", help="sines to be forecast", formatter_class=formatter)
    echo = kinds.add_parser("echo", help="the echo problem, three ways", formatter_class=formatter)
    for kind in (waves, echo):
        kind.add_argument("--output_dir", required=True, help="folder that is new or empty")
    for split, count in (("train", 4000), ("validation", 500), ("test", 500)):
        waves.add_argument(f"--{split}", type=int, default=count, help="number of recordings")
    waves.add_argument("--seed", type=int, default=0, help="another seed, other waves")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
