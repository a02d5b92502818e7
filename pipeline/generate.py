"""`python -m pipeline.generate`: recordings with known answers, as npz for `python -m pipeline`.

`waves`: five sines each, to be forecast. `echo`: a sequence that must come back as it went in, in
three shapes. The same flags give the same lengths, wavelengths and shifts on every machine and with
every version of NumPy, and the same bytes where NumPy computes a sine to the same last bit.
"""

# ruff: noqa: E402
import dataclasses
import io
from collections.abc import Sequence

from pipeline.console import program
from pipeline.console.command import Command
from pipeline.console.errors import UsageError
from pipeline.console.near_misses import not_one_of
from pipeline.console.options import REQUIRED, Options, option, read
from pipeline.console.run import run_command
from pipeline.console.terminal import say

_KINDS = ("waves", "echo")


@dataclasses.dataclass(frozen=True)
class GenerateOptions(Options):
    """What to generate, and where."""

    output_dir: str = option(REQUIRED, "Folder that is new or empty.", common=True)
    train: int = option(4000, "Number of waves to train on.", low=0, common=True)
    validation: int = option(500, "Number of waves to validate on.", low=0, common=True)
    test: int = option(500, "Number of waves to test on.", low=0, common=True)
    seed: int = option(0, "Another seed, other waves.", low=0, common=True)


COMMAND = Command(
    "python -m pipeline.generate",
    "Writes recordings to convert; waves: sines to forecast, echo: the echo problem, three ways.",
    (GenerateOptions,),
    argument="waves|echo",
)

if __name__ == "__main__":
    program.begin(COMMAND, gpu=False)

import numpy as np

from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
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


def main(argv: Sequence[str]) -> int:
    """Generates as the command line says; returns the exit status."""
    return run_command(_generate, argv, goes_on="")


def _generate(argv: Sequence[str]) -> None:
    given = COMMAND.parse(argv)
    (kind,) = given.rest
    if kind not in _KINDS:
        raise UsageError(f"{not_one_of(kind, _KINDS)}; see {COMMAND.prog} --help")
    options = read(GenerateOptions, given.values)
    _require_new(options.output_dir)
    if kind == "waves":
        say(write_waves(options))
        return
    if options != GenerateOptions(options.output_dir):
        raise UsageError("the echo problems are always the same; give no flag but --output_dir")
    say(write_echo(options.output_dir))


def wave(split: str, number: int, seed: int) -> np.ndarray:
    """One recording: every feature is `sin(t / wavelength + shift)` of its own.

    A wavelength is base + c with base = trunc(u (max - min) + min) and c = (category + u') / 6.

    Args:
      split: `train`, `validation` or `test`; no two of them share a wavelength.
      number: number of the recording; it alone, with the split and the seed, decides the values.
      seed: any number from 0.

    Returns:
      [time, 5] float32, time in [300, 450).
    """
    # Of all random numbers NumPy promises these and not what it makes of them; so it is made here,
    # as `Generator.integers` and `Generator.uniform` of NumPy 2.4 do.
    bits = np.random.PCG64([seed, _CATEGORIES[split], number])
    first, *others = bits.random_raw(1 + 3 * WAVE_FEATURES).tolist()
    steps = _MIN_STEPS + ((first & 0xFFFF_FFFF) * (_MAX_STEPS - _MIN_STEPS) >> 32)
    uniform = np.array([other >> 11 for other in others]) * 2.0**-53
    shift, base, category = uniform.reshape(3, WAVE_FEATURES)
    low, high = _WAVELENGTHS
    wavelength = np.trunc(base * (high - low) + low)
    wavelength += (_CATEGORIES[split] + category) / _NUM_CATEGORIES
    time = np.arange(steps)[:, None]
    return np.sin(time / wavelength + shift).astype(np.float32)


def write_waves(options: GenerateOptions) -> str:
    """Writes `<output_dir>/<split>/<number>.npz` with the array `signal`; says how to convert."""
    output_dir = options.output_dir
    counts = {split: getattr(options, split) for split in _CATEGORIES}
    for split, count in counts.items():
        if count:
            make_folder(output_dir, split)
        for number in range(count):
            path = join(output_dir, split, f"{number:06d}.npz")
            _write(path, signal=wave(split, number, options.seed))
    return (
        f"wrote {sum(counts.values()):,} waves to {output_dir}; convert them with\n"
        f"  python -m pipeline --source=signals --input_dir={output_dir} "
        f"--split_regex='{_SPLITS_BY_FOLDER}' --output_dir=... --name=..."
    )


def write_echo(output_dir: str) -> str:
    """Writes the recordings of the three echo problems, each in a folder of its own; says where.

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
    return f"wrote the echo problems to {output_dir}/{', '.join(problems)}"


def _require_new(folder: str) -> None:
    if gfile.exists(folder) and gfile.listdir(folder):
        raise UsageError(
            f"--output_dir={folder} is not empty, and what is in it would be mixed with what is "
            "generated; give another folder, or empty it"
        )


def _write(path: str, **arrays: np.ndarray) -> None:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    atomic_write(path, content.getvalue())


if __name__ == "__main__":
    program.run(main)
