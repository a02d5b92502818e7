"""The same training on one device, on replicas, on workers with replicas."""

import dataclasses
import json

import numpy as np
import pytest

from tests.datasets import CLASS_PER_STEP, random_records, write_dataset
from tests.forks.process import Process
from tests.trainer import processes as runs
from tests.trainer import replica_trainings
from tfrecords_schema import InputSpec, RecordSchema

_REPLICAS = 4
_SIZES = (1, _REPLICAS - 1, _REPLICAS, 2 * _REPLICAS + 1)
# A sum over replicas is one of partial sums: it differs from the sum in one go in the last bits.
_TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes")
    schema = RecordSchema(InputSpec("signal", "float32", (12, 2)), CLASS_PER_STEP)
    for size in _SIZES:
        lengths = np.random.default_rng(size).integers(1, 9, size).tolist()
        write_dataset(folder / str(size), {"train": random_records(lengths, schema)}, schema)
    _write_gaps(folder / "gaps", schema)
    return folder


def _write_gaps(folder, schema):
    """Labels of which some are not known, the same without their steps, and those of none."""
    label = dataclasses.replace(CLASS_PER_STEP, has_missing=True)
    rng, gaps = np.random.default_rng(3), RecordSchema(schema.input, label)
    records, without = random_records(rng.integers(3, 9, 10).tolist(), schema), []
    for number, record in enumerate(records):
        known = rng.random(record.steps) < 0.6
        known[rng.integers(record.steps)] = True
        without.append(
            dataclasses.replace(record, data=record.data[known], label=record.label[known])
        )
        labels = np.where(known, record.label, -1)
        records[number] = dataclasses.replace(record, label=labels)
    nothing = [dataclasses.replace(one, label=np.full_like(one.label, -1)) for one in records]
    write_dataset(folder, {"train": records}, gaps, name="gaps")
    write_dataset(folder, {"train": without}, schema, name="without")
    write_dataset(folder, {"train": nothing}, gaps, name="nothing")


@pytest.fixture(scope="module")
def one_device(datasets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    replica_trainings.main([datasets, folder, "--cpu_replicas=0"])
    return folder


@pytest.mark.parametrize(("workers", "replicas"), [(1, 4), (2, 2)])
def test_property_09_any_replicas_and_workers_give_the_same_losses_and_weights(
    workers, replicas, datasets, one_device, tmp_path
):
    """With batch normalization, clipping, class weights and accumulation; some have no record."""
    started = [
        Process(
            replica_trainings.__name__, datasets, tmp_path, f"--cpu_replicas={replicas}",
            log=tmp_path / f"log-{number}", environment=environment,
        )
        for number, environment in enumerate(runs.clusters(workers))
    ]  # fmt: skip
    try:
        for process in started:
            process.succeed()
    finally:
        for process in started:
            process.kill()
    _require_gaps_weigh_nothing(tmp_path, one_device)
    for worker in range(workers):
        chosen = (tmp_path / f"choices-{worker}").read_text()
        assert "loss on training groups left out: both" in chosen
        assert chosen == (one_device / "choices-0").read_text()
    for size in map(str, _SIZES):
        expected, found = runs.arrays(one_device / size), runs.arrays(tmp_path / size)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert np.isfinite(value).all()
            message = f"{name} of the training on {size} records"
            np.testing.assert_allclose(found[name], value, _TOLERANCE, _TOLERANCE, err_msg=message)
        for first, second in zip(_losses(one_device / size), _losses(tmp_path / size), strict=True):
            assert np.isfinite(first)
            assert second == pytest.approx(first, rel=_TOLERANCE)


def _require_gaps_weigh_nothing(folder, one_device):
    """Sums and weights after every step, with labels not known and without their steps."""
    found, without, nothing = (
        dict(np.load(folder / f"{name}-0.npz")) for name in replica_trainings.GAPS
    )
    first = dict(np.load(one_device / "gaps-0.npz"))
    assert found.keys() == without.keys() == nothing.keys() == first.keys()
    for name, value in found.items():
        assert np.isfinite(value).all()
        np.testing.assert_allclose(value, without[name], _TOLERANCE, _TOLERANCE, err_msg=name)
        np.testing.assert_allclose(value, first[name], _TOLERANCE, _TOLERANCE, err_msg=name)
        if name.startswith(("kernel", "bias")):
            kind = name.partition("-")[0]
            np.testing.assert_array_equal(nothing[name], nothing[f"{kind}-0"])
            assert not np.array_equal(value, nothing[name])
        else:
            np.testing.assert_array_equal(nothing[name], [0, 0])


def _losses(run_dir):
    lines = map(json.loads, (run_dir / "metrics.jsonl").read_text().splitlines())
    of_validation = ("loss", "nll")  # By batches, and by a prediction of the split.
    return [
        value
        for line in lines
        for value in (line["train"]["loss"], *(line["validation"][name] for name in of_validation))
    ]
