"""In front of kinds of continuous signals: channels that are the same all through a recording."""

import dataclasses
import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.console.errors import RejectedInputError
from pipeline.console.texts import listed
from pipeline.sources.channels import ChannelName, Constant
from pipeline.sources.in_front import InFront, digest
from pipeline.sources.names import class_of, normal
from pipeline.sources.options import require_size
from pipeline.sources.several.options import ValueOptions, class_channel, value_channel
from pipeline.sources.several.value_table import read_values
from pipeline.sources.source import Description, RawRecord
from tfrecords_schema.channels import MOST_FEATURES

_EXACT = ("bool", "uint8", "int8", "uint16", "int16", "float16", "float32")  # As float32.


@dataclasses.dataclass(frozen=True)
class ValueSource(InFront):
    """Another source, whose signals get channels for its `constants`; values become float32."""

    def describe(self, path: str) -> Description:
        """See `Source`."""
        found = self.inner.describe(path)
        names, values = self._columns(path)
        step_shape = self._with_channels(found.step_shape, len(names))
        channels = found.channels or (ChannelName(""),) * (step_shape[-1] - len(names))
        channels = (*channels, *names)
        checksum = found.checksum + self._digest(values)
        found = found._replace(
            dtype="float32", step_shape=step_shape, channels=channels, checksum=checksum
        )
        limit_mib = self.options.max_record_mib
        require_size("the signal, with values,", found.size_bytes, "max_record_mib", limit_mib)
        return found

    def read(self, path: str) -> RawRecord:
        """See `Source`."""
        raw = self.inner.read(path)
        data = np.asarray(raw.data)
        unnarrowed = raw.unnarrowed
        if unnarrowed is None and data.dtype.name not in _EXACT:
            unnarrowed = data
        _, values = self._columns(path)
        joined = self._joined(data, values, raw.padding)
        checksum = raw.checksum + self._digest(values)
        return dataclasses.replace(raw, data=joined, unnarrowed=unnarrowed, checksum=checksum)

    def read_data(self, path: str) -> np.ndarray:
        """See `Source`."""
        _, values = self._columns(path)
        return self._joined(self.inner.read_data(path), values, self.inner.padding(path))

    def _digest(self, values: np.ndarray) -> str:
        """What values from elsewhere add to the checksum of an input."""
        return digest([values]) if self._options.values_table else ""

    def _joined(self, data: np.ndarray, values: np.ndarray, padding: int) -> np.ndarray:
        """`[time, *step_shape]` with values behind the channels; in padding they are 0, too."""
        shape = (len(data), *self._with_channels(data.shape[1:], len(values)))
        channels = shape[-1] - len(values)
        joined = np.empty(shape, np.float32)
        joined[..., :channels] = data.reshape((*shape[:-1], channels))
        joined[..., channels:] = values
        if padding:
            joined.reshape(-1, shape[-1])[-padding:] = 0
        return joined

    def _with_channels(self, shape: tuple[int, ...], count: int) -> tuple[int, ...]:
        """The shape of a step with so many channels more."""
        if len(shape) == 1 and shape[0] > MOST_FEATURES:
            shape = (*shape, 1)
        elif len(shape) == 1 and shape[0] + count > MOST_FEATURES:
            shape = (1, *shape)  # Else they would be taken for samples.
        if len(shape) > 2:
            raise RejectedInputError(
                f"values (--input_values) are channels beside [samples, channels] of a step, here "
                f"a step is {[*shape]}; leave them out"
            )
        return (*shape[:-1], shape[-1] + count)

    @property
    def _options(self) -> ValueOptions:
        assert isinstance(self.options, ValueOptions)
        return self.options

    def _constants(self, path: str) -> list[Constant]:
        """Values of a table or of the recording itself, in the order of the option; then others."""
        options, given = self._options, {}
        if options.values_table:
            names = options.input_values
            table = read_values(self.files, options.values_table, self.options.id_column, names)
            given = table.of(path, self.record_id(path), self.options.group_regex)
        own = [name for name in options.input_values if name not in given]
        try:
            found = iter(self.inner.constants(path, own))
        except RejectedInputError as error:
            cure = "" if given else "; values in a table are named with --values_table"
            raise RejectedInputError(f"{error}{cure}") from error
        values = [
            Constant(value_channel(normal(name)), given[name]) if name in given else next(found)
            for name in options.input_values
        ]
        return [*values, *found]

    def _columns(self, path: str) -> tuple[list[ChannelName], np.ndarray]:
        """Names and values of the channels that are added, `[channels]` float32."""
        classes = [*map(normal, self._options.value_classes)]
        names: list[ChannelName] = []
        values: list[float] = []
        found: set[str] = set()
        for channel, value in self._constants(path):
            text = _text(value)
            if text in classes:
                found.add(text)
                continue
            numbers = _numbers(channel.name, value if text is None else text, classes)
            is_one = len(numbers) == 1
            names += [
                channel if is_one else channel._replace(name=f"{channel.name}:{number}")
                for number in range(len(numbers))
            ]
            values += numbers
        flags = [ChannelName(class_channel(text), kind="flag") for text in classes]
        values += [float(text in found) for text in classes]
        return [*names, *flags], np.array(values, np.float32)


def _text(value: Any) -> str | None:
    """The text that a value is, if it is one."""
    array = np.asarray(value)
    if array.dtype.kind not in "US" or array.size != 1:
        return None
    return str(class_of(array.reshape(-1)[0].item())).strip()


def _numbers(name: str, value: Any, classes: Sequence[str]) -> list[float]:
    """The numbers that a value is.

    Raises:
      RejectedInputError: if it is none, too many, or not finite in float32.
    """
    try:
        array = np.asarray(value)
        numbers = array.astype(np.float64).reshape(-1)
    except (TypeError, ValueError):
        known = f", or one of --value_classes ({listed(classes)})" if classes else ""
        raise RejectedInputError(
            f"value {name!r} (--input_values) is {reprlib.repr(value)}; expected a number{known}: "
            "name texts in --value_classes, or write numbers"
        ) from None
    if not 0 < len(numbers) <= MOST_FEATURES:
        raise RejectedInputError(
            f"value {name!r} (--input_values) has shape {[*array.shape]}; expected a number, or at "
            f"most {MOST_FEATURES}; a signal is named in --signal_key"
        )
    with np.errstate(over="ignore"):
        if not np.isfinite(numbers.astype(np.float32)).all():
            raise RejectedInputError(
                f"value {name!r} (--input_values) is not finite; fill it in, or remove the "
                "recording"
            )
    return numbers.tolist()
