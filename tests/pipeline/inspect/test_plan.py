"""What `--plan` says of an epoch is what the input pipeline then delivers."""

import collections
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.plan import BatchOptions
from pipeline.inspect import tables
from pipeline.inspect.__main__ import main
from pipeline.inspect.plan import plan_facts
from tests.datasets import CLASS_PER_STEP, VALUE_SEQUENCE, Record, random_records, write_dataset
from tfrecords_schema import InputSpec, RecordSchema


def _signals(tmp_path, dtype="float32", label=CLASS_PER_STEP, lengths=None):
    schema = RecordSchema(InputSpec("signal", dtype, (5, 2)), label)
    lengths = lengths or np.random.default_rng(3).integers(1, 40, 41).tolist()
    return write_dataset(tmp_path, {"train": random_records(lengths, schema)}, schema)


def _frames(tmp_path):
    png = tf.io.encode_png(np.zeros((6, 8, 3), np.uint8)).numpy()
    records = [Record(f"f{i}", [png] * (1 + i % 4), None, f"g{i}") for i in range(9)]
    return write_dataset(
        tmp_path, {"train": records}, RecordSchema(InputSpec("frames", "uint8", (6, 8, 3)))
    )


_CASES = {
    "size": (_signals, BatchOptions(batch_size=7), 2),
    "budget": (lambda path: _signals(path, "int16"), BatchOptions(None, 90, 4), 3),
    "boundaries": (_signals, BatchOptions(batch_size=16, boundaries=(10, 20)), 1),
    "frames": (_frames, BatchOptions(batch_size=2), 3),
    "one step": (
        lambda path: _signals(path, label=VALUE_SEQUENCE, lengths=[1] * 11),
        BatchOptions(batch_size=3),
        1,
    ),
}


@pytest.mark.parametrize(("make", "options", "replicas"), _CASES.values(), ids=_CASES)
def test_shapes_memory_and_balance_are_those_of_the_batches(tmp_path, make, options, replicas):
    dataset = make(tmp_path)
    facts = plan_facts(dataset, "train", options, seed=5, replicas=replicas)
    kind = dataset.schema.input.kind
    whole = list(BatchReader(dataset, "train").epoch(facts.plan))
    shapes = collections.Counter(tuple(batch[kind].shape) for batch in whole)
    assert {shape.shape: shape.batches for shape in facts.shapes} == shapes
    sizes = {tuple(batch[kind].shape): batch[kind].numpy().nbytes for batch in whole}
    assert {shape.shape: shape.input_bytes for shape in facts.shapes} == sizes
    assert facts.largest.input_bytes == max(sizes.values())
    assert facts.float32_bytes == max(4 * batch[kind].numpy().size for batch in whole)
    parts = list(BatchReader(dataset, "train", num_replicas=replicas).epoch(facts.plan))
    counted = "label_lengths" if "label_lengths" in parts[0] else "lengths"
    valid = np.array([part[counted].numpy().sum() for part in parts]).reshape(-1, replicas)
    records = np.array([(part["record"].numpy() >= 0).sum() for part in parts])
    np.testing.assert_array_equal(facts.valid_steps, valid)
    np.testing.assert_array_equal(facts.records, records.reshape(-1, replicas))
    table = tables.replicas(facts)
    worst = (valid.max(1) * replicas / valid.sum(1)).max() - 1
    mean = valid.max(1).sum() * replicas / valid.sum() - 1
    assert f"has {mean:.1%} more valid steps than the mean, in the worst step {worst:.1%}" in (
        table.note
    )
    empty = (records == 0).sum()
    assert (f"; {empty} times a replica has no record" in table.note) == bool(empty)
    totals = zip(range(replicas), facts.records.sum(0), valid.sum(0), strict=True)
    assert table.rows == ([*totals] if replicas > 1 else [])


def test_padding_of_the_shapes_adds_up_to_that_of_the_plan(tmp_path):
    facts = plan_facts(_signals(tmp_path), "train", BatchOptions(batch_size=7), seed=1, replicas=1)
    cells = [s.batches * s.shape[0] * s.shape[1] for s in facts.shapes]
    padding = [s.padding_share * n for s, n in zip(facts.shapes, cells, strict=True)]
    assert sum(padding) / sum(cells) == pytest.approx(facts.plan.padding_share)
    assert facts.buckets_padding_share <= facts.plan.padding_share


def test_boundaries_that_end_too_early_get_one_more_as_in_training(tmp_path):
    dataset = _signals(tmp_path, lengths=[3, 8, 30])
    facts = plan_facts(dataset, "train", BatchOptions(boundaries=(5, 10)), seed=0, replicas=1)
    assert facts.options.boundaries == (5, 10, 30)
    assert dataclasses.replace(facts.options, boundaries=None) == BatchOptions()


def test_the_options_are_those_of_the_command_line(tmp_path, capsys):
    dataset = _signals(tmp_path)
    flags = ["--batch_steps=120", "--num_buckets=3", "--boundary_align=8", "--replicas=2"]
    assert main([dataset.path, "--no_html", "--seed=9", *flags]) == 0
    out = capsys.readouterr().out
    options = BatchOptions(None, 120, 3, align=8)
    facts = plan_facts(dataset, "train", options, seed=9, replicas=2)
    assert f"the first epoch of train, seed 9: 41 records in {facts.plan.num_steps} batches" in out
    assert "of up to 120 padded\n" in out
    assert f"padded to {', '.join(map(str, facts.options.boundaries))}\n" in out
    assert all(boundary % 8 == 0 for boundary in facts.options.boundaries)
    for shape in facts.shapes:
        assert f"\n{list(shape.shape)} " in out
    assert "\n1             " in out


def test_no_epoch_is_planned_unless_it_is_asked_for(tmp_path, capsys):
    dataset = _signals(tmp_path)
    assert main([dataset.path, "--no_html"]) == 0
    assert "the first epoch" not in capsys.readouterr().out
    assert main([dataset.path, "--no_html", "--plan"]) == 0
    assert "the first epoch of train, seed 0" in capsys.readouterr().out
