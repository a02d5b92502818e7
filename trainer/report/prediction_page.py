"""The page of a prediction: recordings without labels, and what is said of them over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.console import page
from pipeline.console.tables import Part, Table
from pipeline.inspect.samples import Sample, TimeAxis, label_text
from tfrecords_schema import InputSpec, LabelSpec
from tfrecords_schema.labels import class_in
from trainer.evaluation.apart import rows_apart
from trainer.evaluation.rows import Row
from trainer.report.over_time import OverTime
from trainer.report.prediction_pictures import prediction_picture


def write_prediction_page(
    path: str,
    rows: Sequence[Row],
    samples: Mapping[int, Sample],
    spec: InputSpec,
    label: LabelSpec,
    options: Mapping[str, Any],
    warnings: Sequence[str],
    paper: str,
) -> str:
    """Writes the page, and says where it is.

    Args:
      path: of the page.
      rows: all predictions.
      samples: recordings to draw, by the order of their rows.
      spec: what a recording holds.
      label: what is predicted.
      options: of the conversion by which recordings were read.
      warnings: why the predictions are not to be believed.
      paper: see `page.write`.
    """
    axis = TimeAxis.of_options(spec, options)
    drawn = [row for row in rows if row.order in samples]
    return page.write(
        path,
        "trainer.report",
        "predictions.html",
        paper,
        records=len(rows),
        per=label.per,
        class_names=label.class_names,
        warnings=warnings,
        classes=predicted_classes(rows, label),
        recordings=[
            {
                "id": f"{row.id}, {head.name}" if head.name else row.id,
                "prediction": _in_words(row, head.label),
                "picture": _picture(row, samples[row.order], spec, axis, head.label),
            }
            for head, own in rows_apart(drawn, label)
            for row in own
        ],
    )


def _in_words(row: Row, label: LabelSpec) -> str:
    return label_text(row.classes if label.class_names else row.output, label) or "unknown"


def _picture(
    row: Row, sample: Sample, spec: InputSpec, axis: TimeAxis, label: LabelSpec
) -> str | None:
    found = _over_time(row, sample, label)
    return prediction_picture(sample, spec.kind, axis, label, found)


def _over_time(row: Row, sample: Sample, label: LabelSpec) -> OverTime:
    if label.per == "record":
        return OverTime(np.full(len(row.output), sample.steps), None, row.output)
    return OverTime(np.arange(1, len(row.output) + 1), None, row.output, row.answer)


def predicted_classes(rows: Sequence[Row], label: LabelSpec) -> Table:
    """How often each class is predicted."""
    rows_of = []
    for head, own in rows_apart(rows, label):
        names = [class_in(head, name) for name in head.label.class_names]
        if names:
            counts = sum(
                (head.label.class_totals(row.classes) for row in own), np.zeros(len(names), int)
            )
            total = max(sum(len(row.classes) for row in own), 1)
            found = zip(names, counts.tolist(), strict=True)
            rows_of += [(name, Part(count, count / total)) for name, count in found]
    form = "{0.number:,} ({0.share:.1%})".format
    columns = {"class": None, "labels" if label.heads else f"{label.per}s": form}
    return Table("Predicted classes", columns, rows_of, of="classes", is_key=True)
