"""Layers on two replicas, in a process of their own, against one replica here."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.forks.process import Process
from tests.trainer import layers_on_replicas

DEALS = pytest.mark.parametrize("deal", list(layers_on_replicas.DEALS))


@pytest.fixture(scope="module")
def alone():
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    results = layers_on_replicas.batch_statistics(strategy, [list(range(7))])
    return {**results, "dropout": layers_on_replicas.dropout(strategy)}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    log = tmp_path_factory.mktemp("together") / "log"
    return json.loads(Process(layers_on_replicas.__name__, log=log).succeed().splitlines()[-1])


@DEALS
@pytest.mark.parametrize("what", ["outputs", "of_x", "of_variables"])
def test_batch_normalization_is_that_of_the_global_batch(alone, together, deal, what):
    np.testing.assert_allclose(together[deal][what], alone[what], rtol=1e-5, atol=5e-6)


@DEALS
def test_moving_averages_are_updated_once_and_equal_on_all_replicas(alone, together, deal):
    for got, expected in zip(together[deal]["moving"], alone["moving"], strict=True):
        assert got[0] == got[1]
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-6)


def test_without_a_row_anywhere_moving_averages_stay(together):
    assert together["nothing"]["moving"] == [[[0.0] * 3] * 2, [[1.0] * 3] * 2]
    assert np.all(np.isfinite(together["nothing"]["of_variables"]))


@pytest.mark.parametrize("kind", ["record", "training_split"])
def test_normalization_far_from_zero_is_that_of_one_replica_and_of_float64(together, kind):
    values, lengths = layers_on_replicas.normalized_inputs()
    expected = []
    for part in np.split(values.astype(np.float64), np.cumsum(lengths)[:-1]):
        of_record = (part.mean() if len(part) else 0, part.std() if len(part) else 1)
        mean, deviation = of_record if kind == "record" else (1_700_000_003.25, 12.5)
        expected.append((part - mean) / deviation)
    found = together["normalized"][kind]
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=0, atol=1e-5)
    alone = layers_on_replicas.normalizations()[kind](values, lengths)
    np.testing.assert_allclose(found, alone, rtol=1e-6)


def test_dropout_differs_between_replicas(alone, together):
    first, second = together["dropout"]
    assert first != second
    assert first == alone["dropout"][0]
