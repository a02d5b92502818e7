"""What a kind of raw folder has to offer to be converted: list, describe, read.

A kind is one file of `kinds/`: its options, its errors, its reading. The table there finds it by
its class; nothing else names it.
"""

import dataclasses
import posixpath
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError, printable
from pipeline.sources.channels import Beside, ChannelName, Constant
from pipeline.sources.files import Files, FoundFile
from pipeline.sources.grouping import ReadText, group_and_split
from pipeline.sources.labels.label import Label
from pipeline.sources.names import normal
from pipeline.sources.options import ConvertOptions
from tfrecords_schema.left_out import LeftOut

InputKind = Literal["signal", "frames"]


class InputFile(NamedTuple):
    """One listed input: its path relative to the input folder, `/` between parts.

    `problem` says why it is rejected without being opened; it is empty if there is no reason to.
    """

    path: str
    size_bytes: int
    problem: str = ""


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
      labels: one, or of several side by side each in its place; None where it has none.
      stored_bytes: bytes of the converted data, where it is not an array; otherwise 0.
      samples: samples of a continuous signal that is cut in windows; otherwise 0.
      left_out: what of it is left out or changed; the example is filled in with the path.
      rate_hz: samples per second as the input says; 0 if it does not.
      channels: those of a step, in its order, where the input names them; of frames the numbers
        beside them.
      lacking: places of those of several labels of which nothing is known.
    """

    record_id: str
    path: str
    group: str
    split: str
    checksum: str
    dtype: str
    steps: int
    step_shape: tuple[int, ...]
    labels: tuple[Label | None, ...] = ()
    stored_bytes: int = 0
    samples: int = 0
    left_out: tuple[LeftOut, ...] = ()
    rate_hz: float = 0.0
    channels: tuple[ChannelName, ...] = ()
    lacking: tuple[int, ...] = ()

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
      labels: the labels as stored, as in a description.
      checksum: the description's, of what was read.
      left_out: what only reading showed to be left out or changed, as in a description.
      padding: number of samples at the end of the last step that fill it and were not recorded;
        only where `WindowLabels.keeps_tail` says that there may be some.
      unnarrowed: the data as it was, where records hold it in a dtype of fewer bits; or None.
      beside: `[time, numbers]` float32, what stands beside frames; or None.
    """

    data: np.ndarray | list[bytes]
    labels: tuple[np.ndarray | None, ...]
    checksum: str
    left_out: tuple[LeftOut, ...] = ()
    padding: int = 0
    unnarrowed: np.ndarray | None = None
    beside: np.ndarray | None = None

    @property
    def measured(self) -> np.ndarray | None:
        """What channels have statistics of: the signal, or what stands beside frames."""
        return self.data if isinstance(self.data, np.ndarray) else self.beside


class Stretch(NamedTuple):
    """A part of an input: its first sample and its end, of the channel with the highest rate."""

    start: int
    stop: int


class Grid(NamedTuple):
    """The steps that are labelled.

    Attributes:
      from_secs: time of the first sample.
      rate_hz: samples per second.
      samples: number of samples.
      window: samples of a step.
      steps: number of steps; the last may have fewer samples.
    """

    from_secs: float
    rate_hz: float
    samples: int
    window: int
    steps: int


class Stretches(NamedTuple):
    """The parts of an input between its gaps; `short` counts those with less than a step."""

    kept: Sequence[Stretch]
    short: int = 0


def no_text(key: str, flag: str) -> str:
    """Of inputs without fields.

    Raises:
      RejectedInputError: always.
    """
    raise RejectedInputError(f"no field {key!r} (--{flag}), as inputs of this kind have none")


def is_hidden(path: str) -> bool:
    """Whether a file, or a folder that it is in, has a name that begins with a dot."""
    return path.startswith(".") or "/." in path


