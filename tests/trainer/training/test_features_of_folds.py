"""Features of frozen layers on folds: computed once for all of them, and each record's own."""

import keras
import numpy as np
import pytest

from pipeline.batches.plan import BatchOptions
from tests.datasets import CLASS_PER_RECORD
from tests.trainer.frame_models import frames_dataset
from trainer.data.split_data import SplitData
from trainer.runs.asked import asked
from trainer.studies.fold_datasets import plan_folds, read_facts, write_fold
from trainer.studies.fold_jobs import fold_job
from trainer.studies.options import FoldOptions
from trainer.training.feature_cache import FeatureCache

_LENGTHS = {"train": [3, 1, 4, 2, 2, 5], "validation": [1, 2, 6], "test": [9, 9]}


@pytest.fixture(scope="module")
def network():
    frame = keras.Input((32, 32, 3), dtype="uint8")
    pixels = keras.layers.Rescaling(1 / 255)(frame)
    return keras.Model(frame, keras.layers.GlobalAveragePooling2D()(pixels))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return frames_dataset(tmp_path_factory.mktemp("frames"), CLASS_PER_RECORD, _LENGTHS)


def _folds(dataset, folder, splits):
    options = FoldOptions(folds="3", fold_validation="next", repeats=2)
    facts = read_facts(dataset, splits, options)
    return [
        (fold, write_fold(str(folder), fold, dataset, splits, facts))
        for fold in plan_folds(facts, options)
    ]


def _records(dataset, split, key):
    """What each record holds, by its id."""
    data, ids = SplitData(dataset, split, BatchOptions(batch_size=4)), dataset.split(split).ids()
    return {
        ids[row]: values[:length]
        for batch in data.read(data.plan(shuffle=False))
        for row, values, length in zip(
            *(batch[name].numpy() for name in ("record", key, "lengths")), strict=True
        )
    }


@pytest.mark.parametrize("splits", [("train", "validation"), ("validation", "train")])
def test_features_are_computed_once_for_all_folds(dataset, network, tmp_path, monkeypatch, splits):
    computed, compute = [], FeatureCache._features
    monkeypatch.setattr(
        FeatureCache,
        "_features",
        lambda self, frames: computed.append(len(frames)) or compute(self, frames),
    )
    expected = {
        record: network(frames).numpy()
        for split in splits
        for record, frames in _records(dataset, split, "frames").items()
    }
    for _, fold in _folds(dataset, tmp_path, splits):
        cache = FeatureCache(str(tmp_path / "features"), fold, network)
        for split in ("train", "validation", "test"):
            features = cache.dataset(split)
            assert features.split(split).ids() == fold.split(split).ids()
            assert features.split(split).groups() == fold.split(split).groups()
            found = _records(features, split, "signal")
            assert found.keys() == {*fold.split(split).ids()}
            for record, values in found.items():
                np.testing.assert_allclose(values, expected[record], atol=1e-6)
    assert sum(computed) == sum(_LENGTHS["train"]) + sum(_LENGTHS["validation"])


def test_all_trainings_of_a_study_keep_features_in_one_place(dataset, tmp_path):
    fold, of_fold = _folds(dataset, tmp_path, ("train",))[0]

    def places(*flags):
        jobs = [fold_job(str(tmp_path), f"runs/{i}", flags, fold, of_fold) for i in range(2)]
        options = [option for job in jobs for option in asked(job.argv).model.options]
        return {found for one in options if (found := getattr(one, "feature_cache_dir", None))}

    assert places("--model=frames") == {f"{tmp_path}/features"}
    assert places("--model=frames", "--feature_cache_dir=/mine") == {"/mine"}
    assert places("--model=video") == set()
