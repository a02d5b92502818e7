"""Rows of a batch from the places of their records: parsed and padded in NumPy.

TensorFlow's ops copy a record five times on its way into a batch, and need 20 us for the smallest.
Here a large record is read into its row and checked while it is in the core's cache; small ones are
parsed all at once.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.batches.batch_memory import batch_array
from pipeline.batches.shard_reads import Read, open_shards, read_ending, read_small_records
from tfrecords_schema import RecordSchema
from tfrecords_schema.example import int64_values, value_places

# What is read of a record besides its arrays: name, lengths, framing; rarely more.
_OTHER_BYTES = 256
# Rows from this size on are read one by one; below, those of a batch are copied from what is read.
_LARGE_BYTES = 4096
# Up to here, copying rows byte by byte takes less time than turning to each.
_NARROW_BYTES = 512


class RecordRows:
    """Reads records that hold a signal; in any number of threads at the same time."""

    def __init__(self, paths: Sequence[str], schema: RecordSchema):
        """Opens nothing.

        Args:
          paths: of the shards of a split, in the order of their numbers.
          schema: of the records.
        """
        self._paths, self._spec, self._label = paths, schema.input, schema.label
        self._names = [*schema.features()]
        self._step_bytes = _bytes_of(self._spec.dtype, self._spec.step_shape)
        self._label_bytes = 0
        if schema.label is not None:
            self._label_bytes = _bytes_of(schema.label.dtype, schema.label.shape)

    def __call__(
        self,
        shard: np.ndarray,
        offset: np.ndarray,
        steps: np.ndarray,
        padded_steps: int,
        label_steps: int,
        most: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """The parts of a batch that its records hold.

        Args:
          shard: [rows] number of each record's shard.
          offset: [rows] where the record begins in it.
          steps: [rows] of the record, in all; 0 for a row that is no record.
          padded_steps: of the batch.
          label_steps: of the batch, for labels that have a time axis of their own.
          most: [rows] steps that a row is cut to; None for those of the record.

        Returns:
          What `BatchReader` has of them by name. `lengths` [rows] int32 are the records' own; -1
          for one that is damaged, gone, or not as long as it is said to be: what else there is of
          it means nothing.
        """
        # In TensorFlow's int32 the bytes of a large batch have no room.
        steps, padded_steps, label_steps = (
            steps.astype(np.int64),
            int(padded_steps),
            int(label_steps),
        )
        kept = steps if most is None else np.minimum(steps, most)
        signal = batch_array((len(steps), padded_steps, *self._spec.step_shape), self._spec.dtype)
        rows, sizes, kept_sizes = _flat(signal), steps * self._step_bytes, kept * self._step_bytes
        is_large = rows.shape[1] >= _LARGE_BYTES
        with open_shards(self._paths, shard.tolist()) as reads:
            if is_large:
                data, begin, end = _read_rows(reads, offset.tolist(), sizes, kept_sizes, rows)
            else:
                asked_bytes = (sizes + self._other_bytes(steps, label_steps)).tolist()
                data, begin, end = read_small_records(reads, offset.tolist(), asked_bytes)
        examples = _Examples(data, value_places(data, begin, self._names))
        at = examples.require("signal", sizes)
        examples.is_whole &= at + sizes == end
        if not is_large:
            _fill(rows, data, at, np.where(examples.is_whole, kept_sizes, 0))
        found = {"signal": signal, **self._beside(examples, steps, kept, padded_steps)}
        found |= self._labels(examples, steps, kept, padded_steps, label_steps)
        missing = np.where(steps > 0, -1, 0)
        found["lengths"] = np.where(examples.is_whole, steps, missing).astype(np.int32)
        return found

    def _other_bytes(self, steps: np.ndarray, label_steps: int) -> np.ndarray:
        """What records are expected to have besides their signals: [rows] int64."""
        beside = steps * _bytes_of("float32", (len(self._spec.beside),))
        if self._label is None:
            return beside + _OTHER_BYTES
        labels: Any = {"step": steps, "record": 1, "sequence": label_steps}[self._label.per]
        return beside + labels * self._label_bytes + _OTHER_BYTES

    def _beside(
        self, examples: "_Examples", steps: np.ndarray, kept: np.ndarray, padded_steps: int
    ) -> dict[str, np.ndarray]:
        """What stands beside the steps, and samples that the last one lacks."""
        found = {}
        if self._spec.beside:
            shape, size = (
                (padded_steps, len(self._spec.beside)),
                _bytes_of("float32", (len(self._spec.beside),)),
            )
            found["beside"] = examples.array("beside", "float32", shape, steps * size, kept * size)
        if self._spec.has_padding:
            found["padding"] = examples.numbers("padding").astype(np.int32)
        return found

    def _labels(
        self,
        examples: "_Examples",
        steps: np.ndarray,
        kept: np.ndarray,
        padded_steps: int,
        label_steps: int,
    ) -> dict[str, np.ndarray]:
        label, size = self._label, self._label_bytes
        if label is None:
            return {}
        if label.is_class_feature:
            return {"label": examples.numbers("label")}
        if label.per == "record":
            one = np.full(len(steps), size)
            return {"label": examples.array("label", label.dtype, label.shape, one, one)}
        if label.per == "step":
            shape = (padded_steps, *label.shape)
            array = examples.array("label", label.dtype, shape, steps * size, kept * size)
            return {"label": array}
        found = examples.places["label"][1]
        fits = np.where((found % size == 0) & (found <= label_steps * size), found, -2)
        shape = (label_steps, *label.shape)
        return {
            "label": examples.array("label", label.dtype, shape, fits, fits),
            "label_lengths": np.where(examples.is_whole, fits // size, 0).astype(np.int32),
        }


class _Examples:
    """Serialized Examples, and which of them are what is expected so far."""

    def __init__(self, data: np.ndarray, places: dict[str, tuple[np.ndarray, np.ndarray]]):
        self.data, self.places = data, places
        self.is_whole = np.bool_(True)

    def require(self, name: str, sizes: np.ndarray) -> np.ndarray:
        """Where a feature begins, which must have so many bytes: [examples]."""
        at, found = self.places[name]
        self.is_whole = self.is_whole & (found == sizes)
        return at

    def array(
        self, name: str, dtype: str, shape: tuple[int, ...], sizes: np.ndarray, kept: np.ndarray
    ) -> np.ndarray:
        """The first so many bytes of values of certain sizes, padded: `[examples, *shape]`."""
        at, found = self.require(name, sizes), batch_array((len(sizes), *shape), dtype)
        _fill(_flat(found), self.data, at, np.where(self.is_whole, kept, 0))
        return found

    def numbers(self, name: str) -> np.ndarray:
        """Values of one int64, 0 where there is none: [examples]."""
        return np.where(self.is_whole, int64_values(self.data, self.places[name][0]), 0)


def _read_rows(
    reads: Sequence[Read],
    offsets: Sequence[int],
    sizes: np.ndarray,
    kept_sizes: np.ndarray,
    rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads the signals of records, the last part of each, into rows of bytes, zeros behind.

    Returns:
      What is before the signals, one after the other; where in that each Example begins; and where
      its signal would end if it came next.
    """
    beginnings = []
    wanted = zip(sizes.tolist(), kept_sizes.tolist(), rows, strict=True)
    for read, offset, (size, kept, row) in zip(reads, offsets, wanted, strict=True):
        # Of a record that is cut, more is read and checked than the row keeps.
        signal = row[:size] if size == kept else np.empty(size, np.uint8)
        beginnings.append(read_ending(read, offset, signal))
        if size != kept:
            row[:kept] = signal[:kept]
        row[kept:] = 0
    have = np.array([*map(len, beginnings)])
    ends = np.cumsum(have)
    return np.frombuffer(b"".join([*beginnings, b"\0"]), np.uint8), ends - have, ends + sizes


def _fill(rows: np.ndarray, data: np.ndarray, at: np.ndarray, sizes: np.ndarray) -> None:
    """Copies bytes `[at, at + size)` of data to the beginning of each row, zeros behind."""
    places = np.arange(rows.shape[1])
    if len(places) <= _NARROW_BYTES:
        rows[:] = data.take(at[:, np.newaxis] + places, mode="clip")
        rows[places >= sizes[:, np.newaxis]] = 0
        return
    for row, begin, size in zip(rows, at.tolist(), sizes.tolist(), strict=True):
        row[:size] = data[begin : begin + size]
        row[size:] = 0


def _flat(array: np.ndarray) -> np.ndarray:
    """The bytes of each of its rows, in the same memory: [rows, bytes]."""
    return array.reshape(len(array), math.prod(array.shape[1:])).view(np.uint8)


def _bytes_of(dtype: str, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize
