"""Records as they are in their shards: read at their offsets, and checked against their checksums.

The framing is that of tensorflow/core/lib/io/record_writer.h: length, its checksum, data, its
checksum.
"""

import contextlib
import functools
import io
import itertools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import google_crc32c
import numpy as np
import tensorflow as tf

from tfrecords_schema.places import gfile
from tfrecords_schema.record_writer import FRAMING_BYTES, masked, masked_crc

_LENGTH_BYTES, _HEAD_BYTES, _TAIL_BYTES = 8, 12, 4

Read = Callable[[Sequence[np.ndarray], int], int]
"""Fills memories, `[bytes]` uint8, with a shard's bytes from an offset on; returns how many.

They are fewer at the shard's end, and none where it cannot be read.
"""


@contextlib.contextmanager
def open_shards(paths: Sequence[str], shard: Sequence[int]) -> Iterator[list[Read]]:
    """What reads the shard of each row, for as long as the block lasts.

    Args:
      paths: of the shards, in the order of their numbers.
      shard: of each row.
    """
    with contextlib.ExitStack() as stack:
        found = {number: _opened(paths[number], stack) for number in {*shard}}
        yield [found[number] for number in shard]


def _opened(path: str, stack: contextlib.ExitStack) -> Read:
    try:
        # A file system of TensorFlow's own, or a system that reads at no offset (macOS).
        if "://" in path or not hasattr(os, "preadv"):
            other = stack.enter_context(gfile.open_file(path, "rb"))
            return functools.partial(_read_elsewhere, other, path)
        if not os.path.isfile(path):  # To open a pipe would wait for what comes out of it.
            raise FileNotFoundError("there is no such file")
        number = stack.enter_context(io.FileIO(path)).fileno()
    except (OSError, tf.errors.OpError) as error:
        logging.warning("%s: %s", path, error)
        return lambda memories, offset: 0

    def read(memories: Any, offset: int) -> int:
        try:
            return os.preadv(number, memories, offset)
        except OSError as error:
            logging.warning("%s: %s", path, error)
            return 0

    return read


def _read_elsewhere(file: Any, path: str, memories: Sequence[np.ndarray], offset: int) -> int:
    found = 0
    try:
        file.seek(offset)
        for memory in memories:
            content = file.read(len(memory))
            memory[: len(content)] = np.frombuffer(content, np.uint8)
            found += len(content)
    except tf.errors.OpError as error:
        logging.warning("%s: %s", path, error)
    return found


def read_ending(read: Read, offset: int, row: np.ndarray) -> bytes:
    """Reads the end of one record's data into memory, where it is not copied again.

    Args:
      read: of its shard.
      offset: where its framing begins.
      row: `[bytes]` uint8, filled with the last so many bytes.

    Returns:
      The data before that; none where the record is damaged, not there, or not longer.
    """
    framing = np.zeros(_HEAD_BYTES, np.uint8)
    length = _length(framing) if read([framing], offset) == _HEAD_BYTES else 0
    if length <= len(row):
        return b""
    beginning = np.empty(length - len(row), np.uint8)
    tail = np.empty(_TAIL_BYTES, np.uint8)
    if read([beginning, row, tail], offset + _HEAD_BYTES) != length + _TAIL_BYTES:
        return b""
    checksum = google_crc32c.extend(google_crc32c.value(beginning), row)
    return beginning.tobytes() if masked(checksum) == int(tail.view("<u4")[0]) else b""


def _length(framing: np.ndarray) -> int:
    """What a framing begins with; 0 where it is damaged."""
    length, checksum = framing[:_LENGTH_BYTES], framing[_LENGTH_BYTES:].tobytes()
    return int(length.view("<u8")[0]) if masked_crc(length) == checksum else 0


def read_small_records(
    reads: Sequence[Read], offsets: Sequence[int], asked_bytes: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The data of many records, for which `read_record` would take most of the time.

    Args:
      reads: of the shard of each record.
      offsets: where the framing of each begins.
      asked_bytes: of each that are read at first.

    Returns:
      Bytes `[bytes]` uint8 with all of them; where in these each begins and ends, `[records]`
      int64; -1 for the end of a record that is damaged or not there.
    """
    starts = np.cumsum([0, *asked_bytes])
    memory = np.zeros(starts[-1] + FRAMING_BYTES, np.uint8)
    places = [memory[begin:end] for begin, end in itertools.pairwise(starts.tolist())]
    found = np.array(
        [read((place,), at) for read, place, at in zip(reads, places, offsets, strict=True)]
    )
    begin = starts[:-1] + _HEAD_BYTES
    length = memory[starts[:-1, np.newaxis] + np.arange(_LENGTH_BYTES)].view("<i8")[:, 0]
    if ((found == asked_bytes) & (length > found - FRAMING_BYTES)).any():
        return _one_by_one(reads, offsets, memory[:0])
    tails = memory.take((begin + length)[:, np.newaxis] + np.arange(_TAIL_BYTES), mode="clip")
    checksums = [
        google_crc32c.value(place[_HEAD_BYTES : _HEAD_BYTES + size])
        for place, size in zip(places, length.tolist(), strict=True)
    ]
    is_whole = masked(np.array(checksums)) == tails.view("<u4")[:, 0]
    is_whole &= (length >= 0) & (length <= found - FRAMING_BYTES)
    return memory, begin, np.where(is_whole, begin + length, -1)


def _one_by_one(
    reads: Sequence[Read], offsets: Sequence[int], none: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same, where a record is longer than was asked for."""
    places = zip(reads, offsets, strict=True)
    parts = [read_ending(read, at, none) for read, at in places]
    have = np.array([*map(len, parts)])
    end = np.cumsum(have)
    data = np.frombuffer(b"".join([*parts, b"\0"]), np.uint8)
    return data, end - have, np.where(have > 0, end, -1)