def passed_over(path: str, why: str) -> Iterator[LeftOut]:
    """A file that is no input, by the ending of its name; nothing for what holds no data.

    Args:
      path: relative path.
      why: what it is not.
    """
    name = posixpath.basename(path)
    if name and not is_hidden(path):  # A folder with nothing in it has no name behind its `/`.
        ending = posixpath.splitext(name)[1].lower()
        by = f"ending in {printable(ending)}" if ending else "without an ending"
        yield LeftOut("file", f"{by}, {why}", 1, printable(path))


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of raw folder; the first line of its docstring says in the help what it is.

    Instances are small and picklable, and touch no file until they are asked to.

    Attributes:
      options: what to read, and how. The type of this field has the kind's flags.
      files: where inputs are listed and opened.
      kind: what the data is called in a record.
      suffix: how files end that are an input each, in letters of any case; one or several.
      input_name: what one input is called.
      no_label: why an input without a label is rejected where others have one, and what to do.
      stretch: the only part of every input that is there; None for all.
    """

    options: ConvertOptions
    files: Files
    stretch: Stretch | None = dataclasses.field(default=None, kw_only=True)
    kind: ClassVar[InputKind] = "signal"
    suffix: ClassVar[str | tuple[str, ...]] = ""
    input_name: ClassVar[str] = "file"
    no_label: ClassVar[str] = "no label, others have one; add it, or name --label_key"

    @classmethod
    def options_kind(cls) -> type[ConvertOptions]:
        """The kind of its options."""
        return typing.get_type_hints(cls)["options"]

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """Lists the inputs under the input folder, in any order, and what is passed over.

        Inputs are, if no kind says otherwise, all files with its suffix that are not hidden, in any
        depth.
        """
        for path, found in self.listed():
            if found.passed_over:
                yield found.passed_over
            elif path.endswith("/") or not path.lower().endswith(self.suffix):
                yield from passed_over(path, f"no {self.input_name}")
            elif is_hidden(path):
                yield LeftOut("file", "hidden, its name begins with a dot", 1, path)
            else:
                yield InputFile(path, found.size_in_bytes)

    def listed(self, folder: str = "") -> Iterator[tuple[str, FoundFile]]:
        """Relative path and metadata of every file in a folder below the input folder.

        With them comes what is passed over, and folders with nothing in them; see `FoundFile`.
        """
        root = self.full_path("")
        follow_links = self.options.follow_links
        for found in self.files.list(posixpath.join(root, folder), follow_links=follow_links):
            path = found.path.removeprefix(root)
            if found.passed_over:
                example = dataclasses.replace(found.passed_over, example=printable(path))
                found = found._replace(passed_over=example)
            yield path, found

    def record_id(self, path: str) -> str:
        """Id of the record: the relative path without suffix, as `normal` has it."""
        suffixes = (self.suffix,) if isinstance(self.suffix, str) else self.suffix
        found = next((s for s in suffixes if path.lower().endswith(s)), suffixes[0])
        return normal(path[: len(path) - len(found)])

    def full_path(self, path: str) -> str:
        """Where the input at a relative path is."""
        return posixpath.join(self.options.input_dir, path)

    def describe(self, path: str) -> Description:
        """Describes one input from its header.

        Raises:
          RejectedInputError: if it cannot be converted.
        """
        raise NotImplementedError

    def group_and_split(self, path: str, read: ReadText = no_text) -> tuple[str, str]:
        """See `grouping.group_and_split`; `read` reads what an input holds under a key."""
        return group_and_split(self.options, path, self.record_id(path), read)

    def read(self, path: str) -> RawRecord:
        """Reads one input.

        Raises:
          RejectedInputError: if it cannot be converted.
        """
        raise NotImplementedError

    def require_shape(self, path: str, step_shape: tuple[int, ...]) -> None:
        """Refuses by headers alone, where there are any, what has not this shape of a time step.

        Raises:
          RejectedInputError: it has another one.
        """

    def read_data(self, path: str) -> np.ndarray:
        """Reads one input without its label, which need not be there.

        Returns:
          `[time, *step_shape]`, as the input pipeline reads it from a record.

        Raises:
          RejectedInputError: if it cannot be converted.
        """
        return np.asarray(self.read(path).data)

    def without_labels(self) -> "Source":
        """The same of inputs that have none."""
        return dataclasses.replace(self, options=self.options.without_labels())

    def padding(self, path: str) -> int:
        """Samples at the end of what `read_data` reads that fill the last step; see `RawRecord`.

        Raises:
          RejectedInputError: if it cannot be converted.
        """
        return 0

    def constants(self, path: str, names: Sequence[str]) -> Sequence[Constant]:
        """What becomes channels that are the same at all times; only kinds with `ValueOptions`.

        Args:
          path: relative path of the input.
          names: of values that it should have; it may add others.

        Raises:
          RejectedInputError: if it is not there.
        """
        return ()

    def fields(self, path: str) -> Mapping[str, Any]:
        """What an input itself says beside its data, by names as `normal` has them.

        Raises:
          RejectedInputError: if it cannot be read.
        """
        return {}

    def beside(self, path: str, steps: int) -> Beside | None:
        """The numbers beside so many steps; only kinds with `FrameOptions` have some.

        Raises:
          RejectedInputError: if one is not there, or does not fit.
        """
        return None

    def grid(self, path: str) -> Grid:
        """The steps of an input in time; only kinds with `AnnotationOptions` have it.

        Raises:
          RejectedInputError: if it cannot be converted.
        """
        raise NotImplementedError

    def stretches(self, path: str) -> Stretches:
        """The parts of an input between its gaps; only kinds with `GapOptions` have some.

        Raises:
          RejectedInputError: if it cannot be read.
        """
        raise NotImplementedError

    def within(self, stretch: Stretch | None) -> "Source":
        """The same source of which inputs have no more than a stretch."""
        return dataclasses.replace(self, stretch=stretch)

    def make_alike(self, found: Description, step_shape: tuple[int, ...]) -> str:
        """What to do about an input whose steps are unlike those of most.

        Args:
          found: the input.
          step_shape: shape of a step of most inputs.
        """
        return "make all recordings alike"

    @property
    def nothing(self) -> str:
        """What is wrong with an input folder without inputs."""
        folder = self.options.input_dir
        return f"no {self.input_name} under --input_dir={folder}; give another folder"
