"""Recordings of several signals, their source, and what they are together by a plain loop."""

from typing import Any

import numpy as np

from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source
from pipeline.sources.kinds.signals import SignalOptions
from pipeline.sources.source import Source
from tests.pipeline.conversions import Folders


def source_of(folders: Folders, **options: Any) -> Source:
    return make_source(SignalOptions(str(folders.inputs), "", "test", **options), GFiles())


def joined(*signals: tuple[np.ndarray, int]) -> np.ndarray:
    """Row by row the next samples of each signal, as many as it has in a row."""
    rows = []
    for row in range(min(len(array) // count for array, count in signals)):
        values: list[Any] = []
        for array, count in signals:
            for sample in range(row * count, (row + 1) * count):
                values.extend(np.atleast_1d(array[sample]))
        rows.append(values)
    return np.array(rows, np.result_type(*(array.dtype for array, _ in signals)))


def noise(*shape: int, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    found = np.random.default_rng([seed, *shape]).normal(0, 100, shape)
    return found.astype(dtype)
