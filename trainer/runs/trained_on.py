"""What a run was trained on, so that figures on the same people or recordings are not believed.

The run folder keeps 64 bits of the hash of every group and of every recording's content. Names may
differ where contents do not: a recording may have been copied, moved or converted anew.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from pipeline.console.texts import counted
from pipeline.inspect.samples import open_records
from tfrecords_schema import Dataset, DatasetError
from tfrecords_schema.decoding import arrays_in
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write, read
from trainer.runs.checkpoints import CheckpointError

_FILE = "trained_on.npz"
# Larger splits are not read only to be recognized; their groups are known all the same.
_MOST_BYTES, _MOST_RECORDS = 4 << 30, 1 << 22
_MOST_GROUPS = 1 << 24  # Of more none is known: a run folder would grow as its dataset.
_MOST_FILE_BYTES = 512 << 20  # 8 a recording and a group.


class TrainedOn(NamedTuple):
    """Hashes of what was trained on.

    Attributes:
      groups: `[groups]` uint64; empty where a split has too many.
      contents: `[records]` uint64; empty where a split was too large to be read for it.
      datasets: fingerprints of the datasets.
    """

    groups: np.ndarray
    contents: np.ndarray
    datasets: np.ndarray

    @classmethod
    def read(cls, run_dir: str) -> TrainedOn | None:
        """Reads it from a run folder; None where an earlier version left none.

        Raises:
          CheckpointError: it is not as it was written.
        """
        content = read(join(run_dir, _FILE), _MOST_FILE_BYTES)
        if content is None:
            return None
        try:
            arrays = arrays_in(content, _MOST_FILE_BYTES)
            kinds = [arrays[name].dtype.kind + str(arrays[name].ndim) for name in cls._fields]
            if kinds != ["u1", "u1", "U1"]:
                raise DatasetError(f"it holds arrays of {kinds}")
            return cls(*(arrays[name] for name in cls._fields))
        except (DatasetError, KeyError) as error:
            path = join(run_dir, _FILE)
            raise CheckpointError(
                f"{path} is not what a training wrote ({error}); copy it again, or remove it"
            ) from error

    def seen(self, dataset: Dataset, split: str) -> dict[str, Any]:
        """How many groups and records of a split are among them; empty where none is."""
        groups = groups_of(dataset, split)
        of_group = np.isin(groups, self.groups)
        records = 0
        if len(self.contents):
            records = int(np.isin(contents_of(dataset, split), self.contents).sum())
        found = {"groups": int(of_group.sum()), "records": records}
        if not any(found.values()):
            return {}
        return {**found, "of_groups": len(groups), "of_records": len(dataset.split(split))}


def write(run_dir: str, dataset: Dataset, split: str) -> None:
    """Adds a split to what a run folder says it was trained on, once."""
    before, fingerprint = TrainedOn.read(run_dir), dataset.manifest.fingerprint
    if before is not None and fingerprint in before.datasets:
        return
    found = TrainedOn(
        groups_of(dataset, split),
        contents_of(dataset, split),
        np.array([fingerprint]),
    )
    _write(run_dir, before, found)


def add_those_of(other: str, run_dir: str) -> None:
    """Adds what another run was trained on, from whose weights this one starts."""
    if (found := TrainedOn.read(other)) is not None:
        _write(run_dir, TrainedOn.read(run_dir), found)


def _write(run_dir: str, before: TrainedOn | None, found: TrainedOn) -> None:
    if before is not None:
        found = TrainedOn(*(np.union1d(*pair) for pair in zip(before, found, strict=True)))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **found._asdict())
    atomic_write(join(run_dir, _FILE), buffer.getvalue())


def groups_of(dataset: Dataset, split: str) -> np.ndarray:
    """Hash of each group of a split: `[groups]` uint64; empty for too many to keep."""
    if dataset.manifest.splits[split].groups > _MOST_GROUPS:
        return np.zeros(0, np.uint64)
    hashes = (_hash([name.encode()]) for name in dataset.split(split).each_group())
    return np.unique(np.fromiter(hashes, np.uint64))


def contents_of(dataset: Dataset, split: str) -> np.ndarray:
    """Hash of each recording of a split, without its label and id: `[records]` uint64.

    Empty for a split that is too large to be read for it.
    """
    entry = dataset.manifest.splits[split]
    if entry.size_bytes > _MOST_BYTES or entry.records > _MOST_RECORDS:
        return np.zeros(0, np.uint64)
    kind = dataset.schema.input.kind
    try:
        hashes = [
            _hash(tf.train.Example.FromString(record).features.feature[kind].bytes_list.value)
            for record in open_records(dataset, split)
        ]
    except DecodeError as error:
        raise DatasetError(
            f"{dataset.path}: a record of split {split!r} is damaged; run python -m "
            "pipeline.verify, then copy its shard again, or convert again"
        ) from error
    return np.array(hashes, np.uint64)


def content_of(data: np.ndarray) -> int:
    """Hash of a recording `[time, *step_shape]` that was never converted, as of its record."""
    return _hash([np.ascontiguousarray(data, data.dtype.newbyteorder("<")).tobytes()])


def _hash(parts: Iterable[bytes]) -> int:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")


class Recognized:
    """Counts recordings and groups that were trained on, among those that are predicted."""

    def __init__(self, trained_on: TrainedOn | None):
        empty = np.zeros(0, np.uint64)
        known = trained_on or TrainedOn(empty, empty, empty)
        self._groups, self._contents = {*known.groups.tolist()}, {*known.contents.tolist()}
        self._counts: dict[bool, set[str]] = {True: set(), False: set()}  # Groups, by seen or not.
        self._records = self._of_records = 0

    def passing(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches of recordings, a `RawBatch` each; they are counted as they pass."""
        for batch in batches:
            for group in filter(None, batch.groups):
                self._counts[_hash([group.encode()]) in self._groups].add(group)
            self._of_records += len(batch.ids)
            if self._contents and "signal" in batch.inputs:
                rows = zip(batch.inputs["signal"], batch.steps, strict=True)
                contents = (content_of(np.asarray(row[:steps])) for row, steps in rows)
                self._records += sum(content in self._contents for content in contents)
            yield batch

    @property
    def found(self) -> dict[str, int]:
        """Like `TrainedOn.seen`."""
        seen, others = self._counts[True], self._counts[False]
        counts = {"groups": len(seen), "records": self._records}
        if not any(counts.values()):
            return {}
        return {**counts, "of_groups": len(seen | others), "of_records": self._of_records}


def seen_text(found: dict[str, int]) -> str:
    """What to say of what was trained on; empty where nothing was."""
    parts = [
        f"{found[what]:,} of {counted(found[f'of_{what}'], noun)}"
        for what, noun in (("records", "record"), ("groups", "group"))
        if found.get(what)
    ]
    if not parts:
        return ""
    return (
        f"the model was trained on {' and '.join(parts)} of these: what it says of them tells "
        "nothing of new ones"
    )
