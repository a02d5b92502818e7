"""What a kind of raw data has to offer to be converted: list, describe, read."""

import dataclasses
from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from pipeline.console.errors import printable

InputKind = Literal["signal", "frames"]
LabelForm = Literal["integer", "text", "value"]


class InputFile(NamedTuple):
    """One listed input: its path relative to the input folder, `/` between parts.

    `problem` says why it is rejected without being opened; it is empty if there is no reason to.
    """

    path: str
    size_bytes: int
    problem: str = ""


class Label(NamedTuple):
    """What a label looks like before its kind is known.

    Attributes:
      form: `integer` and `text` are classes, `value` is a number or a vector.
      dtype: NumPy name of the dtype it will be stored in.
      shape: shape in the source.
      classes: distinct classes in this record, sorted; empty for values.
    """

    form: LabelForm
    dtype: str
    shape: tuple[int, ...]
    classes: tuple[int, ...] | tuple[str, ...] = ()


class Description(NamedTuple):
    """One input as its header describes it; the data has not been read.

    Attributes:
      record_id: id of the record.
      path: relative path of the input.
      group: records of one group stay in one split.
      split: split that the input itself or its name prescribes; empty if none.
      checksum: changes when the content changes.
      dtype: dtype of the converted data.
      steps: number of time steps of the converted data.
      step_shape: shape of one step of the converted data.
      label: None without a label.
      stored_bytes: bytes of the converted data, where it is not an array; otherwise 0.
      samples: samples of a continuous signal that is cut in windows; otherwise 0.
    """

    record_id: str
    path: str
    group: str
    split: str
    checksum: str
    dtype: str
    steps: int
    step_shape: tuple[int, ...]
    label: Label | None
    stored_bytes: int = 0
    samples: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of the converted data."""
        if self.stored_bytes:
            return self.stored_bytes
        return self.steps * int(np.prod(self.step_shape)) * np.dtype(self.dtype).itemsize


class Reject(NamedTuple):
    """An input that was left out: where, at which stage, and why."""

    path: str
    stage: Literal["list", "describe", "check", "write", "changed"]
    reason: str


@dataclasses.dataclass(frozen=True)
class RawRecord:
    """One record in memory.

    Attributes:
      data: `[time, *step_shape]`, or encoded frames.
      label: the label as stored; None without one.
      checksum: the description's, of what was read.
      zeroed: number of values that were not finite and are 0 now.
      padding: number of samples at the end of the last step that fill it and were not recorded.
    """

    data: np.ndarray | list[bytes]
    label: np.ndarray | None
    checksum: str
    zeroed: int = 0
    padding: int = 0


def checked_file(file: InputFile) -> InputFile:
    """A listed input under a name that can be written, and with its problem if it has one.

    Args:
      file: as the source lists it; the name is what the file system has.
    """
    path, problem = printable(file.path), file.problem
    if path != file.path:
        problem = "its name is not UTF-8; rename it"
    elif not file.size_bytes:  # It is not opened: a pipe has no bytes, too, and never ends.
        problem = "it is empty; remove it, or copy it again"
    return InputFile(path, file.size_bytes, problem)


@runtime_checkable  # Beam checks type hints at run time.
class Source(Protocol):
    """A kind of raw data. Implementations are small and picklable."""

    def kind(self) -> InputKind:
        """What the data is called in the record."""

    def list_inputs(self) -> Iterator[InputFile]:
        """Lists the inputs under the input folder, in any order."""

    def record_id(self, path: str) -> str:
        """Id of the record at a relative path."""

    def describe(self, path: str) -> Description:
        """Describes one input from its header.

        Raises:
          RejectedInputError: if it cannot be converted.
        """

    def read(self, path: str) -> RawRecord:
        """Reads one input.

        Raises:
          RejectedInputError: if it cannot be converted.
        """

    def read_data(self, path: str) -> np.ndarray | list[bytes]:
        """Reads one input without its label, which need not be there.

        Raises:
          RejectedInputError: if it cannot be converted.
        """
