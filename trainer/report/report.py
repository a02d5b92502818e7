"""The report of a run: one HTML page that needs nothing but itself.

Reads only the files of the run folder, and the manifest, index and a few records of the dataset.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pipeline.console import page
from pipeline.console.figures import CLASS_COLOURS
from pipeline.console.tables import Table
from pipeline.inspect.facts import lengths_of
from pipeline.inspect.figures import lengths_picture
from pipeline.inspect.samples import TimeAxis, label_text, read_samples
from pipeline.inspect.shortcuts import shortcut_table, shortcuts
from tfrecords_schema import Dataset, LabelSpec
from tfrecords_schema.names import join
from trainer.data.heads import described
from trainer.evaluation import evaluation_table, page_tables
from trainer.evaluation.class_figures import MOST_CLASSES
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.prediction_shapes import read_predictions
from trainer.evaluation.predictions import Predictions
from trainer.metrics.table import LOSS, apart, headline
from trainer.report import report_tables
from trainer.report.kinds import shown_kind
from trainer.report.methods import run_methods, write_methods
from trainer.report.over_time import OverTime
from trainer.report.prediction_pictures import prediction_picture
from trainer.report.report_data import RunFiles, with_label
from trainer.report.report_figures import training_curve
from trainer.report.run_shapes import require_shown
from trainer.report.split_pictures import split_pictures

_RECORDINGS = 6
_MAX_MISTAKES = 25
_SAID_ELSEWHERE = ("dataset_fingerprint", "parameters", "trainable_parameters")


def write_report(
    run_dir: str,
    dataset: Dataset,
    label: LabelSpec | None = None,
    other_data: str = "",
    paper: str = "none",
    *,
    weights: str = "",
) -> str:
    """Writes `report.html` and `methods.txt` into a run folder, and says where the page is.

    Args:
      run_dir: folder of a run of `python -m trainer`; what it lacks is left out of the page.
      dataset: the dataset of the run, or another that it was evaluated on.
      label: what was predicted, where that is not the dataset's own label.
      other_data: see `run_folder.other_data`; then the page is `report-<other_data>.html`, and
        has no methods, which are those of the run.
      paper: see `page.write`.
      weights: SHA-256 of those that the run has now; evaluations of others are left out. Empty
        where that is not known.
    """
    run = RunFiles.read(run_dir).of_weights(weights)
    found = shortcuts(dataset)
    lengths = _lengths(run, dataset)
    evaluations = run.evaluated_on(dataset.manifest.fingerprint)
    dataset = described(dataset, run.options.get("label", ""))
    dataset = with_label(dataset, label or dataset.schema.label)
    for evaluation in evaluations.values():
        require_shown(evaluation, run_dir)
    ordered = [*_in_order(evaluations.values(), dataset)]
    methods = {} if other_data else run_methods(run, dataset, ordered)
    if methods:
        write_methods(run_dir, methods)
    return page.write(
        join(run_dir, report_tables.page_name(other_data)),
        "trainer.report",
        "report.html",
        paper,
        dataset=dataset.manifest,
        splits=sorted(dataset.manifest.splits.items(), key=lambda split: -split[1].records),
        run=run,
        curves=_curves(run.epochs),
        lengths=lengths,
        results=[_result(run, dataset, one) for one in ordered],
        other_data=other_data,
        others=report_tables.other_data(run.evaluations.values()),
        left_out=report_tables.left_out(run.left_out),
        worth_a_look=report_tables.worth_a_look(run.worth_a_look),
        choices=_choices(run),
        methods=methods,
        tables=evaluation_table,
        page_tables=page_tables,
        shortcuts=shortcut_table(found, dataset.schema.label),
        shortcut_warnings=[one.warning for one in found if one.warning],
        versions={
            **{name: text for name, text in run.versions.items() if name not in _SAID_ELSEWHERE},
            **({"evaluated dataset": other_data} if other_data else {}),
            "dataset SHA-256": dataset.manifest.fingerprint,
        },
    )


def _choices(run: RunFiles) -> Table:
    rows = [(choice["name"], choice["value"], choice["reason"]) for choice in run.choices]
    note = "options that were not given; a flag overrides each"
    columns = dict.fromkeys(("option", "value", "because"))
    return Table("Decided from the data", columns, rows, note=note)


def _curves(epochs: list[dict[str, Any]]) -> dict[str, str]:
    """Pictures of the loss and of the metric that each label has, by their names."""
    if not epochs:
        return {}
    names = [name for name in epochs[0]["train"] if name != LOSS]
    labels = dict.fromkeys(apart(name)[0] for name in names)
    first = (headline([name for name in names if apart(name)[0] == one]) for one in labels)
    numbers = [line["epoch"] + 1 for line in epochs]
    return {
        name: training_curve(
            name,
            numbers,
            [line["train"].get(name) for line in epochs],
            [(line.get("validation") or {}).get(name) for line in epochs],
        )
        for name in (LOSS, *first)
    }


def _lengths(run: RunFiles, dataset: Dataset) -> dict[str, Any] | None:
    """The histogram of the lengths that the run planned by, and how much of a batch is padding.

    Args:
      run: of a training.
      dataset: with the label that its records hold, by which batches are planned.
    """
    split = run.options.get("train_split", "train")
    entry = dataset.manifest.splits.get(split)
    if entry is None or not entry.records:
        return None
    lengths, boundaries = lengths_of(dataset, split), run.plan.get("boundaries", [])
    steps = sum(length * records for length, records in lengths.histogram.items())
    return {
        "picture": lengths_picture(lengths, boundaries, TimeAxis.of(dataset)),
        "split": split,
        "of_labels": lengths.of_labels,
        "boundaries": boundaries,
        "padding_share": run.plan.get("padding_share"),
        "padding_share_to_longest": 1 - steps / (max(lengths.histogram) * entry.records),
    }


def _in_order(evaluations: Iterable[dict[str, Any]], dataset: Dataset) -> Iterator[dict[str, Any]]:
    """Those of one split after the other, each in the order of the labels."""
    label, given = dataset.schema.label, [*evaluations]
    names = [head.name for head in label.heads] if label else []
    for split in dict.fromkeys(one["split"] for one in given):
        own = (one for one in given if one["split"] == split)
        yield from sorted(own, key=lambda one: [*names, one.get("label")].index(one.get("label")))


def _result(run: RunFiles, dataset: Dataset, evaluation: dict[str, Any]) -> dict[str, Any]:
    """What the page says of one evaluated split, and one of several labels."""
    predictions = read_predictions(run.run_dir, dataset, evaluation)
    dataset, split = described(dataset, evaluation.get("label", "")), evaluation["split"]
    label = dataset.schema.label
    assert label is not None
    kind, metric = shown_kind(label.kind), headline(evaluation["metrics"])
    value = evaluation["metrics"][metric]
    return {
        **evaluation,
        "title": evaluation_table.measured(evaluation),
        "per": label.per,
        "class_names": _class_names(label),
        "confusion_tables": page_tables.confusion_tables(evaluation),
        "metric": metric,
        "value": value,
        "baseline_value": evaluation["baseline"].get(metric),
        "warnings": evaluation_table.warnings(evaluation),
        "right": round(value * evaluation["labels"]) if metric == "accuracy" else None,
        "scatters": kind.scatters(predictions),
        "recordings": _recordings(dataset, split, predictions),
        "mistakes": _mistakes(dataset, split, predictions),
        "pictures": split_pictures(dataset, split, evaluation, predictions),
    }


def _class_names(label: LabelSpec) -> tuple[str, ...]:
    """In the order of their colours; of very many the first of each colour."""
    names = label.class_names
    return names[: len(CLASS_COLOURS)] if len(names) > MOST_CLASSES else names


def _recordings(dataset: Dataset, split: str, predictions: Predictions) -> list[dict[str, Any]]:
    """The first recordings of the split; its order is a hash's, so they are a random few."""
    label = dataset.schema.label
    assert label is not None
    kind, axis = dataset.schema.input.kind, TimeAxis.of(dataset)
    rows, scored = predictions.record[:_RECORDINGS], scored_kind(label.kind)
    figures = scored.of_records(predictions)
    # Inputs alone: what was predicted may not be the label of the records.
    samples = read_samples(dataset, split, rows, with_label=False)
    return [
        {
            "id": sample.id,
            "picture": prediction_picture(
                sample, kind, axis, label, _over_time(predictions, i, label, kind)
            ),
            **_verdict(predictions, i, label),
            scored.of_record: float(figures[i]),
        }
        for i, sample in enumerate(samples)
        if predictions.lengths[i]  # Else there is nothing to compare.
    ]


