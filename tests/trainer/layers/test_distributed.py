"""Layers on two replicas, in a subprocess, against one replica here."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer import layers_on_replicas

DEALS = pytest.mark.parametrize("deal", list(layers_on_replicas.DEALS))


@pytest.fixture(scope="module")
def alone():
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    results = layers_on_replicas.batch_statistics(strategy, [list(range(7))])
    return {**results, "dropout": layers_on_replicas.dropout(strategy)}


@pytest.fixture(scope="module")
def together():
    command = [sys.executable, "-m", layers_on_replicas.__name__]
    process = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


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


def test_dropout_differs_between_replicas(alone, together):
    first, second = together["dropout"]
    assert first != second
    assert first == alone["dropout"][0]
