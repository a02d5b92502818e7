"""What a run folder describes, beside the weights that lie in it."""

import json

import keras
import numpy as np
import pytest

from tests.datasets import toy_dataset
from tests.trainer.in_process import run_trainer, train
from trainer.runs.checkpoints import CheckpointError
from trainer.runs.weights_bound import no_larger_than_weights

_HUGE = 10**12
"""A layer of as many values takes terabytes, or nothing where it is refused before."""


@pytest.fixture
def run_dir(tmp_path):
    (tmp_path / "checkpoints" / "ckpt-7").mkdir(parents=True)
    (tmp_path / "checkpoints" / "ckpt-7" / "model-0.npz").write_bytes(bytes(1000))
    return str(tmp_path)


def test_a_network_beyond_the_weights_is_refused_before_memory_is_taken(run_dir):
    with (
        pytest.raises(
            CheckpointError, match=r"has more than 4,000,000,000,\d* bytes .* has 1,000;"
        ),
        no_larger_than_weights(run_dir),
    ):
        keras.layers.Dense(1).build((None, _HUGE))


def test_others_are_built_as_ever(run_dir):
    layer = keras.layers.Dense(4, kernel_initializer=keras.initializers.GlorotUniform(seed=3))
    with no_larger_than_weights(run_dir):
        layer.build((None, 5))
        keras.Variable(np.ones(3, np.float32))
    expected = keras.initializers.GlorotUniform(seed=3)((5, 4))
    np.testing.assert_array_equal(layer.kernel, expected)
    keras.layers.Dense(1).build((None, 3))  # Nothing is counted any more.


def test_a_run_of_another_network_than_its_weights_is_refused(tmp_path, capsys):
    dataset, _ = toy_dataset(tmp_path / "data", step_shape=(3,))
    tiny = ("--model=signal", "--conv_filters=", "--conv_strides=", "--rnn_cell=none")
    more = ("--step_dense_units=4", "--epochs=1", "--notensorboard", "--noreport")
    train(dataset.path, tmp_path / "run", model=(*tiny, *more))
    path = tmp_path / "run" / "schema.json"
    whole = path.read_text()
    learnt = json.loads(whole)
    learnt["schema"]["input"]["step_shape"] = [10**7, 3]
    path.write_text(json.dumps(learnt))
    run_dir = f"--run_dir={tmp_path / 'run'}"
    assert run_trainer("--mode=export", run_dir) == 1
    assert "schema.json describe has more than" in capsys.readouterr().err
    path.write_text(whole)
    flags = tmp_path / "run" / "config.flags"
    flags.write_text(flags.read_text().replace("dense_units=4", "dense_units=40000000"))
    assert run_trainer("--mode=evaluate", run_dir, f"--dataset={dataset.path}") == 1
    assert "schema.json describe has more than" in capsys.readouterr().err
