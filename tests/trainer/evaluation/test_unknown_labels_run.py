"""A training, its figures and pages on records of which some labels are not known."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from pipeline.inspect.samples import label_text
from pipeline.inspect.shortcuts import shortcuts
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    VALUE_PER_STEP,
    random_records,
    write_dataset,
)
from tests.trainer.in_process import run_trainer, train
from tfrecords_schema import Dataset, InputSpec, LabelSpec, RecordSchema
from trainer.evaluation.predictions import Predictions
from trainer.studies.group_facts import class_counts, group_facts

_LABELS = {
    "class": dataclasses.replace(CLASS_PER_STEP, has_missing=True),
    "value": dataclasses.replace(VALUE_PER_STEP, has_missing=True),
}


def _dataset(folder, label: LabelSpec) -> Dataset:
    """Signals with the label in them; a third of the labels is not known, and all of one split."""
    schema = RecordSchema(InputSpec("signal", "float32", (8, 2)), label)
    rng = np.random.default_rng(0)
    sizes = {"train": 12, "validation": 6, "test": 8, "unlabelled": 3}
    splits = {}
    for split, size in sizes.items():
        records = random_records(rng.integers(4, 9, size).tolist(), schema, prefix=split)
        for number, record in enumerate(records):
            labels, gone = record.label.copy(), rng.random(record.steps) < 0.4
            gone[rng.integers(record.steps)] = False
            level = labels if label.kind == "class" else labels[:, 0]
            data = record.data + 3 * level[:, None, None].astype(np.float32)
            labels[gone | (split == "unlabelled")] = -1 if label.kind == "class" else np.nan
            records[number] = dataclasses.replace(record, data=data, label=labels)
        splits[split] = records
    return write_dataset(folder, splits, schema)


@pytest.mark.parametrize("kind", _LABELS)
def test_figures_are_those_of_the_labels_that_are_known(kind, tmp_path, capsys):
    dataset = _dataset(tmp_path, _LABELS[kind])
    places = (f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run")
    train(dataset.path, tmp_path / "run", "--epochs=1")
    printed = capsys.readouterr()
    entry = dataset.manifest.splits["test"]
    said = (
        f"{entry.steps - entry.missing_labels} labels ({entry.missing_labels} more are not known)"
    )
    assert said in printed.out + printed.err
    assert "labels of train are not known: they have no weight" in printed.out + printed.err
    found = json.loads((tmp_path / "run" / "evaluation-test.json").read_text())
    assert found["labels"] == entry.steps - entry.missing_labels
    assert found["missing_labels"] == entry.missing_labels
    predicted = Predictions.read(f"{tmp_path}/run", "test")
    assert predicted.lengths.sum() == len(predicted.step) < entry.steps
    if kind == "class":
        _require_same_answers(predicted, places, tmp_path / "new.csv")
        accuracy = (predicted.prediction.argmax(-1) == predicted.label).mean()
        assert found["metrics"]["accuracy"] == pytest.approx(accuracy, abs=1e-12)
        support = {name: row["support"] for name, row in found["per_class"].items()}
        assert support == entry.class_counts
        assert np.sum(found["confusion"]) == found["labels"]
    else:
        errors = ((predicted.prediction.astype(float) - predicted.label) ** 2).mean()
        assert found["metrics"]["rmse"] == pytest.approx(np.sqrt(errors), rel=1e-6)
        shards = tf.data.TFRecordDataset(dataset.shard_paths("train"))
        labels = [dataset.schema.parse(one)["label"].numpy() for one in shards]
        known = [label[np.isfinite(label).all(1)] for label in labels]
        guess = np.concatenate(known).mean(0, dtype=float)
        expected = np.sqrt(((guess - predicted.label) ** 2).mean())
        assert found["baseline"]["rmse"] == pytest.approx(expected, rel=1e-6)
    assert run_trainer("--mode=evaluate", *places, "--test_split=unlabelled") == 1
    assert "predict it with --mode=predict --predict_split=unlabelled" in capsys.readouterr().err


def _require_same_answers(predicted, places, output):
    """A prediction of all steps says of those with a label what the evaluation did."""
    for split, records in (("unlabelled", 3), ("test", 8)):
        flags = (f"--predict_split={split}", f"--output={output}")
        assert run_trainer("--mode=predict", *places, *flags) == 0
        assert len(output.read_text().splitlines()) == records + 1
    every = dict(np.load(output.with_suffix(".npz")))
    starts = np.cumsum(every["lengths"]) - every["lengths"]
    at = np.repeat(starts[predicted.record], predicted.lengths) + predicted.step
    np.testing.assert_allclose(predicted.prediction, every["output"][at], 1e-5, 1e-6)


def test_what_groups_hold_is_counted_of_labels_that_are_known(tmp_path):
    dataset = _dataset(tmp_path, _LABELS["class"])
    facts, entry = group_facts(dataset, ["train"]).values(), dataset.manifest.splits["train"]
    assert class_counts(facts, CLASS_PER_STEP) == entry.class_counts
    assert sum(one.missing for one in facts) == entry.missing_labels > 0


def test_steps_between_those_whose_label_is_known_are_gaps_in_pictures():
    found = Predictions(
        np.int32([4, 2]), np.int32([2, 1]), np.array([1, 0, 2]),
        np.float32([[0, 1, 0], [1, 0, 0], [0, 0, 1]]), step=np.int32([1, 3, 0]),
    )  # fmt: skip
    steps, label, prediction = found.over_time(0, "step")
    assert (steps.tolist(), label.tolist()) == ([1, 2, 3, 4], [-1, 1, -1, 0])
    assert prediction.argmax(-1).tolist() == [0, 1, 0, 0]
    assert prediction.sum(-1).tolist() == [0, 1, 0, 1]
    assert found.answers_over_time(0).tolist() == [-1, 1, -1, 0]
    assert found.over_time(1, "step")[1].tolist() == [2]
    assert label_text(label, _LABELS["class"]) == "rest, move, and some without"
    assert label_text(label[:1], _LABELS["class"]) == "none"


def test_recordings_without_a_label_give_nothing_away(tmp_path):
    label = dataclasses.replace(CLASS_PER_RECORD, has_missing=True)
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), label)
    records = random_records([3 + n % 4 for n in range(30)], schema)
    gaps = [dataclasses.replace(one, id=f"u{one.id}", label=np.int64(-1)) for one in records[:9]]
    with_gaps = write_dataset(tmp_path, {"train": records, "unlabelled": gaps}, schema)
    without = write_dataset(tmp_path, {"train": records}, schema, name="without")
    assert shortcuts(with_gaps) == shortcuts(without) != []
