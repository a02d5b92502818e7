"""Many small items as one Beam element.

An element of its own costs about 20 us and 1 kB on every way between two stages of Beam's
in-process runner, which keeps them all in memory; in a pack an item costs 3 us and 5 to 20 bytes.
"""

import collections
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.sources.splits import stable_hash

Item = TypeVar("Item")
Key = TypeVar("Key")

# Groups by name are shuffled by bucket: so many parts of the work can be done at once.
_BUCKETS = 256
_BUFFERED_ITEMS = 16_384  # In memory, over all keys, before they are packed.
_PACKED_ITEMS = 1024  # In one pack at most, of heavier ones fewer: a worker unpacks one at a time.
_CODEC = pa.Codec("zstd", 15)  # A third smaller than zlib's, and the runner holds four copies.
_SIZE_BYTES = 4  # In front: the codec has to be told.


def shuffle_bucket(name: str) -> int:
    """The bucket in which everything of this name meets; the same on every machine."""
    return stable_hash("bucket", name) % _BUCKETS


def pack(items: Sequence[Any]) -> bytes:
    """Items as bytes, for `unpack` in another worker of the same job; never for a file."""
    content = pickle.dumps(items, pickle.HIGHEST_PROTOCOL)
    return len(content).to_bytes(_SIZE_BYTES, "little") + _CODEC.compress(content, asbytes=True)


def pack_all(items: Iterable[Any], weigh: Callable[[Any], int] = lambda _: 1) -> Iterator[bytes]:
    """Items as packs of limited weight, in their order.

    Args:
      items: what is packed.
      weigh: memory that an item takes, in kB or so; at least 1.
    """
    held, weight = [], 0
    for item in items:
        held.append(item)
        weight += weigh(item)
        if weight >= _PACKED_ITEMS:
            yield pack(held)
            held, weight = [], 0
    if held:
        yield pack(held)


def unpack(*packs: bytes) -> Iterator[Any]:
    """The items of packs, one pack in memory at a time."""
    for packed in packs:
        size = int.from_bytes(packed[:_SIZE_BYTES], "little")
        yield from pickle.loads(_CODEC.decompress(packed[_SIZE_BYTES:], size, asbytes=True))


@beam.ptransform_fn
def group_in_packs(pairs: beam.PCollection[Any]) -> beam.PCollection[Any]:
    """`(key, item)` to `(key, packs)`: GroupByKey for many small items, some keys.

    Items are sorted within a pack: neighbours by name take less space.
    """
    return pairs | "PackByKey" >> beam.ParDo(_PackByKey()) | "GroupPacks" >> beam.GroupByKey()


class _PackByKey(beam.DoFn):
    """Holds items back until there are many, or the bundle ends."""

    def start_bundle(self) -> None:
        self._held: dict[Any, list[Any]] = collections.defaultdict(list)
        self._count = 0

    def process(self, element: tuple[Key, Item]) -> Iterator[tuple[Key, bytes]]:
        key, item = element
        self._held[key].append(item)
        self._count += 1
        if self._count >= _BUFFERED_ITEMS:
            yield from self._take()
            self.start_bundle()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        window = GlobalWindow()
        for pair in self._take():
            yield WindowedValue(pair, window.max_timestamp(), (window,))

    def _take(self) -> Iterator[tuple[Any, bytes]]:
        for key, items in self._held.items():
            for packed in pack_all(sorted(items)):
                yield key, packed
