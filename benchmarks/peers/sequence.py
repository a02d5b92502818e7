"""The source's input: npz files loaded and padded in Python, batch by batch."""

import os

import numpy as np


def load_padded(folder: str, ids: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loads one batch as the source's `keras.utils.Sequence` does.

    `pad_sequences(dtype="float32", padding="post")` of Keras, written out, so that this file needs
    no Keras; without the dtype, as in the source, it cuts the signal to integers.

    Args:
        folder: holds `signal/ID.npz` and `target/ID.npz`.
        ids: of the batch.

    Returns:
        `[batch, longest, samples, 1] float32`, labels `[batch, longest, 1] int64`, lengths.
    """
    signals = [_load(folder, "signal", name) for name in ids]
    labels = [_load(folder, "target", name) for name in ids]
    lengths = np.array([len(signal) for signal in signals])
    return _padded(signals, "float32"), _padded(labels, "int64"), lengths


def _load(folder: str, kind: str, name: str) -> np.ndarray:
    with np.load(os.path.join(folder, kind, name + ".npz")) as arrays:
        return arrays[arrays.files[0]]


def _padded(arrays: list[np.ndarray], dtype: str) -> np.ndarray:
    longest = max(len(array) for array in arrays)
    padded = np.full([len(arrays), longest, *arrays[0].shape[1:]], 0.0, dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded
