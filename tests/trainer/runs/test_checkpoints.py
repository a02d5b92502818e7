import hashlib
import io
import json
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfrecords_schema.manifest import sealed_json
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


def _archive(folder, stem="model"):
    (path,) = folder.glob(f"{stem}-*.npz")
    return path


def _flip_bit(folder):
    path = _archive(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _truncate(folder):
    path = _archive(folder)
    path.write_bytes(path.read_bytes()[:-10])


def _unfinished(folder):
    (folder / "state.json").unlink()


def _garbled_state(folder):
    (folder / "state.json").write_text("{")


def _missing(folder):
    _archive(folder).unlink()


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
        for name in ("makedirs", "GFile", "rename", "remove"):
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


_CALLS = 11  # Of the file system, while two archives, options and the state are replaced.


@pytest.mark.parametrize("first", range(_CALLS + 1))
def test_a_checkpoint_that_is_replaced_is_whole_at_every_instant(tmp_path, monkeypatch, first):
    found = {**_variables(), "optimizer": _variables()["model"]}
    for second in range(_CALLS + 1):
        folder = str(tmp_path / str(second) / "best")
        save(folder, TrainingState(global_step=1), _filled(found, 1))
        killed = _save_and_kill(monkeypatch, folder, found, 2, first)
        assert killed == (first < _CALLS)
        _save_and_kill(monkeypatch, folder, found, 3, second)
        state = load(folder, _filled(found, 0))
        assert state.global_step in (1, 2, 3)
        values = [variable.numpy() for group in found.values() for variable in group]
        assert all((value == state.global_step).all() for value in values)
        save(folder, TrainingState(global_step=4), _filled(found, 4))
        assert load(folder, found).global_step == 4
        left = sorted(path.name for path in (tmp_path / str(second) / "best").iterdir())
        assert [name.partition("-")[0] for name in left] == ["model", "optimizer", "state.json"]


@pytest.mark.parametrize("failing", range(3))
def test_a_full_disk_leaves_the_checkpoint_that_is_there(tmp_path, monkeypatch, failing):
    folder, opened = str(tmp_path / "best"), []
    save(folder, TrainingState(global_step=1), _variables(1))
    before = sorted(tmp_path.rglob("*"))

    class Full(tf.io.gfile.GFile):
        def write(self, content):
            super().write(content[:10])
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    def open_one_full(path, mode="r"):
        opened.extend([path] * (mode == "wb"))
        return (Full if len(opened) == failing + 1 else kept)(path, mode)

    kept = tf.io.gfile.GFile
    state = TrainingState(global_step=2, identity={"other": 1})
    with monkeypatch.context() as patch:
        patch.setattr(tf.io.gfile, "GFile", open_one_full)
        with pytest.raises(CheckpointError, match=r"cannot be written \(No space left.* make sp"):
            save(folder, state, _variables(2))
    left = {*tmp_path.rglob("*")} - {*before}
    assert {path.name.partition("-")[0] for path in left} <= {"options"}
    variables = _variables()
    assert load(folder, variables).global_step == 1
    assert all((value == 1).all() for value in _values(variables))
    save(folder, state, _variables(2))
    assert load(folder, variables) == state


# ---- Checkpoints that earlier versions wrote ----------------------------------------------


def _write_earlier(folder, step, renamed):
    """A checkpoint in the place of one of step 1; a kill came after so many of its renames."""
    variables = {**_variables(), "optimizer": _variables()["model"]}
    save(str(folder / "new"), TrainingState(global_step=step), _filled(variables, step))
    state = json.loads((folder / "new" / "state.json").read_text())
    del state["checksum"]
    (folder / "next.json").write_text(json.dumps(state))
    (folder / "new" / "state.json").unlink()
    for stem in variables:
        _archive(folder / "new", stem).rename(folder / f"{stem}.npz.tmp")
    (folder / "new").rmdir()
    for options in folder.glob("options-*.json"):
        options.rename(folder.parent / options.name)
    names = [("model.npz.tmp", "model.npz"), ("optimizer.npz.tmp", "optimizer.npz")]
    for source, name in [*names, ("next.json", "state.json")][:renamed]:
        (folder / source).rename(folder / name)


@pytest.mark.parametrize("renamed", range(4))
def test_checkpoints_of_earlier_versions_are_read_and_replaced(tmp_path, monkeypatch, renamed):
    variables = {**_variables(), "optimizer": _variables()["model"]}
    for call in range(_CALLS + 5):  # There is more to remove.
        folder = tmp_path / str(call) / "best"
        folder.mkdir(parents=True)
        _write_earlier(folder, 1, 3)
        _write_earlier(folder, 2, renamed)
        assert load(str(folder), variables).global_step == 2
        killed = _save_and_kill(monkeypatch, str(folder), variables, 3, call)
        state = load(str(folder), _filled(variables, 0))
        assert state.global_step in ((2, 3) if killed else (3,))
        values = [variable.numpy() for group in variables.values() for variable in group]
        assert all((value == state.global_step).all() for value in values)
        save(str(folder), TrainingState(global_step=4), _filled(variables, 4))
        assert load(str(folder), variables).global_step == 4
        assert len([*folder.iterdir()]) == 3
    assert not killed


# ---- Checkpoints that nobody wrote ---------------------------------------------------------


def _reseal(folder, content):
    """Puts another archive in the place of the model's, with its hash in the state."""
    state = json.loads((folder / "state.json").read_text())
    _archive(folder).unlink()
    digest = hashlib.sha256(content).hexdigest()
    (folder / f"model-{digest[:12]}.npz").write_bytes(content)
    (folder / "state.json").write_text(sealed_json({**state, "sha256": {"model": digest}}))


def _npz(save_arrays=np.savez, **changes):
    content = io.BytesIO()
    arrays = {"0000:head/kernel": np.zeros((3, 2)), "0001:head/bias": np.zeros(2), **changes}
    save_arrays(content, **arrays)
    return content.getvalue()


def _text_member():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("0000:head/kernel.npy", "no array")
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no archive of arrays"),
        (b"no zip file", "is no archive of arrays"),
        (_text_member(), "is no archive of arrays"),
        (_npz(**{"0001:head/bias": np.array([None, 1])}), "is no archive of arrays"),
        (_npz(**{"0001:head/bias": np.array(["a", "b"])}), "is no archive of arrays .*no numbers"),
        (_npz(np.savez_compressed, x=np.zeros(10**7)), "is no archive of arrays .*unpacks"),
        (_npz(**{"0001:head/bias": np.zeros(3)}), r"of another model: 0001:head/bias is \(3,\)"),
        (_npz(**{"0\n1": np.zeros(3)}), r"of another model: 0\\n1 is \(3,\)"),
        (_npz(x=np.zeros(3)), r"of another model: x is \(3,\) there and None in this model"),
    ],
)
def test_an_archive_of_something_else_is_refused(tmp_path, content, message):
    folder = tmp_path / "c"
    save(str(folder), TrainingState(), _variables(5))
    _reseal(folder, content)
    variables = _variables(3)
    with pytest.raises(CheckpointError, match=rf"model-\w+.npz {message}|{message}"):
        load(str(folder), variables)
    assert all((value == 3).all() for value in _values(variables))


def test_every_flipped_bit_of_a_state_is_found(tmp_path):
    state = TrainingState(step=3, global_step=13, sums={"loss": [1 / 3, 4.0]}, best=0.25)
    save(str(tmp_path / "c"), state, {})
    path = tmp_path / "c" / "state.json"
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="is damaged"):
            load(str(tmp_path / "c"), {})


def test_files_of_the_user_in_a_checkpoint_stay(tmp_path):
    folder = tmp_path / "best"
    save(str(folder), TrainingState(), _variables(1))
    own = ("notes.txt", "figures.npz", "model.keras", "model-best.npz")
    for name in own:
        (folder / name).write_text("the only copy")
    (folder / "model-0123456789ab.npz").write_text("of a kill")
    save(str(folder), TrainingState(), _variables(2))
    assert {*own} < {path.name for path in folder.iterdir()}
    assert len([*folder.glob("model-????????????.npz")]) == 1


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
    with np.load(_archive(tmp_path / "c"), allow_pickle=False) as arrays:
        assert arrays.files == ["0000:head/kernel", "0001:head/bias"]
    assert json.loads((tmp_path / "c" / "state.json").read_text())["sha256"].keys() == {"model"}
