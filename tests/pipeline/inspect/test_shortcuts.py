"""What gives the label away is told, and what does not is not."""

import dataclasses

import numpy as np
import pytest

from pipeline.inspect.facts import gather
from pipeline.inspect.shortcuts import shortcut_table, shortcuts
from pipeline.inspect.text import facts_text
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    VALUE_PER_RECORD,
    Record,
    toy_dataset,
    write_dataset,
)
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema

_GROUPS, _OF_GROUP = 12, 6


def _dataset(folder, length_of, level_of, label_of, label=CLASS_PER_RECORD):
    rng = np.random.default_rng(0)
    records = []
    for group in range(_GROUPS):
        for number in range(_OF_GROUP):
            truth = label_of(rng, group)
            steps = length_of(rng, truth)
            data = rng.normal(level_of(truth), 1, (steps, 2)).astype(np.float32)
            records.append(Record(f"g{group}_{number}", data, truth, f"g{group}"))
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), label)
    return write_dataset(folder, {"train": records[:48], "test": records[48:]}, schema)


def _by(found):
    return {one.by: one for one in found}


def _any_length(rng, truth):
    return int(rng.integers(5, 15))


def _any_class(rng, group):
    return int(rng.integers(0, 3))


def test_nothing_gives_the_label_away_where_nothing_does(tmp_path):
    dataset = _dataset(tmp_path, _any_length, lambda truth: 0, _any_class)
    found = shortcuts(dataset)
    assert [one.by for one in found] == [
        "majority",
        "length alone",
        "level of channels",
        "group alone",
    ]
    assert not any(one.warning for one in found)
    labels = np.array(
        [int(text[1:-1]) for s in ("train", "test") for text in dataset.split(s).labels()]
    )
    assert found[0].figure == pytest.approx(np.bincount(labels).max() / len(labels))


@pytest.mark.parametrize(
    ("length_of", "level_of", "label_of", "by", "cure"),
    [
        (lambda rng, truth: 5 + 3 * truth + int(rng.integers(0, 2)), lambda truth: 0, _any_class,
         "length alone", "see where lengths come from"),
        (_any_length, lambda truth: 4 * truth, _any_class,
         "level of channels", "--normalization=record hides it"),
        (_any_length, lambda truth: 0, lambda rng, group: group % 3,
         "group alone", "hold whole groups out"),
    ],
    ids=["length", "level", "group"],
)  # fmt: skip
def test_what_gives_the_label_away_is_told_alone(tmp_path, length_of, level_of, label_of, by, cure):
    found = _by(shortcuts(_dataset(tmp_path, length_of, level_of, label_of)))
    assert found[by].figure > 0.9
    assert cure in found[by].warning
    assert [one.by for one in found.values() if one.warning] == [by]


def test_values_are_told_by_their_error_against_the_mean(tmp_path):
    dataset = _dataset(
        tmp_path, lambda rng, truth: int(10 + 4 * truth[0]), lambda truth: 0,
        lambda rng, group: rng.uniform(0, 5, 2).astype(np.float32), VALUE_PER_RECORD,
    )  # fmt: skip
    found = _by(shortcuts(dataset))
    assert found["mean"].figure == pytest.approx(1)
    assert found["length alone"].figure < 0.75  # The first value follows from it, the other not.
    assert "length alone gives" in found["length alone"].warning
    assert not found["level of channels"].warning


def test_lengths_are_guessed_from_as_a_plain_loop_does(tmp_path):
    dataset = _dataset(
        tmp_path, lambda rng, t: 5 + t + int(rng.integers(0, 4)), lambda t: 0, _any_class
    )
    parts = [dataset.split(name) for name in dataset.manifest.splits]
    steps = np.concatenate([part.steps for part in parts]).astype(float)
    groups = np.array([one for part in parts for one in part.groups()])
    labels = np.array([int(text[1:-1]) for part in parts for text in part.labels()])
    right = 0
    for at in range(len(steps)):
        others = np.flatnonzero(groups != groups[at])
        near = others[np.argsort(abs(steps[others] - steps[at]), kind="stable")]
        right += (
            np.bincount(labels[near[: round(len(steps) ** 0.5)]], minlength=3).argmax()
            == labels[at]
        )
    assert _by(shortcuts(dataset))["length alone"].figure == pytest.approx(right / len(steps))


def test_other_labels_few_records_and_damaged_ones_are_passed_over(tmp_path):
    assert shortcuts(toy_dataset(tmp_path / "steps", label=CLASS_PER_STEP)[0]) == []
    few, _ = toy_dataset(tmp_path / "few", label=CLASS_PER_RECORD, sizes={"train": 5, "test": 2})
    assert shortcuts(few) == []
    dataset = _dataset(tmp_path / "damaged", _any_length, lambda truth: 0, _any_class)
    entry = dataset.manifest.splits["train"]
    path = tmp_path / "damaged" / "toy" / "1.0.0" / entry.shards[0].file
    path.write_bytes(b"\xff" * path.stat().st_size)
    assert shortcuts(dataset) == []


def test_an_inspection_shows_the_table_and_the_warning(tmp_path):
    dataset = _dataset(tmp_path, lambda rng, truth: 5 + truth, lambda truth: 0, _any_class)
    text = " ".join(facts_text(gather(dataset)).split())
    assert "a guess by accuracy majority" in text
    assert "- length alone gives accuracy 1.000, where the majority has" in text
    label = dataclasses.replace(LabelSpec("record", "class", class_names=("a",)))
    assert shortcut_table([], label).rows == []
