"""Other projects' loaders are given what ours is, and what all deliver is compared."""

import pathlib
import time

import numpy as np
import pytest

from benchmarks.harness.many_records import signal_of, write_many
from benchmarks.harness.processes import processor_secs
from benchmarks.peers.loaders import ours
from benchmarks.peers.loaders.plain_arrays import (
    BucketedOrders,
    PlainArrays,
    npz_records,
    padded,
    write_plain,
)
from benchmarks.peers.loaders.worker import delivered

_LENGTHS, _BOUNDARIES = np.random.default_rng(0).integers(1, 10, 40), np.array([3, 9])


def _plain(folder: pathlib.Path, per: str) -> PlainArrays:
    labels = _LENGTHS.tolist() if per == "step" else [1] * len(_LENGTHS)
    records = [
        ("", signal_of(steps, (2,)), np.zeros(count, np.int64))
        for steps, count in zip(_LENGTHS.tolist(), labels, strict=True)
    ]
    write_plain(folder / "plain", records, _BOUNDARIES)
    return PlainArrays(folder / "plain")


@pytest.mark.parametrize("per", ["step", "record"])
def test_ours_delivers_the_arrays_that_peers_are_given(tmp_path: pathlib.Path, per: str) -> None:
    recordings = _plain(tmp_path, per)
    dataset = write_many(tmp_path, _LENGTHS, (2,), per=per)
    rows = [*recordings]

    def batches():
        for numbers in BucketedOrders(recordings, 4, 2):
            _, signals, labels = zip(*(rows[number] for number in numbers), strict=True)
            yield padded(signals, labels)

    found = delivered(ours.batches(recordings, dataset.path, 4, 2, 0)())
    peer = delivered(batches())
    for name in ("records", "valid_steps", "checksum", "dtype"):
        assert found[name] == peer[name]
    recordings.signal[3] += 1
    assert delivered(batches())["checksum"] != peer["checksum"]


def test_an_order_has_every_record_once_beside_those_of_its_bucket(tmp_path: pathlib.Path) -> None:
    recordings = _plain(tmp_path, "step")
    orders = BucketedOrders(recordings, 4, 1)
    first, second = [*orders], [*orders]
    assert first != second
    for order in (first, second):
        assert sorted(np.concatenate(order)) == [*range(len(_LENGTHS))]
        for batch in order:
            assert len(batch) <= 4
            assert len({*np.searchsorted(_BOUNDARIES, _LENGTHS[batch])}) == 1


def test_npz_files_are_read_in_order_of_their_names(tmp_path: pathlib.Path) -> None:
    for name in ("b", "a"):
        np.savez(tmp_path / f"{name}.npz", signal=np.full((2, 1), ord(name)), label=np.zeros(2))
    assert [(name, signal[0, 0]) for name, signal, _ in npz_records(str(tmp_path))] == [
        ("a", 97), ("b", 98),
    ]  # fmt: skip


def test_processor_time_is_that_of_work() -> None:
    before, until = processor_secs(), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert 0.02 < processor_secs() - before < 5
