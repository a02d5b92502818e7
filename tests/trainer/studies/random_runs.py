"""Runs of a cross-validation with predictions that are made up."""

import numpy as np

from trainer.evaluation.evaluation import evaluate
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.predictions import Predictions
from trainer.step.reading import AS_THEY_ARE
from trainer.studies.pooled import Run
from trainer.studies.scored import Scored


def random_runs(label, *, folds=3, seeds=(0, 1), repeats=1):
    """Every fold with each seed: six records of two groups with long names in each fold."""
    rng = np.random.default_rng(0)
    truths = [_truth(rng, label, 6) for _ in range(folds)]
    return [
        _run(rng, label, truths[fold], repeat, fold, seed)
        for repeat in range(repeats)
        for fold in range(folds)
        for seed in seeds
    ]


def _truth(rng, label, records):
    lengths = np.ones(records, np.int32) if label.per == "record" else rng.integers(1, 5, records)
    count = int(lengths.sum())
    if label.kind == "class":
        return lengths.astype(np.int32), rng.integers(0, len(label.class_names), count)
    if label.kind == "classes":
        return lengths.astype(np.int32), rng.integers(0, 2, (count, *label.shape)).astype(np.int8)
    return lengths.astype(np.int32), rng.normal(size=(count, *label.shape)).astype(np.float32)


def _run(rng, label, truth, repeat, fold, seed):
    lengths, labels = truth
    units = len(label.class_names) or labels.shape[1]
    prediction = rng.dirichlet(np.ones(units), len(labels)).astype(np.float32)
    found = Predictions(np.arange(6, dtype=np.int32), lengths, labels, prediction)
    found = scored_kind(label.kind).decided(found, AS_THEY_ARE)
    groups = [f"a_group_with_a_long_name_{fold}_{i // 3}" for i in range(6)]
    scored = Scored(
        [f"folder_of_a_person/recording_{fold}_{i}" for i in range(6)],
        groups,
        [f"r{i}.npz" for i in range(6)],
        lengths,
        found,
    )
    evaluation = {**evaluate(found, label, groups), "baselines": [], "baseline": {}}
    return Run(repeat, fold, seed, evaluation, scored)
