"""The report of a run: one HTML page that needs nothing but itself.

Reads only the files of the run folder, and the manifest, index and a few records of the dataset.
"""

from typing import Any

import numpy as np

from pipeline.console import page
from pipeline.console.tables import Table
from pipeline.inspect.facts import lengths_of
from pipeline.inspect.figures import lengths_picture
from pipeline.inspect.samples import TimeAxis, label_text, read_samples
from tfrecords_schema import Dataset, LabelSpec
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write
from trainer.evaluation import evaluation_table
from trainer.metrics.table import LOSS, headline
from trainer.report import report_figures
from trainer.report.report_data import RunFiles, SplitPredictions, with_label

_RECORDINGS = 6
_MAX_MISTAKES = 25
_SAID_ELSEWHERE = ("dataset_fingerprint", "parameters", "trainable_parameters")
_MAX_SCATTERS = 4


def write_report(run_dir: str, dataset: Dataset, label: LabelSpec | None = None) -> str:
    """Writes `report.html` into a run folder and returns its path.

    Args:
      run_dir: folder of a run of `python -m trainer`; what it lacks is left out of the page.
      dataset: the dataset of the run.
      label: what was predicted, where that is not the dataset's own label.
    """
    run = RunFiles.read(run_dir)
    lengths = _lengths(run, dataset)
    dataset = with_label(dataset, label or dataset.schema.label)
    text = page.render(
        "trainer.report",
        "report.html",
        dataset=dataset.manifest,
        splits=sorted(dataset.manifest.splits.items(), key=lambda split: -split[1].records),
        run=run,
        curves=_curves(run.epochs),
        lengths=lengths,
        results=[_result(run, dataset, split) for split in run.evaluated_on(dataset)],
        tables=evaluation_table,
        versions={
            **{name: text for name, text in run.versions.items() if name not in _SAID_ELSEWHERE},
            "dataset SHA-256": dataset.manifest.fingerprint,
        },
    )
    path = join(run_dir, "report.html")
    atomic_write(path, text.encode())
    return path


def _curves(epochs: list[dict[str, Any]]) -> list[str]:
    """Pictures of the loss and of the metric that the task has."""
    if not epochs:
        return []
    numbers = [line["epoch"] + 1 for line in epochs]
    return [
        report_figures.training_curve(
            name,
            numbers,
            [line["train"][name] for line in epochs],
            [(line["validation"] or {}).get(name) for line in epochs],
        )
        for name in dict.fromkeys((LOSS, headline(epochs[0]["train"])))
    ]


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


def _result(run: RunFiles, dataset: Dataset, split: str) -> dict[str, Any]:
    """What the page says of one evaluated split."""
    evaluation, predictions = run.evaluations[split], run.predictions(split)
    metric = headline(evaluation["metrics"])
    return {
        **evaluation,
        "class_names": evaluation.get("class_names"),
        "metric": metric,
        "value": evaluation["metrics"][metric],
        "baseline_value": evaluation["baseline"].get(metric),
        "right": _right(evaluation, metric),
        "scatters": _scatters(dataset, predictions),
        "recordings": _recordings(dataset, split, predictions),
        "mistakes": _mistakes(dataset, split, predictions),
    }


def _right(evaluation: dict[str, Any], metric: str) -> int | None:
    """Number of right answers, where the metric counts them."""
    if metric != "accuracy":
        return None
    return round(evaluation["metrics"][metric] * evaluation["labels"])


def _scatters(dataset: Dataset, predictions: SplitPredictions) -> list[str]:
    label = dataset.schema.label
    if label is None or label.kind == "class":
        return []
    prediction = predictions.prediction
    truth = predictions.label.reshape(prediction.shape)
    units = min(prediction.shape[1], _MAX_SCATTERS)
    return [
        report_figures.scatter(truth[:, unit], prediction[:, unit], f"value {unit + 1}")
        for unit in range(units)
    ]


def _recordings(
    dataset: Dataset, split: str, predictions: SplitPredictions
) -> list[dict[str, Any]]:
    """The first recordings of the split; its order is a hash's, so they are a random few."""
    label = dataset.schema.label
    assert label is not None
    rows = predictions.record[:_RECORDINGS]
    # Inputs alone: what was predicted may not be the label of the records.
    samples = read_samples(dataset, split, rows, with_label=False)
    return [
        {
            "id": sample.id,
            "picture": _picture_of(dataset, label, sample.data, predictions, i),
            **_verdict(*predictions.of(i), label),
        }
        for i, sample in enumerate(samples)
        if predictions.lengths[i]  # Else there is nothing to compare.
    ]


def _picture_of(
    dataset: Dataset, label: LabelSpec, data: np.ndarray, predictions: SplitPredictions, i: int
) -> str | None:
    if dataset.schema.input.kind == "frames":
        return report_figures.frame_strip(data, _arrows(label, *predictions.of(i)))
    return _picture(dataset, label, data, predictions.over_time(i, label.per))


def _arrows(label: LabelSpec, truth: np.ndarray, prediction: np.ndarray) -> dict[str, np.ndarray]:
    """True and predicted vector of a record whose label is one of two values."""
    if label.kind == "class" or prediction.shape[-1] != 2:
        return {}
    vectors = {"true": truth, "predicted": prediction}
    return {name: vector.reshape(-1, 2)[-1] for name, vector in vectors.items()}


def _picture(
    dataset: Dataset,
    label: LabelSpec,
    signal: np.ndarray | None,
    over_time: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> str | None:
    """A recording and its prediction over time, unless that was not recorded."""
    steps, truth, prediction = over_time
    if not len(steps):
        return None
    axis = TimeAxis.of(dataset)
    return report_figures.recording(
        None if signal is None or label.per == "sequence" else axis.unroll(signal),
        float(steps.max() * axis.unit),
        axis.name,
        steps * axis.unit,
        prediction,
        truth.reshape(len(truth), -1) if label.kind == "value" else truth,
        len(label.class_names),
    )


def _verdict(truth: np.ndarray, prediction: np.ndarray, label: LabelSpec) -> dict[str, Any]:
    """A record's labels and predictions in words, and how right they are."""
    if label.kind == "value":
        error = truth.reshape(prediction.shape) - prediction
        texts = (label_text(truth, label), label_text(prediction, label))
        rmse = float(np.sqrt(np.mean(np.square(error))))
        return {"truth": texts[0], "prediction": texts[1], "rmse": rmse}
    chosen = prediction.argmax(-1)
    return {
        "truth": label_text(truth, label),
        "prediction": label_text(chosen, label),
        "right_share": float(np.mean(chosen == truth)),
    }


def _mistakes(dataset: Dataset, split: str, predictions: SplitPredictions) -> Table:
    """Records with a wrong class, the surest first."""
    columns = {"recording": None, "true": None, "predicted": None, "probability": "{:.2f}".format}
    label = dataset.schema.label
    rows: list[tuple[Any, ...]] = []
    if label is not None and label.kind == "class" and label.per == "record":
        ids, chosen = dataset.split(split).ids(), predictions.prediction.argmax(-1)
        sureness = predictions.prediction.max(-1)
        wrong = np.flatnonzero(chosen != predictions.label)
        for at in wrong[np.argsort(-sureness[wrong])][:_MAX_MISTAKES].tolist():
            record = ids[int(predictions.record[at])]
            truth, answer = (label.class_names[int(a[at])] for a in (predictions.label, chosen))
            rows.append((record, truth, answer, sureness[at]))
    return Table("Wrong, the surest first", columns, rows)
