"""Trainings that start from another run: what is loaded, what is new, what is trained of it."""

import dataclasses
import functools
import json
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, toy_dataset
from tests.forks.process import Process
from tests.trainer.in_process import run_trainer
from tests.trainer.processes import arrays, train_and_kill
from tests.trainer.restored import restore
from tfrecords_schema import open_dataset
from trainer import layers
from trainer.options.options import TrainingOptions
from trainer.runs.asked import asked
from trainer.runs.init_from import last_variables
from trainer.runs.trained_on import TrainedOn
from trainer.session import build, open_data, start_from
from trainer.training.optimizers import make_optimizer, slow_down

_MODEL = (
    "--model=fcn", "--width=4", "--ensemble=2", "--norandom_convolutions",
    "--normalization=training_split",
)  # fmt: skip
_VARIABLES = 34
_QUIET = ("--noreport", "--notensorboard", "--max_minutes=0", "--head_dropout=0")
_SIZES = {"train": 9, "validation": 3, "test": 4}
_OTHER_CLASSES = dataclasses.replace(CLASS_PER_RECORD, class_names=("x", "y", "z"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The datasets of two trainings, and the run of the first."""
    folder = tmp_path_factory.mktemp("start")
    for name, seed in (("first", 0), ("second", 7)):
        toy_dataset(folder, label=CLASS_PER_RECORD, sizes=_SIZES, seed=seed, name=name)
    given = (f"--dataset={folder}/first/1.0.0", f"--run_dir={folder}/run", *_MODEL, *_QUIET)
    assert run_trainer(*given, "--epochs=1", "--learning_rate=0.05") == 0
    return folder


def _command(folder, dataset, run_dir, *flags):
    places = (f"--dataset={dataset}", f"--run_dir={run_dir}", f"--init_from={folder}/run")
    return (*places, *_QUIET, "--epochs=2", *flags)


def _started(folder, dataset, run_dir, *flags):
    """The model before its first update, and what is said of its start."""
    keras.utils.clear_session()
    command = asked(_command(folder, dataset, run_dir, *flags))
    data = open_data(command)
    built = build(command, data, tf.distribute.get_strategy())
    found = start_from(command, data, built)
    return built.full, found


def _batch(channels=3):
    signal = np.random.default_rng(0).normal(size=(4, 6, channels)).astype(np.float32)
    return {"signal": signal, "lengths": np.int32([6, 1, 0, 4])}


def test_before_its_first_update_it_computes_what_the_other_run_computes(folder, tmp_path):
    first, second = (open_dataset(f"{folder}/{name}/1.0.0") for name in ("first", "second"))
    assert first.manifest.statistics != second.manifest.statistics
    model, found = _started(folder, second.path, tmp_path)
    expected = restore(f"{folder}/run").model(_batch(), training=False)
    assert np.ptp(expected) > 0.01
    np.testing.assert_array_equal(model(_batch(), training=False), expected)
    assert not found.new
    assert found.lines() == [
        f"--init_from={folder}/run: {len(found.loaded)} of {_VARIABLES} variables loaded"
    ]


def test_the_last_layers_of_other_classes_and_the_first_of_other_channels_are_new(folder, tmp_path):
    labels = toy_dataset(tmp_path, label=_OTHER_CLASSES, sizes=_SIZES, name="labels")[0]
    inputs = toy_dataset(tmp_path, label=CLASS_PER_RECORD, step_shape=(5,), sizes=_SIZES)[0]
    of_run = arrays(folder / "run")
    for dataset, new in (
        (
            labels,
            {"head/kernel [4, 3], of x, y, z; there of rest, move, fall", "head/bias [3], of"},
        ),
        (inputs, {"conv_8/conv1d/kernel [8, 5, 4], there [8, 3, 4]"}),
    ):
        model, found = _started(folder, dataset.path, tmp_path / "run")
        said = [line for line in found.lines() if "  new: " in line]
        assert len(said) == len(found.new) == 2 * len(new)  # Two networks.
        for part in new:
            assert sum(part in line for line in said) == 2, said
        keys = {key for key, value in of_run.items() if key in found.loaded}
        assert len(keys) == len(found.loaded) == _VARIABLES - len(found.new)
        for variable in found.of(model):
            assert any(np.array_equal(variable, of_run[key]) for key in keys), variable.path


def test_labels_per_step_take_all_but_the_last_layers(folder, tmp_path):
    dataset = toy_dataset(tmp_path, label=CLASS_PER_STEP, sizes=_SIZES)[0]
    _, found = _started(folder, dataset.path, tmp_path / "run")
    assert {re.match(r"[\w/]+", row)[0] for row in found.new} == {"head/kernel", "head/bias"}


def test_recordings_that_were_read_otherwise_are_told(folder, tmp_path):
    dataset = toy_dataset(tmp_path, label=CLASS_PER_RECORD, sizes=_SIZES)[0]
    manifest = dataclasses.replace(dataset.manifest, options={"units": ["mV"]})
    pathlib.Path(dataset.path, "manifest.json").write_text(manifest.to_json())
    schema = pathlib.Path(shutil.copytree(folder / "run", tmp_path / "run")) / "schema.json"
    schema.write_text(json.dumps({**json.loads(schema.read_text()), "options": {"units": ["V"]}}))
    _, found = _started(tmp_path, dataset.path, tmp_path / "own")
    assert found.lines()[-1].endswith("have units mV, the model's have V")


def test_what_no_gradient_trains_is_fitted_to_the_new_data(folder, tmp_path):
    flags = ("--random_convolutions", "--kernel_groups=1", "--dilations=1")
    model, found = _started(folder, f"{folder}/second/1.0.0", tmp_path, *flags)
    assert len(found.loaded) == _VARIABLES
    assert len(model.variables) > _VARIABLES
    assert found.lines()[1:] == ["  fitted anew: features, standardize, ridge"]


@pytest.fixture(scope="module")
def command(folder):
    """A training that starts from the run, at a rate of its own and with frozen layers."""
    flags = ("--freeze=conv_8,member_1/conv_5", "--init_rate_factor=0.25", "--deterministic")
    dataset = folder / "second" / "1.0.0"
    rest = ("--checkpoint_every_epochs=1", "--validate_every_epochs=1", "--batch_size=3")
    return lambda run_dir: _command(folder, dataset, run_dir, *flags, *rest)


@pytest.fixture(scope="module")
def undisturbed(folder, command):
    Process("trainer.__main__", *command(folder / "undisturbed"), log=folder / "log").succeed()
    return folder / "undisturbed"


def test_frozen_layers_stay_and_others_do_not(folder, undisturbed):
    before, after = arrays(folder / "run"), arrays(undisturbed)
    kept = {key for key in before if np.array_equal(before[key], after[key])}
    kernels = [key.partition(":")[2] for key in sorted(kept) if key.endswith("kernel")]
    assert sorted(kernels) == [f"conv_{n}/conv1d/kernel" for n in (5, 8, 8)]
    note = json.loads((undisturbed / "init_from.json").read_text())
    assert (note["run"], note["new"]) == (f"{folder}/run", [])


def test_property_10_killed_it_goes_on_without_the_other_run(
    command, undisturbed, folder, tmp_path
):
    run_dir = tmp_path / "run"
    _, _, *flags = command(run_dir)
    train_and_kill(f"{folder}/second/1.0.0", run_dir, "ckpt-3", model=flags)
    (folder / "run").rename(folder / "aside")
    try:
        Process("trainer.__main__", *command(run_dir), log=tmp_path / "log").succeed()
    finally:
        (folder / "aside").rename(folder / "run")
    for stem in ("model", "optimizer"):
        for key, value in arrays(undisturbed, stem).items():
            np.testing.assert_array_equal(arrays(run_dir, stem)[key], value, err_msg=key)


def test_property_09_replicas_start_alike(command, undisturbed, tmp_path):
    given = command(tmp_path / "run")
    Process("trainer.__main__", *given, "--cpu_replicas=2", log=tmp_path / "log").succeed()
    for key, value in arrays(undisturbed).items():
        np.testing.assert_allclose(arrays(tmp_path / "run")[key], value, 1e-3, 1e-4, err_msg=key)


def test_another_start_is_another_run(command, undisturbed, capsys):
    other = f"--init_from={undisturbed}"
    assert run_trainer(*command(undisturbed), other) == 1
    assert "--init_from was" in capsys.readouterr().err


def test_what_the_other_run_has_seen_is_known(folder, undisturbed):
    known = TrainedOn.read(str(undisturbed))
    for name in ("first", "second"):
        dataset = open_dataset(f"{folder}/{name}/1.0.0")
        assert known.seen(dataset, "train")["records"] == _SIZES["train"]
        assert not known.seen(dataset, "test").get("records")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--init_from=@/nowhere", "@/nowhere has no config.flags, so it is no run folder"),
        (
            "--width=3",
            "no kernel of it fits this model (conv_8/conv1d/kernel [8, 3, 3], there [8, 3",
        ),
        ("--freeze=conv_88", "no layer of this model is called so, it has member_0, member_0/con"),
        ("--freeze=conv_88", "did you mean conv_8?"),
        ("--freeze=*", "--freeze=* leaves nothing to train; give fewer"),
        ("--init_from= --init_rate_factor=.1", "is for what --init_from loads; give that, or le"),
        ("--init_rate_factor=0", "expected a number above 0"),
    ],
)
def test_what_cannot_be_is_said(flags, message, folder, tmp_path, capsys):
    given = [flag.replace("@", str(folder)) for flag in flags.split()]
    dataset = f"{folder}/second/1.0.0"
    code = run_trainer(*_command(folder, dataset, tmp_path / "run", "--dry_run", *given))
    said = capsys.readouterr().err.replace(str(folder), "@")
    assert code in (1, 2)
    assert message in said
    assert not (tmp_path / "run").exists()


def test_a_damaged_run_is_refused(folder, tmp_path, capsys):
    newest = max((folder / "run" / "checkpoints").glob("ckpt-*/model-*.npz"))
    content = newest.read_bytes()
    newest.write_bytes(content[:-9])
    try:
        dataset = f"{folder}/second/1.0.0"
        assert run_trainer(*_command(folder, dataset, tmp_path / "run", "--dry_run")) == 1
    finally:
        newest.write_bytes(content)
    assert "is damaged: its SHA-256" in capsys.readouterr().err


def _step(optimizer, variables):
    optimizer.apply([tf.cos(variable.value) for variable in variables], variables)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_a_slower_variable_moves_as_with_a_slower_optimizer(kind):
    options = TrainingOptions(optimizer=kind, learning_rate=0.1, weight_decay=0.3)
    slow = dataclasses.replace(options, learning_rate=0.025)
    start, moved = np.float32([1, -2]), {}
    for name, chosen in (("both", options), ("fast", options), ("slow", slow)):
        variables = [keras.Variable(start, name=one) for one in ("kernel", "other")]
        optimizer = make_optimizer(chosen, batches_per_epoch=1)
        optimizer.build(variables)
        if name == "both":
            slow_down(optimizer, variables[1:], 0.25)

        step = tf.function(functools.partial(_step, optimizer, variables))
        for _ in range(3):
            step()
        moved[name] = [variable.numpy() for variable in variables]
    np.testing.assert_allclose(moved["both"][0], moved["fast"][0], rtol=1e-6)
    np.testing.assert_allclose(moved["both"][1], moved["slow"][1], rtol=1e-6)
    assert np.abs(moved["fast"][1] - moved["slow"][1]).min() > 0.01


@pytest.mark.parametrize("is_frozen", [False, True])
def test_the_last_layers_are_the_last_trained_ones_and_what_is_behind_them(is_frozen):
    inputs = keras.Input((4,))
    head, shared = (keras.layers.Dense(3, name=name) for name in ("head", "shared"))
    scale = layers.LabelScale(name="label_scale")
    inner = keras.Model(inputs, scale(keras.layers.ReLU()(head(shared(inputs)))))
    x = inner(inputs)
    model = keras.Model(inputs, [keras.layers.Softmax()(x), keras.layers.Dense(2, name="b")(x)])
    head.trainable = not is_frozen
    found = last_variables(model)
    names = {v.path.partition("/")[0] for v in model.variables if id(v) in found}
    assert names == {"head", "label_scale", "b"}
