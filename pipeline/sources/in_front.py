"""A source in front of another: what it does not say otherwise is as the other has it."""

import dataclasses
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.sources.channels import Beside, Constant
from pipeline.sources.grouping import ReadText
from pipeline.sources.source import (
    Description,
    Grid,
    InputFile,
    RawRecord,
    Source,
    Stretch,
    Stretches,
    no_text,
)
from tfrecords_schema.left_out import LeftOut


@dataclasses.dataclass(frozen=True)
class InFront(Source):
    """Another source.

    Attributes:
      inner: the source.
    """

    inner: Source

    def __post_init__(self) -> None:
        for name in ("kind", "suffix", "input_name", "no_label"):
            object.__setattr__(self, name, getattr(self.inner, name))

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """See `Source`."""
        return self.inner.list_inputs()

    def record_id(self, path: str) -> str:
        """See `Source`."""
        return self.inner.record_id(path)

    def full_path(self, path: str) -> str:
        """See `Source`."""
        return self.inner.full_path(path)

    def describe(self, path: str) -> Description:
        """See `Source`."""
        return self.inner.describe(path)

    def group_and_split(self, path: str, read: ReadText = no_text) -> tuple[str, str]:
        """See `Source`."""
        return self.inner.group_and_split(path, read)

    def read(self, path: str) -> RawRecord:
        """See `Source`."""
        return self.inner.read(path)

    def read_data(self, path: str) -> np.ndarray:
        """See `Source`."""
        return self.inner.read_data(path)

    def padding(self, path: str) -> int:
        """See `Source`."""
        return self.inner.padding(path)

    def constants(self, path: str, names: Sequence[str]) -> Sequence[Constant]:
        """See `Source`."""
        return self.inner.constants(path, names)

    def fields(self, path: str) -> Mapping[str, Any]:
        """See `Source`."""
        return self.inner.fields(path)

    def beside(self, path: str, steps: int) -> Beside | None:
        """See `Source`."""
        return self.inner.beside(path, steps)

    def grid(self, path: str) -> Grid:
        """See `Source`."""
        return self.inner.grid(path)

    def stretches(self, path: str) -> Stretches:
        """See `Source`."""
        return self.inner.stretches(path)

    def within(self, stretch: Stretch | None) -> "InFront":
        """See `Source`."""
        return dataclasses.replace(self, inner=self.inner.within(stretch))

    def without_labels(self) -> Source:
        """See `Source`."""
        bare = super().without_labels()
        assert isinstance(bare, InFront)
        return dataclasses.replace(bare, inner=self.inner.without_labels())

    def require_shape(self, path: str, step_shape: tuple[int, ...]) -> None:
        """See `Source`."""
        self.inner.require_shape(path, step_shape)

    def make_alike(self, found: Description, step_shape: tuple[int, ...]) -> str:
        """See `Source`."""
        return self.inner.make_alike(found, step_shape)

    @property
    def nothing(self) -> str:
        """See `Source`."""
        return self.inner.nothing


def digest(found: Iterable[np.ndarray | None]) -> str:
    """What labels or values from elsewhere add to the checksum of an input."""
    contents = (repr(one.tolist()).encode() for one in found if one is not None)
    return "".join(f";{zlib.crc32(content):08x}" for content in contents)
