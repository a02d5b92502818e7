"""A small set with several labels that follow from the signal: a stage, events and an age."""

import pathlib

import numpy as np

from tests.datasets import Record, write_dataset
from tfrecords_schema import Dataset, Head, InputSpec, LabelSpec, RecordSchema
from tfrecords_schema.labels import side_by_side

STAGE = LabelSpec("step", "class", class_names=("wake", "light", "deep"), has_missing=True)
EVENTS = LabelSpec("step", "classes", "int8", (2,), ("apnea", "arousal"), has_missing=True)
AGE = LabelSpec("record", "value", "float32", has_missing=True)
SEVERAL = LabelSpec.of_heads([Head("stage", STAGE), Head("events", EVENTS), Head("age", AGE)])


def records(count: int, prefix: str, *, seed: int = 0, missing: float = 0.1) -> list[Record]:
    """Signals `[time, 3]`: what each channel says, with noise, and their labels."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        steps = int(rng.integers(6, 30))
        stage = np.repeat(rng.integers(0, 3, -(-steps // 5)), 5)[:steps]
        events = rng.integers(0, 2, (steps, 2)).astype(np.int8)
        age = np.float32(rng.normal(60, 15))
        data = np.stack([stage - 1.0, 2 * events[:, 0] + events[:, 1] - 1.5], -1)
        data = np.concatenate([data, np.full((steps, 1), (age - 60) / 15)], -1)
        data = (data + 0.05 * rng.normal(size=data.shape)).astype(np.float32)
        stage = np.where(rng.random(steps) < missing, -1, stage)
        events = np.where(rng.random((steps, 2)) < missing, np.int8(-1), events)
        age = np.float32(np.nan) if rng.random() < missing else age
        own = {"stage": stage, "events": events, "age": np.asarray(age)}
        label = side_by_side(own, SEVERAL, steps)
        found.append(Record(f"{prefix}{number}", data, label, f"{prefix}{number // 2}"))
    return found


def several_labels(folder: str | pathlib.Path, *, missing: float = 0.1) -> Dataset:
    """The set, with splits train, validation and test."""
    schema = RecordSchema(InputSpec("signal", "float32", (3,)), SEVERAL)
    sizes = {"train": 60, "validation": 16, "test": 20}
    splits = {
        name: records(size, name, seed=at, missing=missing)
        for at, (name, size) in enumerate(sizes.items())
    }
    return write_dataset(folder, splits, schema)
