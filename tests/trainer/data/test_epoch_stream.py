"""One input pipeline for several epochs delivers what one for each delivers."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.plan import BatchOptions
from tests.datasets import toy_dataset
from trainer.data import epoch_stream
from trainer.data.epoch_stream import EpochStream
from trainer.data.split_data import SplitData

_EPOCHS = 5


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    dataset, _ = toy_dataset(tmp_path_factory.mktemp("stream"))
    return SplitData(dataset, "train", BatchOptions(batch_size=8))


@pytest.mark.parametrize("min_steps", [1, 6, 100])
@pytest.mark.parametrize(("epoch", "start_step"), [(0, 0), (0, 2), (3, 1)])
def test_property_06_every_epoch_has_its_own_plan(min_steps, epoch, start_step, split, monkeypatch):
    monkeypatch.setattr(epoch_stream, "_MIN_STEPS", min_steps)
    strategy = tf.distribute.get_strategy()
    stream = EpochStream(split, strategy, seed=7, epochs=_EPOCHS)
    for number in range(epoch, _EPOCHS):
        start = start_step if number == epoch else 0
        plan = split.plan(seed=7, epoch=number)
        batches, _ = stream.batches(number, start)
        expected, _ = split.batches(plan, strategy, start)
        for _ in range(start, plan.num_steps):
            found = next(batches)
            for name, value in next(expected).items():
                np.testing.assert_array_equal(found[name], value, err_msg=f"{name}, {number}")
    with pytest.raises(StopIteration):
        next(batches)
