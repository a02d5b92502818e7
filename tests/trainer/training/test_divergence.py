"""A training that diverges stops, names what it learnt from, and saves nothing of it."""

import json

import keras
import numpy as np
import pytest

from tests.datasets import CLASS_PER_STEP, random_records, write_dataset
from tests.trainer.training.test_loop import _make
from tfrecords_schema import InputSpec, RecordSchema
from trainer.runs.checkpoints import Checkpoints
from trainer.training.divergence import DivergedError

_SCHEMA = RecordSchema(InputSpec("signal", "float32", (3,)), CLASS_PER_STEP)


def _dataset(folder, poison=None):
    train = random_records([3, 9, 1, 7, 4, 4, 2, 8, 5, 6, 3, 2], _SCHEMA, prefix="a")
    if poison is not None:
        train[poison].data[0, 1] = np.nan
    validation = random_records([2, 6, 3], _SCHEMA, prefix="b", seed=1)
    return write_dataset(folder, {"train": train, "validation": validation}, _SCHEMA)


class _Spoil(keras.callbacks.Callback):
    """Puts a value that is not finite into a variable after some steps."""

    def __init__(self, group, number, steps):
        super().__init__()
        self._group, self._number, self._left = group, number, steps

    def on_train_batch_end(self, batch, logs=None):
        self._left -= 1
        if self._left == 0:
            variable = getattr(self, self._group)[self._number]
            variable.assign(np.full(variable.shape, np.inf, np.float32))

    @property
    def weights(self):
        return self.model.variables

    @property
    def optimizer(self):
        floats = [v for v in self.model.optimizer.variables if v.shape]
        return floats


def _assert_saved_states_are_finite(folder, run, global_step):
    variables = run.trainer.variables
    state = Checkpoints(str(folder / "checkpoints"), keep=9).restore_latest(variables)
    assert state.global_step == global_step
    for variable in [*variables["model"], *variables["optimizer"]]:
        assert np.isfinite(variable.numpy().astype(np.float64)).all()
    for path in folder.glob("best/model-*.npz"):
        with np.load(path) as arrays:
            assert all(np.isfinite(arrays[name]).all() for name in arrays.files)


def test_a_record_that_is_not_finite_is_named_with_its_batch(tmp_path):
    dataset = _dataset(tmp_path, poison=4)
    run = _make(dataset, tmp_path / "run", checkpoint_every_steps=1)
    plan, index = run.trainer._train.plan(seed=0, epoch=0), run.trainer._train.index
    (bad,) = [step for step in range(plan.num_steps) if 4 in plan.rows(step)]
    with pytest.raises(DivergedError, match=rf"the loss is nan at step {bad + 1}\. ") as error:
        run.trainer.run()
    expected = [{"id": index.ids()[r], "source": index.sources()[r]} for r in plan.rows(bad)]
    assert f"{expected[0]['id']} ({expected[0]['source']})" in str(error.value)
    assert "a4 (a4.npz)" in str(error.value)
    content = json.loads((tmp_path / "run" / "divergence.json").read_text())
    assert content["batches"] == [{"step": bad + 1, "epoch": 0, "records": expected}]
    if bad:
        _assert_saved_states_are_finite(tmp_path / "run", run, bad)


@pytest.mark.parametrize(("group", "number"), [("weights", 0), ("weights", -1), ("optimizer", -1)])
def test_no_state_that_is_not_finite_is_saved(tmp_path, group, number):
    spoil = _Spoil(group, number, steps=6)  # The loss of that step was finite.
    run = _make(_dataset(tmp_path), tmp_path / "run", [spoil], checkpoint_every_steps=2)
    message = r"nan or inf within steps \[5, 6\]: not finite: .*divergence.json"
    with pytest.raises(DivergedError, match=message):
        run.trainer.run()
    _assert_saved_states_are_finite(tmp_path / "run", run, 4)
    batches = json.loads((tmp_path / "run" / "divergence.json").read_text())["batches"]
    assert [batch["step"] for batch in batches] == [5, 6]


def test_a_rate_that_is_too_high_leaves_the_last_good_checkpoint(tmp_path):
    run = _make(_dataset(tmp_path), tmp_path / "run", learning_rate=1e38, optimizer="sgd")
    with pytest.raises(DivergedError, match=r"within steps \[1, \d\]"):
        run.trainer.run()
    assert not list((tmp_path / "run").glob("checkpoints/ckpt-*"))
    assert not (tmp_path / "run" / "best").exists()
