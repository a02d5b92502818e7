"""Writes sessions of spoken digits as plain npz files: real input for signal_epochs.flags.

    python -m benchmarks.results.digit_sessions --input_dir=spoken_digits --output_dir=SESSIONS

The input holds the Free Spoken Digit Dataset as `<digit>_<speaker>_<take>.npz` with `signal:
[samples] int16` at 8 kHz, `label` (the digit) and `speaker`. A session is 4 to 30 digits spoken by
one speaker, in random order; each digit is one step of exactly 3,000 samples (0.375 s): longer
recordings are cut and shorter ones filled with zeros, which is how the session format is made and
not padding that the training would have to know of.

Sessions come from blocks of takes, and every recording of a block is used once, so no recording
is in two sessions. Takes 0 to 4 are the data's official test recordings.

Writes `<output_dir>/takes_<first take>/<speaker>_<number>.npz` with
- `signal`: `[time, 3000, 1]` float32, 1.0 is full scale,
- `label`: `[time]`, `below_five` or `five_up`, the digit of the step,
- `accent`: one string, whether the speaker is a `native` speaker of English or `not_native`.
"""

import collections
import pathlib
import re
import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.harness.flags import parse_flags

STEP_SAMPLES = 3000
TAKES_PER_BLOCK = 5
SHORTEST_STEPS, LONGEST_STEPS = 4, 30
NATIVE_SPEAKERS = ("jackson", "theo")
FILE_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<take>\d+)\.npz")


def main() -> None:
    """Reads the recordings, writes the sessions."""
    args = parse_flags(__doc__, input_dir=pathlib.Path, output_dir=pathlib.Path, seed=0)
    blocks = find_blocks([path.name for path in args.input_dir.iterdir()])
    if not blocks:
        sys.exit(f"error: no <digit>_<speaker>_<take>.npz in --input_dir={args.input_dir}")
    rng = np.random.default_rng(args.seed)
    written = 0
    for (first_take, speaker), names in sorted(blocks.items()):
        for number, session in enumerate(deal_sessions(names, rng)):
            path = args.output_dir / f"takes_{first_take:02d}" / f"{speaker}_{number:02d}.npz"
            _write_session([args.input_dir / name for name in session], speaker, path)
            written += 1
    print(f"{written} sessions, {sum(map(len, blocks.values())):,} steps: {args.output_dir}")


def find_blocks(names: list[str]) -> dict[tuple[int, str], list[str]]:
    """File names of recordings by (first take of the block, speaker); other names are left out."""
    blocks = collections.defaultdict(list)
    for name in sorted(names):
        if match := FILE_NAME.fullmatch(name):
            take = int(match["take"])
            blocks[take - take % TAKES_PER_BLOCK, match["speaker"]].append(name)
    return dict(blocks)


def deal_sessions(names: list[str], rng: np.random.Generator) -> Iterator[list[str]]:
    """Every name once, in random order, in sessions of 4 to 30 (fewer where there are fewer)."""
    left = [str(name) for name in rng.permutation(names)]
    while left:
        most = min(LONGEST_STEPS, len(left))
        steps = int(rng.integers(min(SHORTEST_STEPS, most), most + 1))
        # A rest that is too short for a session of its own stays with this one, or takes from it.
        if 0 < len(left) - steps < SHORTEST_STEPS:
            steps = most if most == len(left) else steps - SHORTEST_STEPS
        yield left[:steps]
        left = left[steps:]


def one_step(signal: np.ndarray) -> np.ndarray:
    """`[samples]` int16 to `[3000, 1]` float32, cut or filled with zeros at its end."""
    step = np.zeros((STEP_SAMPLES, 1), np.float32)
    kept = signal[:STEP_SAMPLES]
    step[: len(kept), 0] = kept / np.float32(-np.iinfo(np.int16).min)
    return step


def _write_session(recordings: list[pathlib.Path], speaker: str, path: pathlib.Path) -> None:
    digits = [int(recording.name[0]) for recording in recordings]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        signal=np.stack([one_step(_read_signal(recording)) for recording in recordings]),
        label=np.array(["below_five" if digit < 5 else "five_up" for digit in digits]),
        accent=np.array("native" if speaker in NATIVE_SPEAKERS else "not_native"),
    )


def _read_signal(path: pathlib.Path) -> np.ndarray:
    with np.load(path) as arrays:
        return arrays["signal"]


if __name__ == "__main__":
    main()
