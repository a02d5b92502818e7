"""What groups hold, added up, is what a conversion found of all of them."""

import dataclasses

import numpy as np
import pytest

from tests.datasets import CLASS_PER_STEP, toy_dataset
from tests.pipeline.conversions import Converter, Folders
from trainer.studies.group_facts import class_counts, group_facts, statistics


def test_facts_of_all_groups_are_those_of_the_manifest(tmp_path):
    dataset, splits = toy_dataset(tmp_path, label=CLASS_PER_STEP)
    facts = group_facts(dataset, ["train"])
    assert [*facts] == sorted({record.group for record in splits["train"]})
    assert sum(one.records for one in facts.values()) == len(splits["train"])
    counts = class_counts(facts.values(), CLASS_PER_STEP)
    assert counts == dataset.manifest.splits["train"].class_counts
    found, expected = statistics(facts.values()), dataset.manifest.statistics
    for field in dataclasses.fields(expected):
        assert getattr(found, field.name) == pytest.approx(getattr(expected, field.name))


def test_samples_that_only_fill_the_last_step_do_not_count(tmp_path, capsys):
    folders = Folders(tmp_path / "inputs", tmp_path / "output")
    folders.inputs.mkdir()
    for number in range(4):
        signal = np.random.default_rng(number).normal(5, 1, (17 + number, 2)).astype(np.float32)
        np.savez(folders.inputs / f"r{number}.npz", signal=signal, label=number % 2)
    flags = ("--window_samples=8", "--tail=pad", "--splits=train=1")
    dataset = Converter(folders, capsys).dataset(*flags)
    found, expected = (
        statistics(group_facts(dataset, ["train"]).values()),
        dataset.manifest.statistics,
    )
    assert found.minimum == expected.minimum
    assert min(found.minimum) > 0
    assert found.mean == pytest.approx(expected.mean)
    assert found.deviation == pytest.approx(expected.deviation)
