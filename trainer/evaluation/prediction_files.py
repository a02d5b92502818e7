"""Predictions as files: one row per record, and every step's output beside it."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.batches.valid_labels import unpadded
from pipeline.console.table_files import harmless
from tfrecords_schema import LabelSpec
from tfrecords_schema.storage import atomic_write, replace_together
from trainer.data.raw_batches import RawBatch
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.rows import Row
from trainer.evaluation.scored_kind import MOST_COLUMNS


def rows_of(
    batch: RawBatch,
    outputs: np.ndarray,
    lengths: np.ndarray,
    label: LabelSpec,
    answer: np.ndarray | None,
) -> Iterator[Row]:
    """The predictions of a batch.

    Args:
      batch: of recordings.
      outputs: `[batch, (time), units]`.
      lengths: `[batch]`, valid labels of each.
      label: what is predicted.
      answer: `[batch, (time), ...]` what is stated; None of values.
    """
    columns = [outputs] if answer is None else [outputs, answer]
    parts = (unpadded(column, lengths, label) for column in columns)
    return map(Row, batch.order, batch.ids, batch.sources, batch.steps, *parts)


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
      any number of classes: prediction (their names), and a column of each class as for one;
      more than 1,000 classes: instead of a column for each, probability or share of the prediction;
      values: prediction, or prediction_1, prediction_2, ...; of values per step their mean.
    Where there is no step to predict, shares and values are NaN, and the class is missing. Steps
    whose probabilities are not finite have no share.
    Of labels per step (or sequence), and of so many classes, an npz file of the same name has all:
    `id` [records], `lengths` [records] int32, `output` [sum of lengths, units] float32 in the order
    of `id`, `class_names`, and what is stated: `class_index`, or `present` of any number of them.

    Args:
      path: ends in .parquet or .csv.
      rows: what to write, one of a record.
      label: what is predicted.
    """
    table = _table(path, columns_of(rows, label))
    every = prediction_files(path, label)
    replace_together({**{steps: _npz(rows, label) for steps in every[1:]}, path: table})
    what = "class" if label.per == "record" else "step"
    return f", of every {what}: ".join(every)


def write_columns(path: str, columns: dict[str, Any]) -> None:
    """Writes a table; its name ends in .parquet or .csv."""
    atomic_write(path, _table(path, columns))


def _table(path: str, columns: dict[str, Any]) -> bytes:
    return _parquet(columns) if path.endswith(".parquet") else _csv(columns)


def columns_of(rows: Sequence[Row], label: LabelSpec) -> dict[str, Any]:
    """The columns of the table; see `write_predictions`."""
    about = {
        "id": [row.id for row in rows],
        "source": [row.source for row in rows],
        "steps": np.array([row.steps for row in rows], np.int32),
    }
    return {**about, **scored_kind(label.kind).columns(rows, label)}


def _has_many(label: LabelSpec) -> bool:
    return len(label.class_names) > MOST_COLUMNS


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
    arrays |= scored_kind(label.kind).arrays(rows)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
