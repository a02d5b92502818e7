"""A function of one's own is trained, goes on, and is evaluated, predicted with and exported."""

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_STEP, VALUE_PER_RECORD, toy_dataset
from tests.trainer import processes as runs
from tests.trainer.in_process import run_trainer, train
from tests.trainer.restored import restore
from trainer.report.methods import about_model
from trainer.report.report_data import RunFiles
from trainer.runs.asked import asked

_MODULE = "tests.trainer.models.own_models"
_BUILD = f"--model={_MODULE}:build"
_SMALL = ("--batch_size=8", "--notensorboard", "--noreport", "--max_minutes=0", "--seed=3")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A dataset, and a run on it that was stopped after the first of two epochs and went on."""
    folder = tmp_path_factory.mktemp("own")
    dataset, splits = toy_dataset(folder, label=CLASS_PER_STEP)
    once, again = (_BUILD, "--epochs=2", "--units=4"), ("--lr_schedule=constant", *_SMALL)
    train(dataset.path, folder / "whole", *again, model=once)
    changed = ("--allow_changed=epochs,warmup_epochs", "--warmup_epochs=0.1")
    train(dataset.path, folder / "run", *again, *changed, model=(_BUILD, "--epochs=1", "--units=4"))
    train(dataset.path, folder / "run", *again, *changed, model=once)
    return dataset, splits, folder


def test_what_is_decided_and_what_is_not_is_written_down(trained):
    run = trained[2] / "run"
    flags = (run / "config.flags").read_text()
    assert f"{_BUILD}\n--" in flags
    assert "--units=4\n--width=0.5\n" in flags
    assert "--batching=length\n" in flags  # What it costs may follow padding.
    assert "--weight_decay=0.01\n" in flags
    assert "ensemble" not in flags
    (choice, *others) = json.loads((run / "choices.json").read_text())["choices"]
    assert choice["name"] == "model"
    assert "what it costs is not known" in choice["reason"]
    assert {"learning_rate", "label_smoothing"} <= {other["name"] for other in others}
    (about, made_of, *_) = about_model(RunFiles.read(str(run)))
    assert about.endswith("own_models:build: Stock layers that are told a mask.")
    assert "units 4" in made_of


def test_it_goes_on_from_its_checkpoint_to_the_same_weights(trained):
    whole, run = (runs.arrays(trained[2] / name) for name in ("whole", "run"))
    assert whole.keys() == run.keys()
    assert any("gain" in name for name in whole)
    for name, value in whole.items():
        np.testing.assert_allclose(run[name], value, rtol=1e-5, atol=1e-6)


def test_exports_give_what_the_run_gives(trained):
    _, splits, folder = trained
    run_dir = f"--run_dir={folder / 'run'}"
    assert run_trainer("--mode=export", run_dir) == 0
    signal = splits["test"][0].data[None]
    inputs = {"signal": signal, "lengths": np.array([signal.shape[1]], np.int32)}
    expected = restore(str(folder / "run")).answer(inputs)["probabilities"]
    served = tf.saved_model.load(str(folder / "run/export/saved_model"))
    found = served.serve(inputs["signal"], inputs["lengths"])["probabilities"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    loaded = keras.saving.load_model(folder / "run/export/model.keras")
    np.testing.assert_allclose(tf.nn.softmax(loaded(inputs)), expected, rtol=1e-5)


def test_a_changed_option_or_a_function_that_is_gone_is_said(trained, capsys):
    dataset, _, folder = trained
    run = (f"--dataset={dataset.path}", f"--run_dir={folder / 'run'}")
    assert run_trainer(*run, _BUILD, "--units=5", "--epochs=2", *_SMALL) == 1
    assert "--units was '4' and is '5'" in capsys.readouterr().err
    assert run_trainer(*run, _BUILD, "--rnn_units=2") == 2
    assert f"--rnn_units has no effect with {_BUILD}; leave it out" in capsys.readouterr().err
    flags = folder / "run" / "config.flags"
    before = flags.read_text()
    flags.write_text(before.replace(_BUILD, f"--model={_MODULE}:built"))
    try:
        assert run_trainer("--mode=evaluate", run[1], "--noreport") == 2
    finally:
        flags.write_text(before)
    assert f"did you mean {_MODULE}:build?" in capsys.readouterr().err


def test_a_model_that_counts_padding_is_trained_and_told_so(tmp_path, capsys):
    dataset, _ = toy_dataset(tmp_path, label=VALUE_PER_RECORD)
    model = (f"--model={_MODULE}:padding_counts", "--epochs=1")
    train(dataset.path, tmp_path / "run", *_SMALL, model=model)
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"padding_counts answers depends on padding: with 4 more .* differs by", said)


def test_rules_decide_on_what_its_options_share_with_ours(tmp_path, monkeypatch):
    (tmp_path / "sharing_models.py").write_text(
        "import dataclasses\n"
        "from trainer.models.parts.normalization import NormalizationOptions\n"
        "from trainer import option\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Sharing(NormalizationOptions):\n"
        "    head_dropout: float = option(0.1, 'Mine.')\n"
        "def build(data, options: Sharing):\n"
        "    return None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    dataset, _ = toy_dataset(tmp_path)
    argv = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run"]
    found = asked([*argv, "--model=sharing_models:build"])
    (options,) = found.model.options
    assert (options.normalization, options.head_dropout) == ("both", 0.1)
    assert "normalization" in {choice.name for choice in found.choices}
