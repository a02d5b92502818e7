"""What is said before a training begins."""

import keras
import pytest

from tests.datasets import CLASS_PER_RECORD, toy_dataset
from trainer.data.split_data import load_split
from trainer.options.options import DataOptions, TrainingOptions
from trainer.training import worth_a_look


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), label=CLASS_PER_RECORD, num_shards=1)[0]


def _said(dataset, **options):
    train = load_split(dataset, "train", DataOptions(batch_size=4, num_buckets=1), None)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    text = worth_a_look.text(TrainingOptions(**options), dataset, train, model)
    assert max(map(len, text.splitlines()), default=0) <= 80
    return " ".join(text.split())


def test_few_updates_are_told_before_the_first(toy):
    assert "- 10 updates in all (2 epochs of 5 batches): few models" in _said(toy, epochs=2)
    assert "updates in all" not in _said(toy, epochs=20)
    said = _said(toy, epochs=20, accumulate_batches=2)
    assert "- 60 updates in all (20 epochs of 5 batches)" in said


def test_what_speaks_against_the_splits_is_told(toy):
    assert "- test has 3 groups: figures on it say little" in _said(toy, epochs=99)
