"""Predictions as files: one row per record, and every step's output beside it."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.batches.valid_labels import unpadded
from pipeline.console.table_files import harmless
from tfrecords_schema import LabelSpec
from tfrecords_schema.storage import atomic_write
from trainer.data.raw_batches import RawBatch


class Row(NamedTuple):
    """The prediction of one record.

    Attributes:
      order: what records are sorted by.
      id: id of the record.
      source: its path, relative to the input folder.
      steps: number of its steps.
      output: `[valid, units]` float32, probabilities or values.
      answer: `[valid]` the class that is stated of each; None: the likeliest.
    """

    order: int
    id: str
    source: str
    steps: int
    output: np.ndarray
    answer: np.ndarray | None = None

    @property
    def stated(self) -> np.ndarray:
        """`[valid]` stated class of each label."""
        return self.output.argmax(-1) if self.answer is None else self.answer

    @property
    def classes(self) -> np.ndarray:
        """`[known]` stated class of each label whose probabilities are finite."""
        return self.stated[np.isfinite(self.output).all(-1)]


def rows_of(
    batch: RawBatch, outputs: np.ndarray, lengths: np.ndarray, label: LabelSpec, classes: np.ndarray
) -> Iterator[Row]:
    """The predictions of a batch.

    Args:
      batch: of recordings.
      outputs: `[batch, (time), units]`.
      lengths: `[batch]`, valid labels of each.
      label: what is predicted.
      classes: `[batch, (time)]`, those that are stated; not read for values.
    """
    columns = [outputs, classes] if label.kind == "class" else [outputs]
    parts = (unpadded(column, lengths, label) for column in columns)
    return map(Row, batch.order, batch.ids, batch.sources, batch.steps, *parts)


# Of more classes a table has no column for each.
_MOST_COLUMNS = 1_000


def prediction_files(path: str, label: LabelSpec) -> list[str]:
    """The files that `write_predictions` writes: the table, and an npz where that is not all."""
    if label.per == "record" and not _has_many(label):
        return [path]
    return [path, f"{path.rpartition('.')[0]}.npz"]


def write_predictions(path: str, rows: Sequence[Row], label: LabelSpec) -> str:
    """Writes predictions and says where.

    The table has the columns id, source, steps and
      a class per record: prediction (its name), probability_<class>;
      classes per step: prediction (the class of most steps), share_<class> of the steps;
      more than 1,000 classes: instead of a column for each, probability or share of the prediction;
      values: prediction, or prediction_1, prediction_2, ...; of values per step their mean.
    Where there is no step to predict, shares and values are NaN, and the class is missing. Steps
    whose probabilities are not finite have no share.
    Of labels per step (or sequence), and of so many classes, an npz file of the same name has all:
    `id` [records], `lengths` [records] int32, `output` [sum of lengths, units] float32 in the order
    of `id`, and `class_names`.

    Args:
      path: ends in .parquet or .csv.
      rows: what to write, one of a record.
      label: what is predicted.
    """
    write_columns(path, columns_of(rows, label))
    for steps in prediction_files(path, label)[1:]:
        atomic_write(steps, _npz(rows, label))
    what = "class" if label.per == "record" else "step"
    return f", of every {what}: ".join(prediction_files(path, label))


def write_columns(path: str, columns: dict[str, Any]) -> None:
    """Writes a table; its name ends in .parquet or .csv."""
    atomic_write(path, _parquet(columns) if path.endswith(".parquet") else _csv(columns))


def columns_of(rows: Sequence[Row], label: LabelSpec) -> dict[str, Any]:
    """The columns of the table; see `write_predictions`."""
    about = {
        "id": [row.id for row in rows],
        "source": [row.source for row in rows],
        "steps": np.array([row.steps for row in rows], np.int32),
    }
    if label.kind == "class":
        return {**about, **_class_columns(rows, label)}
    units = math.prod(label.shape)
    missing = np.full(units, np.nan, np.float32)
    means = np.array([row.output.mean(0) if len(row.output) else missing for row in rows])
    names = ["prediction"] if units == 1 else [f"prediction_{i + 1}" for i in range(units)]
    return {**about, **dict(zip(names, means.T, strict=True))}


def _class_columns(rows: Sequence[Row], label: LabelSpec) -> dict[str, Any]:
    names = label.class_names
    if label.per == "record":
        prefix, table = "probability", np.concatenate([row.output for row in rows])
        stated = [row.classes for row in rows]
    else:
        prefix = "share"
        counts = [np.bincount(row.classes, minlength=len(names)) for row in rows]
        table = np.array([count / (count.sum() or np.nan) for count in counts], np.float32)
        stated = [share.argmax(keepdims=True)[np.isfinite(share[:1])] for share in table]
    chosen = [names[of[0]] if len(of) else None for of in stated]
    if _has_many(label):
        at = [of[0] if len(of) else 0 for of in stated]  # What is not finite has no class.
        return {"prediction": chosen, prefix: table[np.arange(len(table)), at]}
    shares = {f"{prefix}_{name}": column for name, column in zip(names, table.T, strict=True)}
    return {"prediction": chosen, **shares}


def _has_many(label: LabelSpec) -> bool:
    return len(label.class_names) > _MOST_COLUMNS


def _parquet(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), buffer)
    return buffer.getvalue()


def _csv(columns: dict[str, Any]) -> bytes:
    # Lists of Python's own numbers: a float32 is written with the digits of its own precision.
    texts = [
        [str(value) for value in values] if isinstance(values, np.ndarray) else list(values)
        for values in columns.values()
    ]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(harmless, columns))
    writer.writerows(map(harmless, row) for row in zip(*texts, strict=True))
    return buffer.getvalue().encode("utf-8", "surrogateescape")


def _npz(rows: Sequence[Row], label: LabelSpec) -> bytes:
    arrays: dict[str, Any] = {
        "id": np.array([row.id for row in rows], np.str_),
        "lengths": np.array([len(row.output) for row in rows], np.int32),
        "output": np.concatenate([row.output for row in rows]),
        "class_names": np.array(label.class_names, np.str_),
    }
    if label.kind == "class":
        arrays["class_index"] = np.concatenate([row.stated for row in rows]).astype(np.int32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
