"""Run folders as a training and an evaluation leave them, with figures that are made up."""

import json
import pathlib

import numpy as np

from tests.datasets import Record
from tfrecords_schema import Dataset


def write_run(
    run_dir: pathlib.Path, dataset: Dataset, splits: dict[str, list[Record]], *, seed: int = 0
) -> None:
    """Writes what a training and an evaluation leave in a run folder."""
    run_dir.mkdir()
    label, records = dataset.schema.label, splits["test"]
    rng = np.random.default_rng(seed)
    metric = "accuracy" if label.kind == "class" else "rmse"
    truths = [np.atleast_1d(r.label) if label.kind == "class" else r.label for r in records]
    if label.per == "record" and label.kind == "value":
        truths = [truth[np.newaxis] for truth in truths]
    truth = np.concatenate(truths)
    units = len(label.class_names) or truth.shape[1]
    prediction = rng.dirichlet(np.ones(units), len(truth)).astype(np.float32)
    arrays = {
        "record": np.arange(len(records), dtype=np.int32),
        "lengths": np.array([len(part) for part in truths], np.int32),
        "label": truth,
        "prediction": prediction,
    }
    if label.per == "record":
        arrays["prefix_record"] = np.repeat(np.int32([0, 1]), 3)
        arrays["prefix_steps"] = np.int32([1, 2, 3, 1, 2, 3])
        arrays["prefix_prediction"] = rng.dirichlet(np.ones(units), 6).astype(np.float32)
    np.savez(run_dir / "predictions-test.npz", **arrays)
    evaluation = {
        "split": "test",
        "dataset_fingerprint": dataset.manifest.fingerprint,
        "records": len(records),
        "labels": len(truth),
        "metrics": {metric: 0.75},
        "intervals": {metric: [0.6875, 0.8125]},
        "bootstrap_resamples": 1000,
        "baselines": [{"name": "the baseline", metric: 0.125}],
        "groups": {
            "subject <1>": {"labels": len(truth), metric: 0.75},
            "the worst": {"labels": 1, metric: 0.25 if metric == "accuracy" else 1.25},
        },
    }
    evaluation["baseline"] = evaluation["baselines"][0]
    if label.kind == "class":
        evaluation["class_names"] = list(label.class_names)
        row = {"precision": 0.875, "recall": 0.5, "f1": 0.625, "support": 1234}
        evaluation["per_class"] = dict.fromkeys(label.class_names, row)
        evaluation["confusion"] = [[7, 0, 0], [1, 8, 0], [0, 0, 9]]
    (run_dir / "evaluation-test.json").write_text(json.dumps(evaluation))
    write_training(run_dir, metric)


def write_training(run_dir: pathlib.Path, metric: str) -> None:
    """Writes what a training leaves that was not evaluated."""
    lines = [
        {
            "epoch": epoch,
            "seconds": 1.5,
            "valid_steps_per_sec": 1234.0,
            "train": {"loss": 1.0 / (epoch + 1), metric: 0.5},
            "validation": {"loss": 1.1, metric: 0.4},
        }
        for epoch in range(3)
    ]
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run_dir / "config.flags").write_text("--train_split=train\n--test_split=test\n--dropout=0.4\n")
    (run_dir / "plan.json").write_text(json.dumps({"boundaries": [4, 12], "padding_share": 0.0625}))
    versions = {"keras": "3.x", "parameters": 2832002, "trainable_parameters": 2830978}
    (run_dir / "versions.json").write_text(json.dumps(versions))
