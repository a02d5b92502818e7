"""Datasets of the same schema whose values mean something else."""

import dataclasses

import pytest

from tests.datasets import toy_dataset
from trainer.runs.run_folder import LearntFrom, other_reading

_LEARNT = {"channels": ["ax", "ay"], "units": ["uV", "uV"], "sample_rate_hz": 100.0}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (_LEARNT, ""),
        ({}, ""),
        ({**_LEARNT, "channels": [], "window_samples": 5}, ""),
        ({**_LEARNT, "channels": ["ay", "ax"]}, "channels ay, ax, the model's have ax, ay"),
        ({**_LEARNT, "sample_rate_hz": 50.0}, "sample_rate_hz 50.0, the model's have 100.0"),
        ({"units": ["mV", "mV"]}, "units mV, mV, the model's have uV, uV"),
    ],
)
def test_values_that_were_read_otherwise_are_said(options, said, tmp_path):
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 1})
    learnt = dataclasses.replace(LearntFrom.of(dataset), options=_LEARNT)
    start = "WARNING: the recordings of d have "
    assert other_reading(learnt, "d", options) == (f"{start}{said}" if said else "")
