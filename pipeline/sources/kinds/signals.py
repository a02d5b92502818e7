"""Signals in npz files, one recording per file; labels inside it or in a file of the same name."""

import contextlib
import dataclasses
import functools
import math
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from pipeline.console.errors import MissingLabelError, RejectedInputError, UsageError
from pipeline.console.options import option
from pipeline.sources.arrays import ArrayChoice, required_key, time_first
from pipeline.sources.channels import Constant
from pipeline.sources.files import require_file
from pipeline.sources.grouping import text_of
from pipeline.sources.labels.label import Label
from pipeline.sources.names import decode, normal, parts
from pipeline.sources.narrowing import stored
from pipeline.sources.npz import ArrayFile, open_npz
from pipeline.sources.options import read_folder, require_size
from pipeline.sources.recordings.extents import Extent, find_extent
from pipeline.sources.recordings.joining import long_enough, stretches
from pipeline.sources.several.joint import JointFile
from pipeline.sources.several.signal_options import SeveralOptions, constants_of
from pipeline.sources.source import Description, Grid, RawRecord, Source, Stretches
from pipeline.sources.windows import cut_in_windows
from tfrecords_schema.channels import MOST_FEATURES
from tfrecords_schema.left_out import LeftOut


@dataclasses.dataclass(frozen=True)
class SignalOptions(SeveralOptions):
    """Signals."""

    target_dir: str = read_folder("", "Folder with labels under the same names.", common=False)
    single_step: bool = option(
        False,
        "The whole array is one time step, as a vector that a sequence of labels follows from.",
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        both = [key for key in parts(self.label_key) if key in self.signal_keys]
        if both and not self.target_dir:
            raise UsageError(f"--signal_key and --label_key are both {both[0]}; name two arrays")
        others = (self.window, self.time_axis, self.selects, self.are_several)
        if self.single_step and any(others):
            raise UsageError(
                "--single_step does not go with --time_axis, several signals, the window flags and "
                "those of channels, rates and gaps; leave out one of them"
            )

    def recorded(self) -> dict[str, Any]:
        """See `ConvertOptions`; of the folder with labels only that there is one."""
        return {**super().recorded(), "target_dir": "targets" if self.target_dir else ""}


@dataclasses.dataclass(frozen=True)
class SignalSource(Source):
    """npz files, a recording each; its label is the array label or y, or in a file of --target_dir.

    A file of targets has the recording's relative path.
    """

    options: SignalOptions
    suffix: ClassVar[str | tuple[str, ...]] = ".npz"
    input_name = "npz file"
    no_label = "no label (arrays named label or y), others have one; add it, or name --label_key"

    def describe(self, path: str) -> Description:
        """Describes a recording from its zip directory and npy headers.

        Raises:
          RejectedInputError: if an array is missing, ambiguous, or of an unusable shape or dtype.
        """
        with self._opened(path) as npz:
            signal_key, label_keys = self._choice.keys(npz)
            header = npz.header(signal_key)
            extent = self._extent(npz, signal_key)
            labels = self._describe_labels(npz, label_keys, extent)
            group, split = self.group_and_split(path, functools.partial(_scalar, npz))
            checksum = npz.checksum
            left_out = [*self._choice.unused(npz, signal_key, label_keys)]
            left_out += npz.unused() if isinstance(npz, JointFile) else ()
            left_out += _narrowed(npz, "signal", [signal_key])
            left_out += _narrowed(npz, "label", _value_keys(label_keys, labels))
        if self.options.target_dir:
            with self._open_target(path) as npz:
                label_keys = self._choice.label_keys(npz)
                labels = self._describe_labels(npz, label_keys, extent)
                checksum = f"{checksum};{npz.checksum}"
                left_out += [*self._choice.unused(npz, None, label_keys)]
                left_out += _narrowed(npz, "label", _value_keys(label_keys, labels))
        dtype = self._dtype(header.dtype, signal_key)
        steps, step_shape = self._steps(extent.shape, signal_key)
        samples = extent.shape[0] if self.options.window else 0
        left_out += self.options.dropped(samples, steps)
        description = Description(
            self.record_id(path), path, group, split, checksum, dtype, steps, step_shape,
            labels, samples=samples, left_out=tuple(left_out), rate_hz=extent.rate_hz,
            channels=extent.channels,
        )  # fmt: skip
        limit_mib = self.options.max_record_mib
        what = "the signal, cut and padded,"
        require_size(what, description.size_bytes, "max_record_mib", limit_mib)
        require_size("the label", self._label_bytes(description), "max_record_mib", limit_mib)
        return description

    def read(self, path: str) -> RawRecord:
        """Reads a recording and its label; the signal is cut in windows and converted.

        Raises:
          RejectedInputError: like `describe`, or if the file is damaged.
        """
        with self._opened(path) as npz:
            signal_key, label_keys = self._choice.keys(npz)
            extent = self._extent(npz, signal_key)
            found = self._signal(npz, signal_key, extent)
            labels = tuple(self._label(npz, key, extent) for key in label_keys)
            checksum = npz.checksum
        if self.options.target_dir:
            with self._open_target(path) as npz:
                label_keys = self._choice.label_keys(npz)
                labels = tuple(self._label(npz, key, extent) for key in label_keys)
                checksum = f"{checksum};{npz.checksum}"
        return dataclasses.replace(found, labels=labels, checksum=checksum)

    def without_labels(self) -> Source:
        """See `Source`."""
        options = self.options.without_labels(target_dir="")
        return dataclasses.replace(self, options=options)

    def padding(self, path: str) -> int:
        """See `Source`."""
        if self.options.tail != "pad":
            return 0
        with self._opened(path) as npz:
            return self._padding(self._extent(npz, self._choice.data_key(npz)))

    def read_data(self, path: str) -> np.ndarray:
        """Reads a recording alone; an array with a label may be there or not.

        Raises:
          RejectedInputError: like `read`.
        """
        with self._opened(path) as npz:
            key = self._choice.data_key(npz)
            return np.asarray(self._signal(npz, key, self._extent(npz, key)).data)

    def constants(self, path: str, names: Sequence[str]) -> list[Constant]:
        """See `Source`."""
        with self.open_input(path) as npz:
            return constants_of(npz, names, self.options)

    def grid(self, path: str) -> Grid:
        """See `Source`."""
        with self._opened(path) as npz:
            extent = self._extent(npz, self._choice.data_key(npz))
        assert extent.section is not None
        steps, (window, *_) = self._steps(extent.shape, "signal")
        section, window = extent.section, window if self.options.window else 1
        return Grid(section.from_secs, section.rate_hz, section.samples, window, steps)

    def stretches(self, path: str) -> Stretches:
        """See `Source`."""
        with self._opened(path) as npz:
            key = self._choice.data_key(npz)
            extent = self._extent(npz, key)
            assert extent.section is not None
            found = stretches(extent.section, extent.read(self._given(npz, key)), "float32")
            return long_enough(found, extent.own, self.options)

    def make_alike(self, found: Description, step_shape: tuple[int, ...]) -> str:
        """See `Source`."""
        is_matrix = len(found.step_shape) == len(step_shape) == 1
        hint = ", or, if time is their second axis, add --time_axis=1"
        is_other = is_matrix and found.step_shape != step_shape and not self.options.time_axis
        return super().make_alike(found, step_shape) + (hint if is_other else "")

    @property
    def _choice(self) -> ArrayChoice:
        options = self.options
        return ArrayChoice(
            options,
            options.signal_key,
            options.other_arrays,
            has_targets=bool(options.target_dir),
        )

    def open_input(self, path: str) -> AbstractContextManager[ArrayFile]:
        """Opens the input at a relative path."""
        return self.open_arrays(self.full_path(path))

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[ArrayFile]:
        """An input in which several signals are one."""
        with self.open_input(path) as file:
            is_one = not self.options.are_several or normal(self.options.signal_key) in file.keys
            yield file if is_one else JointFile(file, self.options.several)

    def open_arrays(self, path: str) -> AbstractContextManager[ArrayFile]:
        """Opens the file at a full path."""
        return open_npz(path, self.files, self.options.max_record_mib)

    @contextlib.contextmanager
    def _open_target(self, path: str) -> Iterator[ArrayFile]:
        """Opens the file with a recording's label; what is wrong while it is open names it.

        In quotes: one reason is told once, however many files have it.
        """
        # One of the two folders may have its names from macOS, the other from elsewhere.
        forms = dict.fromkeys((path, normal(path), unicodedata.normalize("NFD", path)))
        targets = [posixpath.join(self.options.target_dir, form) for form in forms]
        target = next(filter(self.files.exists, targets), "")
        if not target:
            raise MissingLabelError(
                f"no target file '{targets[0]}'; add it, or remove the recording"
            )
        try:
            require_file(target)
            with self.open_arrays(target) as npz:
                yield npz
        except RejectedInputError as error:
            raise type(error)(f"target file '{target}': {error}") from error

    def _extent(self, npz: ArrayFile, key: str) -> Extent:
        shape = time_first(npz.header(key).shape, self.options.time_axis, key)
        return find_extent(npz, key, shape, self.options, self.stretch)

    def _given(self, npz: ArrayFile, key: str) -> np.ndarray:
        """The array with its time first."""
        given = npz.array(key)
        # Of a single number there is none to move.
        return np.moveaxis(given, self.options.time_axis, 0) if given.ndim else given

    def _signal(self, npz: ArrayFile, key: str, extent: Extent) -> RawRecord:
        """The signal as it is stored, without its label."""
        given = self._given(npz, key)
        dtype = self._dtype(given.dtype, key)
        found, changed = extent.of(given, dtype, self.options)
        changed += npz.said() if isinstance(npz, JointFile) else ()
        signal, unnarrowed = stored(self._cut(found, key), dtype, "the signal")
        return RawRecord(signal, (), "", changed, self._padding(extent), unnarrowed)

    def _dtype(self, dtype: np.dtype, key: str) -> str:
        converted = _converted_dtype(dtype, key)
        return "float32" if self.options.resample_hz else converted

    def _padding(self, extent: Extent) -> int:
        """Samples that a signal has only since it was cut in windows."""
        return self.options.padding(extent.shape[0]) if extent.shape else 0

    def _label_axis(self, shape: tuple[int, ...], length: tuple[int, ...]) -> int:
        """Which axis of a label is time: with channels first that of the signal, too."""
        axis = self.options.time_axis
        is_there = axis and len(shape) > 1 and -len(shape) <= axis < len(shape)
        is_first = shape[:1] in (length, (1,))  # A row is taken for a column elsewhere.
        return axis if is_there and not is_first and shape[axis : axis + 1] == length else 0

    def _label(self, npz: ArrayFile, key: str | None, extent: Extent) -> np.ndarray | None:
        """A label with its time first, if it has the signal's."""
        if key is None:
            return None
        label = npz.array(key)
        axis = self._label_axis(label.shape, extent.given[:1])
        return extent.of_label(np.moveaxis(label, axis, 0) if axis else label)

    def _label_bytes(self, description: Description) -> int:
        """Bytes of the label as it is stored: classes are int64, windows have one label each."""
        size = 0
        for label, asked in zip(description.labels, self.options.file_labels, strict=True):
            if label is None:
                continue
            shape = label.shape
            is_per_sample = description.samples and shape[:1] == (description.samples,)
            if is_per_sample and asked.kind.startswith(("auto", "sample_")):
                shape = (description.steps, *shape[1:])
            size += math.prod(shape) * np.dtype(label.dtype).itemsize
        return size

    def _describe_labels(
        self, npz: ArrayFile, keys: Sequence[str | None], extent: Extent
    ) -> tuple[Label | None, ...]:
        asked = self.options.file_labels if keys else ()
        pairs = zip(keys, asked, strict=True)
        return tuple(self._describe_label(npz, key, extent, one.kind) for key, one in pairs)

    def _describe_label(
        self, npz: ArrayFile, key: str | None, extent: Extent, kind: str
    ) -> Label | None:
        from tfrecords_schema.labels import SUPPORTED_DTYPES  # Help must not wait for TensorFlow.

        if key is None:
            return None
        header = npz.header(key)
        dtype = _stored_dtype(header.dtype)
        is_class = header.dtype.kind in "iubUS" and not kind.endswith("_value")
        if not is_class and dtype not in SUPPORTED_DTYPES:
            expected = "text, integers or floats"
            if kind.endswith("_value"):
                expected = f"numbers, for --label_kind={kind}; store such, or name another kind"
            raise RejectedInputError(f"label {key!r} has dtype {header.dtype}; expected {expected}")
        label = self._label(npz, key, extent)
        assert label is not None
        return (
            Label.of_classes(label, label.shape)
            if is_class
            else Label.of_numbers(label, dtype, kind)
        )

    def _steps(self, shape: tuple[int, ...], key: str) -> tuple[int, tuple[int, ...]]:
        window = self.options.window
        if self.options.single_step:
            shape = (1, *shape)
        if not shape or 0 in shape:
            raise RejectedInputError(
                f"signal {key!r} has shape {list(shape)}; expected at least one time step, with "
                "something in it: [time, ...step shape]"
            )
        if window is None:
            is_wide = self.options.are_several and len(shape) == 2 and shape[1] > MOST_FEATURES
            return shape[0], (1, shape[1]) if is_wide else shape[1:] or (1,)
        if len(shape) not in (1, 2):
            raise RejectedInputError(
                f"signal {key!r} has shape {list(shape)}; a continuous signal is [samples] or "
                "[samples, channels]; leave out the window flags if it is cut in steps already"
            )
        steps = self.options.steps(shape[0], f"signal {key!r}", _axis_hint(shape, window))
        return steps, (window, shape[1] if len(shape) == 2 else 1)

    def _cut(self, signal: np.ndarray, key: str) -> np.ndarray:
        steps, step_shape = self._steps(signal.shape, key)
        if self.options.window is not None:
            size = steps * math.prod(step_shape) * signal.dtype.itemsize
            what, limit_mib = "the signal, cut and padded,", self.options.max_record_mib
            require_size(what, size, "max_record_mib", limit_mib)
            signal = cut_in_windows(signal, steps, step_shape[0])
        return np.ascontiguousarray(signal.reshape((steps, *step_shape)))


def _axis_hint(shape: tuple[int, ...], window: int) -> str:
    is_long = len(shape) == 2 and shape[1] >= window
    return f" (it is {list(shape)}: with channels first, add --time_axis=1)" if is_long else ""


def _stored_dtype(dtype: np.dtype) -> str:
    name = dtype.newbyteorder("=").name
    return "float32" if name == "float64" else name


def _narrowed(npz: ArrayFile, what: str, keys: Iterable[str]) -> list[LeftOut]:
    """What is said of float64 in any of these arrays."""
    is_wide = any(npz.header(key).dtype.newbyteorder("=") == np.float64 for key in keys)
    return [LeftOut("recording", f"{what} float64, stored as float32")] * is_wide


def _value_keys(keys: Sequence[str | None], labels: Sequence[Label | None]) -> list[str]:
    """The arrays with labels whose numbers are stored: of classes their places are."""
    pairs = zip(keys, labels, strict=True)
    return [k for k, one in pairs if k and one and one.form == "value" and not one.looks.ones]


def _converted_dtype(dtype: np.dtype, key: str) -> str:
    from tfrecords_schema.labels import SUPPORTED_DTYPES  # Help must not wait for TensorFlow.

    name = _stored_dtype(dtype)
    if name not in SUPPORTED_DTYPES:
        raise RejectedInputError(
            f"signal {key!r} has dtype {dtype}; expected one of "
            f"{', '.join(SUPPORTED_DTYPES)} or float64"
        )
    return name


def _scalar(npz: ArrayFile, key: str, flag: str) -> str:
    key = required_key(npz, key, flag)
    shape = npz.header(key).shape
    if math.prod(shape) != 1:
        raise RejectedInputError(
            f"array {key!r} (--{flag}) has shape {list(shape)}; expected one value"
        )
    item = npz.array(key).reshape(-1)[0].item()
    return decode(item, f"array {key!r} (--{flag})") if isinstance(item, bytes) else text_of(item)
