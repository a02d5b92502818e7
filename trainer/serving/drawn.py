"""Recordings that are kept while they are predicted, to be drawn."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import numpy as np

from pipeline.inspect.samples import MAX_FRAMES, Sample
from trainer.data.raw_batches import RawBatch


def page_of(output: str) -> str:
    """Where the page is, beside the table; no run has a page of that name."""
    return f"{posixpath.splitext(output)[0]}-pictures.html"


class Drawn:
    """Keeps the first recordings that pass, whole signals or some of the frames."""

    def __init__(self, most: int, kind: str):
        self._most, self._kind = most, kind
        self.samples: dict[int, Sample] = {}

    def passing(self, batches: Iterator[RawBatch]) -> Iterator[RawBatch]:
        """The batches."""
        for batch in batches:
            left = self._most - len(self.samples)
            for row in range(min(left, len(batch.ids))):
                self.samples[batch.order[row]] = self._sample(batch, row)
            yield batch

    def _sample(self, batch: RawBatch, row: int) -> Sample:
        steps = batch.steps[row]
        data = np.asarray(batch.inputs[self._kind][row])[:steps]
        shown = np.arange(steps)
        if self._kind == "frames":
            shown = np.unique(np.linspace(0, steps - 1, MAX_FRAMES).astype(int))
            data = data[shown].astype(np.uint8)
        return Sample(batch.ids[row], steps, data.copy(), shown, None)
