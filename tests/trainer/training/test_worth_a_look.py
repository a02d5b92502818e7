"""What is said before a training begins."""

import dataclasses

import keras
import numpy as np
import pytest

from tests.datasets import CLASS_PER_RECORD, VALUE_PER_RECORD, toy_dataset, write_dataset
from trainer.data.split_data import load_split
from trainer.options.options import DataOptions, TrainingOptions
from trainer.training import worth_a_look


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), label=CLASS_PER_RECORD, num_shards=1)[0]


def _said(dataset, test_split="test", **options):
    data = DataOptions(batch_size=4, num_buckets=1)
    train, validation = (load_split(dataset, name, data, None) for name in ("train", "validation"))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    training = TrainingOptions(**options)
    found = worth_a_look.notes(training, dataset, train, validation, test_split, model)
    text = worth_a_look.text(found)
    assert max(map(len, text.splitlines()), default=0) <= 80
    return " ".join(text.split())


def test_few_updates_are_told_before_the_first(toy):
    assert "- 10 updates in all (2 epochs of 5 batches): few models" in _said(toy, epochs=2)
    assert "updates in all" not in _said(toy, epochs=20)
    said = _said(toy, epochs=20, accumulate_batches=2)
    assert "- 60 updates in all (20 epochs of 5 batches)" in said


def test_a_test_split_that_is_validated_on_is_told(toy):
    said = "- validation is validated on and tested: its figure will be that of the weights"
    assert said in _said(toy, "validation", epochs=99)
    assert "is validated on" not in _said(toy, epochs=99)
    assert "is validated on" not in _said(toy, "validation", epochs=99, evaluate_with="last")


def test_what_speaks_against_the_splits_is_told(toy):
    assert "- test has 3 groups: figures on it say little" in _said(toy, epochs=99)


def _validated_on(folder, label, records, labels=None):
    _, splits = toy_dataset(folder / "all", label=label)
    chosen = splits["validation"][:records]
    if labels is not None:
        chosen = [dataclasses.replace(one, label=np.int64(labels)) for one in chosen]
    schema = toy_dataset(folder / "all", label=label)[0].schema
    return write_dataset(folder, {**splits, "validation": chosen}, schema)


@pytest.mark.parametrize(
    ("label", "records", "labels", "options", "expected"),
    [
        (CLASS_PER_RECORD, 7, 1, {}, "all labels of validation are move: its loss tells no good"),
        (CLASS_PER_RECORD, 4, None, {}, "validation has 4 records: its loss tells no good weights"),
        (VALUE_PER_RECORD, 4, None, {}, "validation has 4 records"),
        (
            CLASS_PER_RECORD,
            4,
            None,
            {"evaluate_with": "last", "early_stopping_patience": 2, "monitor": "accuracy"},
            "its accuracy tells no good weights from bad ones, and decides by "
            "--early_stopping_patience=2; convert",
        ),
        (CLASS_PER_RECORD, 4, None, {"evaluate_with": "last"}, ""),
        (CLASS_PER_RECORD, 7, None, {}, ""),
        (VALUE_PER_RECORD, 5, None, {}, ""),
    ],
)
def test_a_validation_split_that_decides_nothing_is_told(
    tmp_path, label, records, labels, options, expected
):
    said = _said(_validated_on(tmp_path, label, records, labels), epochs=99, **options)
    assert expected in said
    assert ("tells no good weights" in said) == bool(expected)
