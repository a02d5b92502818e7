import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.runs import checkpoints as checkpoints_module
from trainer.runs.checkpoints import CheckpointError, Checkpoints, TrainingState, load, save


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
    assert sorted(path.name for path in tmp_path.glob("ckpt-*")) == ["ckpt-10", "ckpt-11"]


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
    for folder in tmp_path.glob("ckpt-*"):
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


class _Killed(BaseException):
    """Ends a write like a kill would: nothing is cleaned up."""


def _save_and_kill(monkeypatch, folder, variables, step, call):
    """Saves a state of these steps, killed at that call of the file system; True if it was."""
    calls = []

    def killed_at(name):
        kept = getattr(tf.io.gfile, name)

        def wrapper(*args, **kwargs):
            calls.append(name)
            if len(calls) == call + 1:
                raise _Killed
            return kept(*args, **kwargs)

        return wrapper

    with monkeypatch.context() as patch:
        for name in ("makedirs", "GFile", "rename"):
            patch.setattr(tf.io.gfile, name, killed_at(name))
        try:
            save(folder, TrainingState(global_step=step), _filled(variables, step))
        except _Killed:
            return True
    return False


def _filled(variables, value):
    for group in variables.values():
        for variable in group:
            variable.assign(np.full(variable.shape, value, np.float32))
    return variables


@pytest.mark.parametrize("first", range(10))
def test_a_checkpoint_that_is_replaced_is_whole_at_every_instant(tmp_path, monkeypatch, first):
    found = {**_variables(), "optimizer": _variables()["model"]}
    for second in range(12):
        folder = str(tmp_path / f"best{second}")
        save(folder, TrainingState(global_step=1), _filled(found, 1))
        killed = _save_and_kill(monkeypatch, folder, found, 2, first)
        assert killed == (first < 8)
        _save_and_kill(monkeypatch, folder, found, 3, second)
        state = load(folder, _filled(found, 0))
        assert state.global_step in (1, 2, 3)
        values = [variable.numpy() for group in found.values() for variable in group]
        assert all((value == state.global_step).all() for value in values)
        save(folder, TrainingState(global_step=4), _filled(found, 4))
        assert load(folder, found).global_step == 4
        left = sorted(path.name for path in (tmp_path / f"best{second}").iterdir())
        assert left == ["model.npz", "optimizer.npz", "state.json"]


@pytest.mark.parametrize("failing", range(3))
def test_a_full_disk_leaves_the_checkpoint_that_is_there(tmp_path, monkeypatch, failing):
    folder, put, calls = str(tmp_path / "best"), checkpoints_module.write_over, []
    save(folder, TrainingState(global_step=1), _variables(1))

    def fill(path, content):
        calls.append(path)
        if len(calls) == failing + 1:
            put(path, content[:10])
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
        put(path, content)

    monkeypatch.setattr(checkpoints_module, "write_over", fill)
    state = TrainingState(global_step=2, identity={"other": 1})
    with pytest.raises(CheckpointError, match=r"cannot be written \(No space left.* make space"):
        save(folder, state, _variables(2))
    variables = _variables()
    assert load(folder, variables).global_step == 1
    assert all((value == 1).all() for value in _values(variables))
    save(folder, state, _variables(2))
    assert load(folder, variables) == state


def test_a_damaged_checkpoint_does_not_push_out_whole_ones(tmp_path):
    checkpoints = Checkpoints(str(tmp_path), keep=1)
    for step in (5, 9):
        save(str(tmp_path / f"ckpt-{step}"), TrainingState(global_step=step), _variables(step))
    _flip_bit(tmp_path / "ckpt-9")
    assert checkpoints.restore_latest(_variables()).global_step == 5
    checkpoints.save(TrainingState(global_step=7), _variables(7))
    assert [path.name for path in tmp_path.glob("ckpt-*")] == ["ckpt-7"]


def test_what_a_run_depends_on_is_kept_once(tmp_path):
    identity = {f"option_{number}": "x" * 20 for number in range(60)}
    for step in (1, 2):
        state = TrainingState(global_step=step, identity=identity)
        save(str(tmp_path / f"ckpt-{step}"), state, _variables())
        assert load(str(tmp_path / f"ckpt-{step}"), _variables()) == state
        assert (tmp_path / f"ckpt-{step}" / "state.json").stat().st_size < 1000
    (options,) = tmp_path.glob("options-*.json")
    options.write_text("{}")
    with pytest.raises(CheckpointError, match=r"options-\w+.json is damaged"):
        load(str(tmp_path / "ckpt-1"), _variables())


def test_arrays_are_plain_numpy_files(tmp_path):
    save(str(tmp_path / "c"), TrainingState(), _variables(7))
    with np.load(pathlib.Path(tmp_path, "c", "model.npz"), allow_pickle=False) as arrays:
        assert arrays.files == ["0000:head/kernel", "0001:head/bias"]
    assert json.loads((tmp_path / "c" / "state.json").read_text())["sha256"].keys() == {"model"}
