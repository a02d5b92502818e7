"""Counts and statistics of a dataset anew, to be held against what its manifest says of them."""

import collections
from collections.abc import Iterator

import numpy as np

from pipeline.batches.channel_sums import ChannelSums, merged
from pipeline.verification.record_check import Checked
from tfrecords_schema.index import IndexRow
from tfrecords_schema.labels import missing_of_heads
from tfrecords_schema.manifest import Manifest, SplitEntry, Statistics
from tfrecords_schema.names import UNLABELLED

_MEASURED = "train"  # The split whose statistics a manifest has.
# Of the largest value: other orders of adding up differ in the last bits of a float64.
_CLOSE = 1e-9


class Recount:
    """What rows and records come to, added up as they are read; groups take 100 bytes each."""

    def __init__(self, manifest: Manifest):
        self._manifest = manifest
        self._lengths: dict[str, collections.Counter[int]] = collections.defaultdict(
            collections.Counter
        )
        self._split_of: dict[int, str] = {}
        self._unlabelled: set[int] = set()
        self._shared = ""
        self._classes: dict[str, np.ndarray] = {}
        self._missing: collections.Counter[str] = collections.Counter()
        self._missing_heads: collections.Counter[tuple[str, str]] = collections.Counter()
        self._channels: ChannelSums | None = None

    def add_row(self, row: IndexRow) -> None:
        """Counts a row of the index."""
        self._lengths[row.split][row.steps] += 1
        if row.split == UNLABELLED:  # A group may have records with labels and some without.
            self._unlabelled.add(hash(row.group))
            return
        if self._split_of.setdefault(hash(row.group), row.split) != row.split:
            self._shared = self._shared or row.group

    def add_record(self, split: str, found: Checked) -> None:
        """Counts what a record holds."""
        spec = self._manifest.schema.label
        if spec and found.label is not None:
            known = spec.is_known(found.label)
            self._missing[split] += known.size - int(known.sum())
            for head, missing in missing_of_heads(spec, found.label).items():
                self._missing_heads[split, head] += missing
            if spec.class_names:
                counts = spec.class_totals(found.label[known])
                self._classes[split] = self._classes.get(split, 0) + counts
        if found.signal is not None and split == _MEASURED and found.signal.size:
            roles = self._manifest.schema.input.roles
            of_record = ChannelSums.of_record(found.signal, found.padding, roles)
            self._channels = merged([self._channels, of_record])

    def problems(self, *, of_records: bool = True) -> Iterator[str]:
        """What the manifest says otherwise.

        Args:
          of_records: whether all records were counted, and not rows alone.
        """
        if self._shared and of_records:  # A selection may divide groups, if it was asked to.
            yield f"group {self._shared!r} is in two splits"
        for name, entry in sorted(self._manifest.splits.items()):
            yield from self._of_split(name, entry)
            if of_records:
                yield from self._of_labels(name, entry)
        if of_records and self._manifest.statistics:
            yield from self._of_values(self._manifest.statistics)

    def _of_split(self, name: str, entry: SplitEntry) -> Iterator[str]:
        lengths = self._lengths[name]
        found = {
            "records": lengths.total(),
            **({} if self._shared else {"groups": self._groups(name)}),
            "steps": sum(steps * count for steps, count in lengths.items()),
        }
        for what, count in found.items():
            if (said := getattr(entry, what)) != count:
                yield f"split {name!r} has {count} {what} in the index, the manifest says {said}"
        if dict(lengths) != entry.length_histogram:
            yield f"split {name!r}: the histogram of lengths is not that of the index"

    def _groups(self, name: str) -> int:
        if name == UNLABELLED:
            return len(self._unlabelled)
        return [*self._split_of.values()].count(name)

    def _of_labels(self, name: str, entry: SplitEntry) -> Iterator[str]:
        spec = self._manifest.schema.label
        if (missing := self._missing[name]) != entry.missing_labels:
            yield (
                f"split {name!r} has {missing} labels that are not known, the manifest says "
                f"{entry.missing_labels}"
            )
        for head, said in entry.missing_heads.items():
            if (missing := self._missing_heads[name, head]) != said:
                yield (
                    f"split {name!r} has {missing} labels {head!r} that are not known, the "
                    f"manifest says {said}"
                )
        if not spec or not spec.class_names:
            return
        counts = self._classes.get(name, np.zeros(len(spec.class_names), np.int64))
        found = dict(zip(spec.class_names, counts.tolist(), strict=True))
        other = [one for one in found if entry.class_counts.get(one, 0) != found[one]]
        if other or entry.class_counts.keys() - found:
            one = (other or sorted(entry.class_counts.keys() - found))[0]
            yield (
                f"split {name!r} has {found.get(one, 0)} labels of class {one!r}, the manifest "
                f"says {entry.class_counts.get(one, 0)}"
            )

    def _of_values(self, said: Statistics) -> Iterator[str]:
        found = self._channels.statistics() if self._channels else None
        if found is None or (found.count, len(found.mean)) != (said.count, len(said.mean)):
            yield f"the statistics are not of the records of split {_MEASURED!r}"
            return
        reach = np.maximum(np.abs(found.minimum), np.abs(found.maximum))
        for what in ("mean", "deviation", "minimum", "maximum"):
            ours, theirs = np.array(getattr(found, what)), np.array(getattr(said, what))
            off = ~(np.abs(ours - theirs) <= _CLOSE * reach)
            if off.any():
                at = int(np.argmax(off))
                yield (
                    f"the {what} of channel {at} is {ours[at]:.9g} in the records of split "
                    f"{_MEASURED!r}, the manifest says {theirs[at]:.9g}"
                )
