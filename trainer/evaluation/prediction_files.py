"""Predictions as files: one row per record, and every step's output beside it."""

import csv
import io
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.batches.valid_labels import unpadded
from tfrecords_schema import LabelSpec
from tfrecords_schema.storage import atomic_write
from trainer.data.raw_batches import RawBatch


class Rows:
    """Predictions record by record.

    Attributes:
      label: what is predicted.
      order: what the records are sorted by.
      id: id of each record.
      source: path of each record, relative to its input folder.
      steps: steps of each record.
      output: `[valid, units]` float32 of each record, probabilities or values.
    """

    def __init__(self, label: LabelSpec):
        self.label = label
        self.order: list[int] = []
        self.id: list[str] = []
        self.source: list[str] = []
        self.steps: list[int] = []
        self.output: list[np.ndarray] = []

    def add(self, batch: RawBatch, outputs: np.ndarray, lengths: np.ndarray) -> None:
        """Adds a batch: `outputs` [batch, (time), units], `lengths` [batch]."""
        self.order += batch.order
        self.id += batch.ids
        self.source += batch.sources
        self.steps += batch.steps
        self.output += unpadded(outputs, lengths, self.label)

    def in_order(self) -> "Rows":
        """The same rows, sorted."""
        rows = Rows(self.label)
        for name in ("order", "id", "source", "steps", "output"):
            values = getattr(self, name)
            setattr(rows, name, [values[i] for i in np.argsort(self.order, kind="stable")])
        return rows


def prediction_files(path: str, label: LabelSpec) -> list[str]:
    """The files that `write_predictions` writes: the table, and of labels per step an npz."""
    if label.per == "record":
        return [path]
    return [path, f"{path.rpartition('.')[0]}.npz"]


def write_predictions(path: str, rows: Rows) -> str:
    """Writes predictions and says where.

    The table has the columns id, source, steps and
      a class per record: prediction (its name), probability_<class>;
      classes per step: prediction (the class of most steps), share_<class> of the steps;
      values: prediction, or prediction_1, prediction_2, ...; of values per step their mean.
    Where there is no step to predict, shares and values are NaN, and the class is missing.
    Of labels per step (or sequence), an npz file of the same name has the outputs of every step:
    `id` [records], `lengths` [records] int32, `output` [sum of lengths, units] float32 in the order
    of `id`, and `class_names`.

    Args:
      path: ends in .parquet or .csv.
      rows: what to write.
    """
    columns = _columns(rows)
    atomic_write(path, _parquet(columns) if path.endswith(".parquet") else _csv(columns))
    for steps in prediction_files(path, rows.label)[1:]:
        atomic_write(steps, _npz(rows))
    return ", of every step: ".join(prediction_files(path, rows.label))


def _columns(rows: Rows) -> dict[str, Any]:
    about = {"id": rows.id, "source": rows.source, "steps": np.array(rows.steps, np.int32)}
    if rows.label.kind == "class":
        return {**about, **_class_columns(rows)}
    units = math.prod(rows.label.shape)
    means = np.full((len(rows.output), units), np.nan, np.float32)
    for mean, output in zip(means, rows.output, strict=True):
        if len(output):
            mean[:] = output.mean(0)
    names = ["prediction"] if units == 1 else [f"prediction_{i + 1}" for i in range(units)]
    return {**about, **dict(zip(names, means.T, strict=True))}


def _class_columns(rows: Rows) -> dict[str, Any]:
    names = rows.label.class_names
    if rows.label.per == "record":
        prefix, table = "probability", np.concatenate(rows.output)
    else:
        prefix = "share"
        counts = [np.bincount(out.argmax(-1), minlength=len(names)) for out in rows.output]
        table = np.array([row / (row.sum() or np.nan) for row in counts], np.float32)
    chosen = [names[row.argmax()] if np.isfinite(row).all() else None for row in table]
    shares = {f"{prefix}_{name}": column for name, column in zip(names, table.T, strict=True)}
    return {"prediction": chosen, **shares}


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
    writer.writerow(columns)
    writer.writerows(zip(*texts, strict=True))
    return buffer.getvalue().encode("utf-8", "surrogateescape")


def _npz(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        id=np.array(rows.id, np.str_),
        lengths=np.array([len(output) for output in rows.output], np.int32),
        output=np.concatenate(rows.output),
        class_names=np.array(rows.label.class_names, np.str_),
    )
    return buffer.getvalue()
