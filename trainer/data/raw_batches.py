"""Padded batches straight from raw recordings, as a conversion would have stored them."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.console.errors import RejectedInputError, UsageError, fault_named
from pipeline.console.texts import listed as listed_names
from pipeline.sources.channels import Beside
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import source_like
from pipeline.sources.listing import group_by_id, listed, listing_rejects
from pipeline.sources.outside.options import as_file
from pipeline.sources.rejects import left_out_text
from tfrecords_schema import DatasetError, InputSpec
from tfrecords_schema.left_out import Tally
from tfrecords_schema.places import gfile

# Padded values of a batch; a batch has one record at least.
_MAX_BATCH_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class RawBatch:
    """A batch to predict.

    Attributes:
      order: `[records]`, what to sort the records of all batches by.
      ids: id of each record.
      sources: path of each record, relative to the input folder.
      steps: valid steps of each record.
      groups: group of each record; empty where its path does not tell.
      inputs: `signal` or `frames` [records, padded steps, *step_shape], perhaps `beside`, and
        `lengths` and `padding` [records] int32, as `BatchReader` has them.
    """

    order: list[int]
    ids: list[str]
    sources: list[str]
    steps: list[int]
    groups: list[str]
    inputs: dict[str, Any]


class RawRow(NamedTuple):
    """One recording of a batch: its place among all, its data `[time, *step_shape]`.

    `beside` is `[time, numbers]` float32, where records have something beside their steps.
    """

    number: int
    path: str
    data: np.ndarray
    padding: int
    beside: np.ndarray | None = None

    @property
    def size_bytes(self) -> int:
        """Of all there is."""
        return self.data.nbytes + (0 if self.beside is None else self.beside.nbytes)


class RawFolder:
    """The recordings under a folder, cut and read with the options of a conversion.

    Attributes:
      paths: of the recordings, relative to the folder.
      rejects: path and reason of each input that could not be read, so far.
      left_out: what in the folder is no input.
    """

    def __init__(
        self,
        input_dir: str,
        input_spec: InputSpec,
        options: dict[str, Any],
        values_table: str = "",
    ):
        """Prepares to read.

        Args:
          input_dir: the folder.
          input_spec: what a model takes.
          options: the options that a manifest records.
          values_table: table with values of the recordings; empty where they have them.

        Raises:
          DatasetError: if the options do not say how raw recordings were read, or there are none.
          UsageError: if there is a table, and the conversion took no values.
        """
        if values_table:
            if not options.get("input_values"):
                raise UsageError(
                    f"--values_table={values_table} has no effect: the model's recordings were "
                    "converted without --input_values; leave it out"
                )
            options = {**options, "values_table": as_file(values_table)}
        self._source = source_like(options, input_dir.rstrip("/"), GFiles())
        self._spec = input_spec
        if not gfile.isdir(input_dir):
            raise DatasetError(f"--input_dir={input_dir}: no such folder; give one that exists")
        # Conversions leave out the same.
        passed_over = Tally()
        by_id = group_by_id(self._source, listed(self._source, passed_over))
        self.left_out = passed_over.rows()
        rejects = {name: listing_rejects(name, files) for name, files in by_id.items()}
        self.rejects = sorted((r.path, r.reason) for found in rejects.values() for r in found)
        self.paths = sorted(files[0].path for name, files in by_id.items() if not rejects[name])
        if not by_id:
            said = left_out_text(self.left_out)
            raise DatasetError("\n".join(filter(None, [self._source.nothing, said])))

    def batches(self, batch_size: int) -> Iterator[RawBatch]:
        """All recordings that can be read, in batches of at most `batch_size`, in order of path."""
        read = ((number, path, self._read(path)) for number, path in enumerate(self.paths))
        rows = (RawRow(number, path, *found) for number, path, found in read if found)
        yield from map(self._batch, in_batches(rows, batch_size))

    def _read(self, path: str) -> tuple[np.ndarray, int, np.ndarray | None] | None:
        """Data, padding and what stands beside; None for a recording that is left out."""
        try:
            with fault_named(f"{type(self._source).__name__}.read_data({path!r})"):
                self._source.require_shape(path, self._spec.step_shape)
                data = self._source.read_data(path)
                padding = self._source.padding(path)
                beside = self._source.beside(path, len(data))
            self._check(data)
            return data, padding, checked(beside, self._spec)
        except RejectedInputError as error:
            self.rejects.append((path, str(error)))
            return None

    def _check(self, data: np.ndarray) -> None:
        found = (data.dtype.name, data.shape[1:])
        if found != (self._spec.dtype, self._spec.step_shape):
            raise RejectedInputError(
                f"steps of {found[0]} {list(found[1])}, the model takes {self._spec.dtype} "
                f"{list(self._spec.step_shape)}; give recordings like those it learnt from"
            )
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            raise RejectedInputError("holds NaN or infinity; repair or remove the recording")

    def _batch(self, rows: list[RawRow]) -> RawBatch:
        ids = [self._source.record_id(row.path) for row in rows]
        groups = [self._group(row.path) for row in rows]
        return raw_batch(rows, ids, groups, self._spec)

    def _group(self, path: str) -> str:
        if not self._source.options.group_regex:
            return ""  # A file of the same name elsewhere is another recording.
        try:
            return self._source.group_and_split(path)[0]
        except RejectedInputError:
            return ""


def in_batches(rows: Iterable[RawRow], batch_size: int) -> Iterator[list[RawRow]]:
    """Rows together, at most `batch_size` of them, fewer where they are long."""
    together: list[RawRow] = []
    for row in rows:
        if together and (len(together) == batch_size or _too_large([*together, row])):
            yield together
            together = []
        together.append(row)
    if together:
        yield together


def raw_batch(
    rows: Sequence[RawRow], ids: list[str], groups: list[str], spec: InputSpec
) -> RawBatch:
    """A batch of recordings, padded to the longest of them."""
    steps = [len(row.data) for row in rows]
    padded = np.zeros((len(rows), max(steps), *spec.step_shape), spec.dtype)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row.data)] = row.data
    inputs = {
        spec.kind: padded,
        "lengths": np.array(steps, np.int32),
        "padding": np.array([row.padding for row in rows], np.int32),
    }
    if spec.beside:
        inputs["beside"] = np.zeros((len(rows), max(steps), len(spec.beside)), np.float32)
        for target, row in zip(inputs["beside"], rows, strict=True):
            target[: len(row.data)] = row.beside
    paths = [row.path for row in rows]
    return RawBatch([row.number for row in rows], ids, paths, steps, groups, inputs)


def checked(beside: Beside | None, spec: InputSpec) -> np.ndarray | None:
    """What is stored of numbers beside the steps, which must be those that a model takes.

    Raises:
      RejectedInputError: they are others.
    """
    if (beside.names if beside else ()) != spec.beside:
        raise RejectedInputError(
            f"beside each frame it has {listed_names(beside.names if beside else ())}, the model "
            f"takes {listed_names(spec.beside)}; give recordings like those it learnt from"
        )
    return beside.stored if beside else None


def _too_large(rows: list[RawRow]) -> bool:
    longest = max(rows, key=lambda row: len(row.data))
    return longest.size_bytes * len(rows) > _MAX_BATCH_BYTES
