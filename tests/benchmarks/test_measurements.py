"""What the benchmarks measure: the same work on both sides, and figures that mean what they say."""

import importlib.util
import pathlib
from collections.abc import Sequence

import keras
import numpy as np
import pytest

import benchmarks
from benchmarks.harness.many_records import write_many
from benchmarks.harness.measure import Row, against, alternately, within
from benchmarks.harness.recordings import lognormal_lengths, record_id, write_pairs
from benchmarks.harness.tables import line
from benchmarks.peers import sequence_worker
from benchmarks.peers.signal_worker import build, load_padded
from benchmarks.results.precision_parity import compare
from benchmarks.speed.input import BUCKETS, stock_epoch
from benchmarks.speed.step import STEP_GFLOP, thinned, typical_lengths, valid_share
from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.plan import BatchOptions, plan_epoch
from tests.forks.process import Process

# Of the room of other projects' loaders, what needs none of them.
_OWN = ("__init__", "ours", "plain_arrays", "worker")


def test_the_source_model_has_the_published_parameters():
    model = build(keras, 3000)
    assert model.count_params() == 2_832_002
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 2_830_978


def test_operations_of_a_step_follow_from_the_layers():
    dense = 2 * (3104 + 256) * 768 + 2 * (256 + 128) * 384
    convolutions = [2 * n * 32 * c * 32 for n, c in ((990, 1), (480, 32), (225, 32), (97, 32))]
    assert pytest.approx(3 * (dense + sum(convolutions)) - convolutions[0]) == STEP_GFLOP * 1e9


@pytest.mark.parametrize("per", ["step", "record"])
def test_stock_input_delivers_the_records_that_ours_does(tmp_path, per):
    lengths = np.random.default_rng(0).integers(1, 9, 40)
    dataset = write_many(tmp_path, lengths, (3,), per=per)
    plan = plan_epoch(lengths, BatchOptions(batch_size=4, num_buckets=BUCKETS), seed=0, epoch=0)
    ours = [
        row[:length].tobytes()
        for batch in BatchReader(dataset, "train").epoch(plan).as_numpy_iterator()
        for row, length in zip(batch["signal"], batch["lengths"], strict=True)
    ]
    stock = []
    for signal, _ in stock_epoch(dataset, 4):
        # No value of the made records is 0.
        valid = (signal.numpy() != 0).all(-1).sum(1)
        stock += [row[:n].tobytes() for row, n in zip(signal.numpy(), valid, strict=True)]
    assert sorted(stock) == sorted(ours)


def test_the_sequence_pads_the_recordings_as_they_are(tmp_path):
    lengths = [3, 1, 4]
    write_pairs(tmp_path, lengths, (5, 1))
    ids = [record_id(number) for number in range(3)]
    signal, label, found = load_padded(str(tmp_path), ids)
    assert found.tolist() == lengths
    (batch,) = list(sequence_worker.Sequence(str(tmp_path), ids, batch_size=4))
    assert sorted(np.abs(batch[0]).sum((1, 2, 3))) == sorted(np.abs(signal).sum((1, 2, 3)))
    assert signal.shape == (3, 4, 5, 1)
    assert label.shape == (3, 4, 1)
    with np.load(tmp_path / "signal" / f"{record_id(1)}.npz") as arrays:
        row = int(np.argmin(found))
        np.testing.assert_array_equal(signal[row, :1], arrays["signal"])


def test_the_typical_batch_has_the_median_padding():
    shares = valid_share(lognormal_lengths(32 * 500, seed=5).reshape(500, 32))
    assert valid_share(typical_lengths(32)) == pytest.approx(np.median(shares), abs=0.02)


def test_a_thinned_batch_has_the_longest_and_as_much_padding():
    lengths = typical_lengths(32)
    few = lengths[thinned(lengths, 4)]
    assert (len(few), few.max()) == (4, lengths.max())
    assert valid_share(few) == pytest.approx(valid_share(lengths), abs=0.03)


def test_ratios_limits_and_the_line_that_shows_them():
    row = against("work", ours=[1.0, 2.0, 9.0], peer=[30.0, 10.0, 24.0], unit="s", at_least=12)
    assert (row.ours, row.peer, row.ratio, row.holds) == (2.0, 24.0, 12.0, True)
    assert against("work", [2.1], [24.0], "s", 12).holds is False
    assert within("wait", [0.5], "s", "below", 0.5).holds is False
    assert " ".join(line(row).split()) == "work 2 24 s 12.00 x at least 12 times yes"
    assert " ".join(line(Row("size", 1234.5, "MB")).split()) == "size 1,234 MB"


def test_things_are_measured_in_turn():
    order = []
    runs = {name: lambda name=name: order.append(name) or float(len(order)) for name in "ab"}
    assert alternately(runs, 2) == {"a": [1.0, 3.0], "b": [2.0, 4.0]}
    assert order == ["a", "b", "a", "b"]


@pytest.mark.parametrize(("second", "holds"), [([0.9, 0.8, 0.7], True), ([0.5, 0.4, 0.3], False)])
def test_precisions_differ_only_beyond_what_seeds_do(second, holds):
    assert compare([0.8, 0.9, 0.7], second)["holds"] is holds


def main(names: Sequence[str]) -> int:
    """Imports modules, in a process of its own."""
    for name in names:
        importlib.import_module(name)
    return 0


def test_every_script_finds_what_it_imports(tmp_path):
    folder = pathlib.Path(benchmarks.__file__).parent
    paths = [path.relative_to(folder.parent) for path in folder.rglob("*.py")]
    if not importlib.util.find_spec("torch"):
        paths = [path for path in paths if "pytorch" not in path.parts]
    if not importlib.util.find_spec("streaming"):
        paths = [path for path in paths if path.parent.name != "loaders" or path.stem in _OWN]
    names = [".".join(path.with_suffix("").parts) for path in paths]
    Process(__name__, *names, log=tmp_path / "log").succeed()
