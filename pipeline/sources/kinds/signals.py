"""Signals in npz files, one recording per file; labels inside it or in a file of the same name."""

import contextlib
import dataclasses
import functools
import math
import posixpath
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import Effect, option
from pipeline.sources.files import require_file
from pipeline.sources.grouping import text_of
from pipeline.sources.names import class_values, decode
from pipeline.sources.npz import NpzFile, open_npz
from pipeline.sources.options import as_folder, require_size
from pipeline.sources.source import Description, Label, LabelForm, RawRecord, Source
from pipeline.sources.windows import WindowOptions

_LABEL_KEYS = ("label", "y")


@dataclasses.dataclass(frozen=True)
class SignalOptions(WindowOptions):
    """Signals."""

    target_dir: str = option(
        "",
        "Folder with labels under the same names.",
        common=True,
        effect=Effect.NONE,
        parse=as_folder,
    )
    signal_key: str = option("", "Array with the signal; else the only one.", common=True)
    single_step: bool = option(
        False,
        "The whole array is one time step, as a vector that a sequence of labels follows from.",
    )
    time_axis: int = option(0, "Axis of time; 1 for [channels, samples].", common=True)
    non_finite: str = option(
        "reject",
        "Recordings with NaN or infinity in the signal: reject them, or put zeros there; a label "
        "with them is rejected always.",
        ("reject", "zero"),
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.signal_key and self.signal_key == self.label_key and not self.target_dir:
            raise UsageError(
                f"--signal_key and --label_key are both {self.label_key}; name two arrays"
            )
        if self.single_step and (self.window or self.time_axis):
            raise UsageError(
                "--single_step does not go with --time_axis and the window flags; leave out one of "
                "them"
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
    suffix = ".npz"
    input_name = "npz file"
    no_label = "no label (arrays named label or y), others have one; add it, or name --label_key"

    def describe(self, path: str) -> Description:
        """Describes a recording from its zip directory and npy headers.

        Raises:
          RejectedInputError: if an array is missing, ambiguous, or of an unusable shape or dtype.
        """
        with self._open(self.full_path(path)) as npz:
            signal_key, label_key = self._keys(npz)
            header = npz.header(signal_key)
            label = self._describe_label(npz, label_key)
            group, split = self.group_and_split(path, functools.partial(_scalar, npz))
            checksum = npz.checksum
        if self.options.target_dir:
            with self._open_target(path) as npz:
                label = self._describe_label(npz, self._label_key(npz))
                checksum = f"{checksum};{npz.checksum}"
        dtype = _converted_dtype(header.dtype, signal_key)
        shape = self._time_first(header.shape, signal_key)
        steps, step_shape = self._steps(shape, signal_key)
        samples = shape[0] if self.options.window else 0
        description = Description(
            self.record_id(path), path, group, split, checksum, dtype, steps, step_shape, label,
            samples=samples,
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
        with self._open(self.full_path(path)) as npz:
            signal_key, label_key = self._keys(npz)
            signal, zeroed = self._signal(npz, signal_key)
            padding = self._padding(npz, signal_key, signal.shape)
            label = npz.array(label_key) if label_key else None
            checksum = npz.checksum
        if self.options.target_dir:
            with self._open_target(path) as npz:
                label_key = self._label_key(npz)
                label = npz.array(label_key) if label_key else None
                checksum = f"{checksum};{npz.checksum}"
        return RawRecord(signal, label, checksum, zeroed, padding)

    def read_data(self, path: str) -> np.ndarray:
        """Reads a recording alone; an array with a label may be there or not.

        Raises:
          RejectedInputError: like `read`.
        """
        with self._open(self.full_path(path)) as npz:
            keys = [self.options.label_key] if self.options.label_key else _LABEL_KEYS
            keys = [] if self.options.target_dir else keys
            found = (key for key in keys if key in npz.keys and self._leaves_a_signal(npz, key))
            return self._signal(npz, self._signal_key(npz, next(found, None)))[0]

    def make_alike(self, found: Description, step_shape: tuple[int, ...]) -> str:
        """See `Source`."""
        is_matrix = len(found.step_shape) == len(step_shape) == 1
        hint = ", or, if time is their second axis, add --time_axis=1"
        is_other = is_matrix and found.step_shape != step_shape and not self.options.time_axis
        return super().make_alike(found, step_shape) + (hint if is_other else "")

    def _open(self, path: str) -> AbstractContextManager[NpzFile]:
        return open_npz(path, self.files, self.options.max_record_mib)

    @contextlib.contextmanager
    def _open_target(self, path: str) -> Iterator[NpzFile]:
        """Opens the file with a recording's label; what is wrong while it is open names it.

        In quotes: one reason is told once, however many files have it.
        """
        target = posixpath.join(self.options.target_dir, path)
        if not self.files.exists(target):
            raise RejectedInputError(f"no target file '{target}'; add it, or remove the recording")
        try:
            require_file(target)
            with self._open(target) as npz:
                yield npz
        except RejectedInputError as error:
            raise RejectedInputError(f"target file '{target}': {error}") from error

    def _signal(self, npz: NpzFile, key: str) -> tuple[np.ndarray, int]:
        """The signal as it is stored, and how many values in it were not finite and are 0."""
        signal = npz.array(key)
        dtype = _converted_dtype(signal.dtype, key)
        with np.errstate(over="ignore"):  # What float32 cannot hold is found as infinity later.
            signal = signal.astype(dtype, copy=False)
        self._time_first(signal.shape, key)  # Whether there is such an axis.
        if signal.ndim:  # Of a single number there is none to move.
            signal = np.moveaxis(signal, self.options.time_axis, 0)
        signal = self._cut(signal, key)
        if self.options.non_finite == "reject":
            return signal, 0
        bad = ~np.isfinite(signal)
        zeroed = int(bad.sum())
        return (np.where(bad, signal.dtype.type(0), signal) if zeroed else signal), zeroed

    def _padding(self, npz: NpzFile, key: str, cut: tuple[int, ...]) -> int:
        """Samples that a signal has only since it was cut in windows."""
        if self.options.tail != "pad":
            return 0
        return cut[0] * cut[1] - npz.header(key).shape[self.options.time_axis]

    def _time_first(self, shape: tuple[int, ...], key: str) -> tuple[int, ...]:
        axis = self.options.time_axis
        if not axis:
            return shape
        if not -len(shape) <= axis < len(shape):
            raise RejectedInputError(
                f"signal {key!r} has shape {list(shape)}, no axis {axis} (--time_axis); give the "
                "axis of time, or repair the recording"
            )
        return (shape[axis], *np.delete(shape, axis).tolist())

    def _keys(self, npz: NpzFile) -> tuple[str, str | None]:
        """The array with the signal, and the one with the label if there is one in this file."""
        label_key = None if self.options.target_dir else self._label_key(npz)
        return self._signal_key(npz, label_key), label_key

    def _label_key(self, npz: NpzFile) -> str | None:
        if self.options.label_kind == "none":
            return None
        if self.options.label_key:
            return _required_key(npz, self.options.label_key, "label_key")
        for default in _LABEL_KEYS:
            if default in npz.keys and self._leaves_a_signal(npz, default):
                return default
        if not self.options.target_dir:
            return None
        if len(npz.keys) == 1:
            return npz.keys[0]
        raise RejectedInputError(
            f"{'several arrays' if npz.keys else 'no array'} could be the label (arrays: "
            f"{', '.join(npz.keys) or 'none'}); name it with --label_key"
        )

    def _label_bytes(self, description: Description) -> int:
        """Bytes of the label as it is stored: classes are int64, windows have one label each."""
        label = description.label
        if label is None:
            return 0
        shape, kind = label.shape, self.options.label_kind
        is_per_sample = description.samples and shape[:1] == (description.samples,)
        if is_per_sample and kind.startswith(("auto", "sample_")):
            shape = (description.steps, *shape[1:])
        return math.prod(shape) * np.dtype(label.dtype).itemsize

    def _leaves_a_signal(self, npz: NpzFile, label_key: str) -> bool:
        """Whether the signal can be another array; in a file of targets it always is."""
        if self.options.target_dir:
            return True
        if self.options.signal_key:
            return label_key != self.options.signal_key
        largest = max((_signal_size(npz, k) for k in self._keys_beside(npz, label_key)), default=0)
        return largest > 1 or largest == 1 >= _signal_size(npz, label_key)

    def _signal_key(self, npz: NpzFile, label_key: str | None) -> str:
        if self.options.signal_key:
            return _required_key(npz, self.options.signal_key, "signal_key")
        keys = self._keys_beside(npz, label_key)
        if len(keys) > 1:
            # A number or a text beside the signal is no second signal; neither is an array of one
            # number, unless there is nothing else.
            sizes = {key: size for key in keys if (size := _signal_size(npz, key))}
            keys = [key for key, size in sizes.items() if size > 1] or [*sizes]
        if len(keys) == 1:
            return keys[0]
        raise RejectedInputError(
            f"{'several arrays' if keys else 'no array'} could be the signal (arrays: "
            f"{', '.join(npz.keys) or 'none'}); name it with --signal_key"
        )

    def _keys_beside(self, npz: NpzFile, label_key: str | None) -> list[str]:
        other = {label_key, self.options.group_key, self.options.split_key}
        return [key for key in npz.keys if key not in other]

    def _describe_label(self, npz: NpzFile, key: str | None) -> Label | None:
        from tfrecords_schema.schema import SUPPORTED_DTYPES  # Help must not wait for TensorFlow.

        if key is None:
            return None
        header = npz.header(key)
        dtype = _stored_dtype(header.dtype)
        if header.dtype.kind in "iubUS" and not self.options.label_kind.endswith("_value"):
            values = class_values(npz.array(key))
            form: LabelForm = "integer" if header.dtype.kind in "iub" else "text"
            return Label(form, "int64", header.shape, values)
        if dtype not in SUPPORTED_DTYPES:
            raise RejectedInputError(
                f"label {key!r} has dtype {header.dtype}; expected text, integers or floats"
            )
        return Label("value", dtype, header.shape)

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
            return shape[0], shape[1:] or (1,)
        if len(shape) not in (1, 2):
            raise RejectedInputError(
                f"signal {key!r} has shape {list(shape)}; a continuous signal is [samples] or "
                "[samples, channels]; leave out the window flags if it is cut in steps already"
            )
        steps = -(-shape[0] // window) if self.options.tail == "pad" else shape[0] // window
        if steps == 0:
            raise RejectedInputError(
                f"signal {key!r} has {shape[0]} samples, shorter than one window of {window}; "
                f"use --tail=pad, a shorter window, or remove it{_axis_hint(shape, window)}"
            )
        return steps, (window, shape[1] if len(shape) == 2 else 1)

    def _cut(self, signal: np.ndarray, key: str) -> np.ndarray:
        steps, step_shape = self._steps(signal.shape, key)
        if self.options.window is not None:
            samples = steps * step_shape[0]
            missing = max(0, samples - len(signal))
            signal = signal[:samples]
            if missing:
                signal = np.pad(signal, [(0, missing)] + [(0, 0)] * (signal.ndim - 1))
        return np.ascontiguousarray(signal.reshape((steps, *step_shape)))


def _axis_hint(shape: tuple[int, ...], window: int) -> str:
    is_long = len(shape) == 2 and shape[1] >= window
    return f" (it is {list(shape)}: with channels first, add --time_axis=1)" if is_long else ""


def _stored_dtype(dtype: np.dtype) -> str:
    name = dtype.newbyteorder("=").name
    return "float32" if name == "float64" else name


def _converted_dtype(dtype: np.dtype, key: str) -> str:
    from tfrecords_schema.schema import SUPPORTED_DTYPES  # Help must not wait for TensorFlow.

    name = _stored_dtype(dtype)
    if name not in SUPPORTED_DTYPES:
        raise RejectedInputError(
            f"signal {key!r} has dtype {dtype}; expected one of "
            f"{', '.join(SUPPORTED_DTYPES)} or float64"
        )
    return name


def _signal_size(npz: NpzFile, key: str) -> float:
    """Number of values of an array that could be a signal, 0 of one that could not."""
    try:
        header = npz.header(key)
    except RejectedInputError:
        return math.inf  # Then naming the signal is up to the user.
    could_be = header.shape and header.dtype.kind not in "US"
    return math.prod(header.shape) if could_be else 0


def _required_key(npz: NpzFile, key: str, flag: str) -> str:
    if key not in npz.keys:
        raise RejectedInputError(
            f"no array {key!r} (--{flag}); the file has {', '.join(npz.keys) or 'no arrays'}"
        )
    return key


def _scalar(npz: NpzFile, key: str, flag: str) -> str:
    shape = npz.header(_required_key(npz, key, flag)).shape
    if math.prod(shape) != 1:
        raise RejectedInputError(
            f"array {key!r} (--{flag}) has shape {list(shape)}; expected one value"
        )
    item = npz.array(key).reshape(-1)[0].item()
    return decode(item, f"array {key!r} (--{flag})") if isinstance(item, bytes) else text_of(item)
