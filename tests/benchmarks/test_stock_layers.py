"""The peers of the families are the same networks: on full batches they answer alike."""

import numpy as np
import pytest

from benchmarks.harness.batches import CLASSES
from benchmarks.harness.networks import ours
from benchmarks.peers.stock_layers import stock_network
from benchmarks.results.batching import batches
from benchmarks.results.families import receptive_field
from trainer.models.family import families
from trainer.models.parts.network import Network

_FAMILIES = [name for name, family in families().items() if isinstance(family, Network)]


@pytest.mark.parametrize("name", _FAMILIES)
def test_the_stock_network_has_as_many_weights(name):
    found, peer = ours(name, (3,)), stock_network(name, 3, CLASSES)
    counts = [sum(np.prod(v.shape) for v in m.trainable_variables) for m in (found, peer)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", ["fcn", "inception_time", "resnet", "tcn"])
def test_it_answers_alike_where_nothing_is_padded(name):
    found, peer = ours(name, (2,)), stock_network(name, 2, CLASSES)
    peer.set_weights(found.get_weights())
    signal = np.random.default_rng(0).normal(size=(2, 50, 2)).astype(np.float32)
    given = {"signal": signal, "lengths": np.array([50, 50], np.int32)}
    np.testing.assert_allclose(found(given), peer(signal), rtol=1e-3, atol=1e-4)


def test_the_receptive_field_is_that_of_the_kernels():
    assert receptive_field(ours("fcn", (1,)), 1) == 1 + 7 + 4 + 2


@pytest.mark.parametrize("plan", ["random", "bucketed"])
def test_an_epoch_has_every_record_once(plan):
    lengths = np.random.default_rng(1).integers(1, 99, 70)
    found = batches(lengths, plan, np.random.default_rng(0))
    assert sorted(np.concatenate(found)) == list(range(70))
    spread = np.mean([np.ptp(lengths[rows]) for rows in found])
    assert (spread < 40) == (plan == "bucketed")