def _over_time(predictions: Predictions, i: int, label: LabelSpec, kind: str) -> OverTime:
    if kind == "frames" and label.per == "record":  # Of which pictures show the end alone.
        return OverTime(np.ones(1, int), *predictions.of(i))
    found = OverTime(*predictions.over_time(i, label.per))
    is_stated = label.class_names and label.per == "step"  # Of a beginning nothing is.
    return found._replace(answer=predictions.answers_over_time(i)) if is_stated else found


def _verdict(predictions: Predictions, i: int, label: LabelSpec) -> dict[str, Any]:
    """A record's labels and predictions in words."""
    truth, found = predictions.of(i)
    answer = predictions.answers_of(i) if label.class_names else found
    return {"truth": label_text(truth, label), "prediction": label_text(answer, label)}


def _mistakes(dataset: Dataset, split: str, predictions: Predictions) -> Table:
    """Records with a wrong class, the surest first."""
    columns = {"recording": None, "true": None, "predicted": None, "probability": "{:.2f}".format}
    label = dataset.schema.label
    rows: list[tuple[Any, ...]] = []
    if label is not None and label.per == "record":
        ids = dataset.split(split).ids()
        found = shown_kind(label.kind).mistakes(predictions, label, _MAX_MISTAKES)
        rows = [(ids[record], *rest) for record, *rest in found]
    return Table("Wrong, the surest first", columns, rows)
