"""In front of kinds of continuous signals: each stretch between two gaps is a recording."""

import dataclasses
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.sources.grouping import ReadText
from pipeline.sources.in_front import InFront
from pipeline.sources.source import (
    Description,
    InputFile,
    RawRecord,
    Source,
    Stretch,
    no_text,
)
from tfrecords_schema.left_out import LeftOut

_PART = re.compile(r"(.*)#(\d+)-(\d+)", re.DOTALL)


class _Place(NamedTuple):
    """An input of the source behind, and which stretch of it is meant; None of one unread."""

    path: str
    stretch: Stretch | None


@dataclasses.dataclass(frozen=True)
class SplitSource(InFront):
    """Another source, of whose inputs each stretch without gaps is one: `a.npz#0-1500`.

    The numbers are the first sample and the end, of the channel with the highest rate. Inputs are
    read once to find their gaps, while they are listed. All stretches of an input have its group.
    """

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """Lists the stretches, and how many are shorter than a step."""
        for file in self.inner.list_inputs():
            if isinstance(file, LeftOut) or file.problem or not file.size_bytes:
                yield file
                continue
            try:
                found = self.inner.stretches(file.path)
            except RejectedInputError as error:
                yield file._replace(problem=str(error))
                continue
            if found.short:
                why = "between gaps, less than a window; --tail=pad keeps them"
                yield LeftOut("stretch", why, found.short, file.path)
            if not found.kept:
                problem = "it has no stretch without gaps that is as long as a step; remove it"
                yield file._replace(problem=problem)
            for start, stop in found.kept:
                yield file._replace(path=f"{file.path}#{start}-{stop}")

    def record_id(self, path: str) -> str:
        """That of the input, with the stretch behind it."""
        place = _place(path)
        record_id = self.inner.record_id(place.path)
        return record_id + path[len(place.path) :]

    def full_path(self, path: str) -> str:
        """See `Source`."""
        return self.inner.full_path(_place(path).path)

    def group_and_split(self, path: str, read: ReadText = no_text) -> tuple[str, str]:
        """Those of the input that a stretch is of."""
        return self.inner.group_and_split(_place(path).path, read)

    def describe(self, path: str) -> Description:
        """See `Source`."""
        found = self._of(path).describe(_place(path).path)
        return found._replace(path=path, record_id=self.record_id(path))

    def read(self, path: str) -> RawRecord:
        """See `Source`."""
        return self._of(path).read(_place(path).path)

    def read_data(self, path: str) -> np.ndarray:
        """See `Source`."""
        return self._of(path).read_data(_place(path).path)

    def padding(self, path: str) -> int:
        """See `Source`."""
        return self._of(path).padding(_place(path).path)

    def _of(self, path: str) -> Source:
        return self.inner.within(_place(path).stretch)


def _place(path: str) -> _Place:
    found = _PART.fullmatch(path)
    if not found:
        return _Place(path, None)
    return _Place(found[1], Stretch(int(found[2]), int(found[3])))
