"""Grain over ArrayRecord: whole batches are read by their row numbers, in threads or processes."""

import math
from collections.abc import Callable, Iterable

import grain
import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter

from benchmarks.peers.loaders.plain_arrays import Batch, BucketedOrders, PlainArrays, Record, padded

_NUM_SHARDS = 8
# What a record begins with: its steps, and how many labels.
_HEAD = np.dtype([("steps", "<u4"), ("labels", "<u4")])
# Reading ahead as ours does; from memory Grain's own text recommends no more threads.
_READ = grain.ReadOptions(num_threads=2, prefetch_buffer_size=8)


def write(records: Iterable[Record], folder: str) -> None:
    """Writes shards of records that can be got at singly, without compression."""
    options = "group_size:1,uncompressed"
    shards = [ArrayRecordWriter(f"{folder}/{n}.array_record", options) for n in range(_NUM_SHARDS)]
    for number, (_, signal, label) in enumerate(records):
        head = np.array((len(signal), len(label)), _HEAD)
        content = b"".join([head.tobytes(), label.tobytes(), signal.tobytes()])
        shards[number % _NUM_SHARDS].write(content)
    for shard in shards:
        shard.close()


class _Reader:
    """From row numbers to a batch."""

    def __init__(self, recordings: PlainArrays, folder: str):
        paths = [f"{folder}/{number}.array_record" for number in range(_NUM_SHARDS)]
        self._source = grain.sources.ArrayRecordDataSource(paths)
        self._step_shape = recordings.signal.shape[1:]
        counts = [len(range(shard, len(recordings), _NUM_SHARDS)) for shard in range(_NUM_SHARDS)]
        self._firsts = np.concatenate([[0], np.cumsum(counts)])

    def __call__(self, rows: list[int]) -> Batch:
        source, firsts = self._source, self._firsts
        contents = [source[firsts[row % _NUM_SHARDS] + row // _NUM_SHARDS] for row in rows]
        signals, labels = zip(*map(self._decoded, contents), strict=True)
        return padded(signals, labels)

    def _decoded(self, content: bytes) -> tuple[np.ndarray, np.ndarray]:
        steps, labels = np.frombuffer(content, _HEAD, 1)[0].item()
        label = np.frombuffer(content, np.int64, labels, _HEAD.itemsize)
        values = steps * math.prod(self._step_shape)
        signal = np.frombuffer(content, np.float32, values, _HEAD.itemsize + label.nbytes)
        return signal.reshape(steps, *self._step_shape), label


def batches(
    recordings: PlainArrays, folder: str, batch_size: int, epochs: int, workers: int
) -> Callable[[], Iterable]:
    """What goes through so many epochs, bucketed by length."""
    reader = _Reader(recordings, folder)
    orders = BucketedOrders(recordings, batch_size, epochs)

    def turn() -> Iterable:
        found = grain.MapDataset.source([*orders]).map(reader).to_iter_dataset(_READ)
        if not workers:
            return found
        return found.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))

    return turn
