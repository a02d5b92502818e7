import json
import pathlib

import keras
import numpy as np
import pytest

from trainer.checkpoints import CheckpointError, Checkpoints, TrainingState, load, save


def _variables(value=0.0, units=2):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(units, name="head")(inputs))
    for variable in model.variables:
        variable.assign(np.full(variable.shape, value, np.float32))
    return {"model": model.variables}


def _values(variables):
    return [variable.numpy() for variable in variables["model"]]


@pytest.fixture
def checkpoints(tmp_path):
    written = Checkpoints(str(tmp_path), keep=2)
    for step in (9, 10, 11):
        written.save(TrainingState(epoch=1, global_step=step, best=0.1), _variables(step))
    return written


def test_the_newest_comes_back_and_old_ones_go(checkpoints, tmp_path):
    variables = _variables()
    state = checkpoints.restore_latest(variables)
    assert state == TrainingState(epoch=1, global_step=11, best=0.1)
    assert all((values == 11).all() for values in _values(variables))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ckpt-10", "ckpt-11"]


def test_an_empty_folder_has_nothing_to_restore(tmp_path):
    assert Checkpoints(str(tmp_path / "none"), keep=1).restore_latest(_variables()) is None


def _flip_bit(folder):
    path = folder / "model.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _truncate(folder):
    path = folder / "model.npz"
    path.write_bytes(path.read_bytes()[:-10])


def _unfinished(folder):
    (folder / "state.json").unlink()


def _garbled_state(folder):
    (folder / "state.json").write_text("{")


def _missing(folder):
    (folder / "model.npz").unlink()


@pytest.mark.parametrize("damage", [_flip_bit, _truncate, _unfinished, _garbled_state, _missing])
def test_a_damaged_newest_falls_back_to_the_one_before_and_says_so(
    checkpoints, tmp_path, damage, caplog
):
    damage(tmp_path / "ckpt-11")
    variables = _variables()
    assert checkpoints.restore_latest(variables).global_step == 10
    assert all((values == 10).all() for values in _values(variables))
    assert "ckpt-11" in caplog.text
    assert "trying the checkpoint before it" in caplog.text


def test_when_none_can_be_used_it_says_why(checkpoints, tmp_path):
    for folder in tmp_path.iterdir():
        _flip_bit(folder)
    with pytest.raises(CheckpointError, match=r"no checkpoint in .*ckpt-11.*SHA-256"):
        checkpoints.restore_latest(_variables())


def test_a_checkpoint_of_another_model_is_named_and_assigns_nothing(tmp_path):
    save(str(tmp_path / "c"), TrainingState(), _variables(5))
    variables = _variables(0, units=4)
    with pytest.raises(CheckpointError, match=r"of another model: 0000:head/kernel is \(3, 2\)"):
        load(str(tmp_path / "c"), variables)
    assert all((values == 0).all() for values in _values(variables))


def test_state_keeps_floats_exactly(tmp_path):
    state = TrainingState(sums={"loss": [1 / 3, 1e-300]}, callbacks={"A": {"best": float("inf")}})
    save(str(tmp_path / "c"), state, {})
    assert load(str(tmp_path / "c"), {}) == state


def test_arrays_are_plain_numpy_files(tmp_path):
    save(str(tmp_path / "c"), TrainingState(), _variables(7))
    with np.load(pathlib.Path(tmp_path, "c", "model.npz"), allow_pickle=False) as arrays:
        assert arrays.files == ["0000:head/kernel", "0001:head/bias"]
    assert json.loads((tmp_path / "c" / "state.json").read_text())["sha256"].keys() == {"model"}
