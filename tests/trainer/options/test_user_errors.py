"""What people see when something is wrong: what was got, what was expected, what to do."""

import pathlib
import re
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.console import exit_codes
from pipeline.console.options import fields_of
from pipeline.conversion.convert import main as convert
from tests.datasets import CLASS_PER_RECORD, VALUE_PER_RECORD, toy_dataset
from tests.forks.process import Process
from tests.repository import REPOSITORY
from tests.trainer.in_process import run_trainer
from trainer.models.family import families
from trainer.runs.asked import COMMAND

_SIZES = {"train": 4, "validation": 2, "test": 2}
_SMALL = (
    "--conv_filters=",
    "--conv_strides=",
    "--rnn_cell=none",
    "--epochs=1",
    "--batch_size=4",
    "--num_buckets=1",
    "--noreport",
    "--notensorboard",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Recordings, their dataset and a run; datasets of other tasks; things that are neither."""
    folder = tmp_path_factory.mktemp("world")
    for number in range(8):
        rng = np.random.default_rng(number)
        path = folder / "recordings" / f"p{number}.npz"
        path.parent.mkdir(exist_ok=True)
        steps = 3 + number % 3
        signal = rng.normal(size=(steps, 3)).astype(np.float32)
        np.savez(path, signal=signal, label=np.arange(steps) % 3)
    places = [f"--input_dir={folder}/recordings", f"--output_dir={folder}", "--name=sleep"]
    splits = "--splits=test=2,validation=2,train=rest"
    assert convert(["--source=signals", *places, splits, "--class_names=rest,move,fall"]) == 0
    for name, label in (
        ("values", VALUE_PER_RECORD), ("records", CLASS_PER_RECORD), ("unlabelled", None),
    ):  # fmt: skip
        toy_dataset(folder, label=label, name=name, sizes=_SIZES)
    (folder / "empty").mkdir()
    (folder / "file").write_text("no folder")
    (folder / "wrong.flags").write_text("--epochs=2\n--batch_sise=3\n")
    (folder / "ints").mkdir()
    np.savez(folder / "ints" / "a.npz", signal=np.zeros((3, 3), np.int32))
    flags = [f"--dataset={folder}/sleep/1.0.0", f"--run_dir={folder}/run", *_SMALL]
    assert run_trainer(*flags) == 0
    return folder


class Case(NamedTuple):
    """A command line, and what its message must say.

    Attributes:
      flags: `@` stands for the folder of `world`; the small model's flags stand before them,
        unless they name a model of the rules.
      code: exit status.
      got: what was wrong.
      expected: what would be right.
      to_do: what to do about it.
    """

    flags: str
    code: int
    got: str
    expected: str
    to_do: str


_BY_RULES = {f"--model={name}" for name, family in families().items() if family.automatic}
_RUN = "--run_dir=@/run"
_NEW = "--dataset=@/sleep/1.0.0 --run_dir=@/new"
_AGAIN = "--dataset=@/sleep/1.0.0 --run_dir=@/run"
_CASES = {
    "wrong flag": Case(f"{_NEW} --bach_size=4", 2, "--bach_size", "", "did you mean --batch_size"),
    "unlike any flag": Case(f"{_NEW} --colour=4", 2, "flag --colour", "", "trainer --help"),
    "wrong no-flag": Case(f"{_NEW} --notensorbord", 2, "--notensorbord", "", "--notensorboard"),
    "wrong choice": Case(
        f"{_NEW} --mode=evalute", 2, "'evalute'", "train, evaluate", "did you mean evaluate"
    ),
    "wrong choice of the model": Case(
        f"{_NEW} --normalization=recrd", 2, "'recrd'", "none, training_split, record",
        "did you mean record",
    ),
    "wrong activation": Case(
        f"{_NEW} --rnn_activation=rellu", 2, "=rellu", "keras.activations", "did you mean relu"
    ),
    "no number": Case(f"{_NEW} --epochs=ten", 2, "--epochs=ten", "a whole number", ""),
    "long number": Case(f"{_NEW} --seed={2**63}", 2, f"--seed={2**63}", "fewer digits", ""),
    "no numbers": Case(f"{_NEW} --boundaries=a,b", 2, "=a,b", "whole numbers", "commas"),
    "number out of range": Case(f"{_NEW} --learning_rate=-1", 2, "=-1", "a number above 0", ""),
    "batch of nothing": Case(f"{_NEW} --batch_size=0", 2, "--batch_size=0", "at least 1", ""),
    "recurrence of no layer": Case(
        f"{_NEW} --rnn_cell=gru --rnn_units=", 2, "--rnn_units= is empty", "units of a layer",
        "give --rnn_cell=none",
    ),
    "wrong activation of the frame model": Case(
        f"{_NEW} --model=frames --frame_conv_activation=rellu", 2, "=rellu", "",
        "did you mean relu",
    ),
    "two schedules": Case(
        f"{_NEW} --reduce_lr_patience=1 --warmup_epochs=2", 2, "--warmup_epochs=2",
        "a constant rate", "leave it out",
    ),
    "predicting in another mode": Case(
        f"{_NEW} --input_dir=@/recordings", 2, "got --mode=train",
        "--input_dir is for --mode=predict", "leave one of them out",
    ),
    "argument": Case(f"{_NEW} train", 2, "'train'", "", "given as --name=value"),
    "nothing": Case("", 2, "--dataset is required", "", "see python -m trainer --help"),
    "no run folder": Case("--dataset=@/a/1.0.0", 2, "--run_dir is required", "", "--help"),
    "no such flagfile": Case(f"{_NEW} --flagfile=@/no.flags", 2, "@/no.flags", "", "flagfile"),
    "wrong flag in a flagfile": Case(
        f"{_NEW} --flagfile=@/wrong.flags", 2, "--batch_sise", "", "did you mean --batch_size? (in"
    ),
    "wrong path": Case(
        "--dataset=@/nowhere --run_dir=@/new", 1, "no dataset folder at @/nowhere", "",
        "give <output_dir>/<name>/<version>",
    ),
    "not a dataset": Case(
        "--dataset=@/empty --run_dir=@/new", 1, "@/empty has no manifest.json", "dataset folder",
        "give <output_dir>/<name>/<version>",
    ),
    "recordings, not converted": Case(
        "--dataset=@/recordings --run_dir=@/new", 1, "found: p0.npz", "dataset folder",
        "convert recordings to one with python -m pipeline",
    ),
    "folder above the dataset": Case(
        "--dataset=@/sleep --run_dir=@/new", 1, "@/sleep has no manifest.json", "",
        "did you mean @/sleep/1.0.0?",
    ),
    "run folder below a file": Case(
        "--dataset=@/sleep/1.0.0 --run_dir=@/file/run", 1, "@/file", "directory", "check"
    ),
    "dataset of another task": Case(
        f"--mode=evaluate --dataset=@/records/1.0.0 {_RUN}", 1, "classes per record (rest, move",
        "classes per step (rest, move, fall)", "Give the --dataset of that task, or a --run_dir",
    ),
    "dataset of values": Case(
        f"--mode=evaluate --dataset=@/values/1.0.0 {_RUN}", 1, "value per record",
        "classes per step", "or a --run_dir trained on this one",
    ),
    "predicting another input": Case(
        f"--mode=predict {_RUN} --input_dir=@/ints", 1, "int32 [3]", "float32 [3]",
        "give recordings like those it learnt from",
    ),
    "no labels": Case(
        "--dataset=@/unlabelled/1.0.0 --run_dir=@/new", 1, "no labels", "--horizon_steps=10",
        "with --label_key"
    ),
    "going on with another model": Case(
        f"{_AGAIN} --dense_units=3 --allow_changed=dense_units", 1, "of another model",
        "(3, 3) in this model",
        "give another --run_dir",
    ),
    "going on with another option": Case(
        f"{_AGAIN} --learning_rate=0.5 --histograms", 1,
        "--learning_rate was '0.0002' and is '0.5'", "",
        "Give another --run_dir, the same options, or --allow_changed=learning_rate\n",
    ),
    "checkpoint of another model": Case(
        f"--mode=evaluate {_RUN} --dense_units=3", 1, "is of another model",
        "(3, 3) in this model", "give the flags that it was trained with",
    ),
    "exporting another model": Case(
        f"--mode=export {_RUN} --dense_units=3", 1, "is of another model", "in this model",
        "give the flags that it was trained with",
    ),
    "evaluating what was not trained": Case(
        "--mode=evaluate --run_dir=@/empty", 1, "@/empty has no config.flags", "run folder",
        "train first",
    ),
    "predicting with nothing": Case(
        "--mode=predict --run_dir=@/nowhere", 1, "@/nowhere has no config.flags", "run folder",
        "train first",
    ),
    "unknown split to train on": Case(
        f"{_NEW} --train_split=trian", 1, "no split 'trian'", "it has test, train, validation",
        "did you mean 'train'?",
    ),
    "unknown split to validate on": Case(
        f"{_NEW} --validation_split=valid", 1, "no split 'valid'", "it has test, train, validation",
        "did you mean 'validation'?",
    ),
    "unknown split to predict": Case(
        f"--mode=predict {_RUN} --predict_split=tst", 1, "no split 'tst'", "it has test, train",
        "did you mean 'test'?",
    ),
    "weights of unknown classes": Case(
        f"{_NEW} --class_weights=1,2", 1, "got 2 weights", "3 numbers, for rest, move, fall", ""
    ),
    "weights below 0": Case(
        f"{_NEW} --class_weights=1,-1,1", 2, "--class_weights=1,-1,1", "numbers of at least 0", ""
    ),
    "unknown class weights": Case(
        f"{_NEW} --class_weights=ballanced", 1, "ballanced", "balanced or 3 numbers",
        "did you mean balanced?",
    ),
    "unknown metric": Case(
        f"{_NEW} --monitor=acuracy", 2, "'acuracy'", "loss, accuracy", "did you mean accuracy?"
    ),
    "option of another model": Case(
        f"{_NEW} --model=signal --frame_pool=2", 2,
        "--frame_pool has no effect with --model=signal",
        "reads it: frames, sequence", "leave it out",
    ),
    "option of a front end that is not there": Case(
        f"{_NEW} --model=resnet --front_end=none --hop_samples=64", 2,
        "--hop_samples has no effect", "--front_end=log_mel", "leave one out, or add",
    ),
    "random convolutions that are not there": Case(
        f"{_NEW} --model=resnet --kernel_groups=8", 1, "--rocket_biases and --random_share have",
        "no effect without --random_convolutions", "leave them out, or add it",
    ),
    "depth of a network that has one": Case(
        f"{_NEW} --model=fcn --depth=2", 1, "--depth=2", "is three convolutions", "leave it out"
    ),
    "option of trained networks": Case(
        f"{_NEW} --model=hydra --width=4", 2, "--width has no effect with --model=hydra",
        "reads it: bidirectional, conformer", "leave it out",
    ),
    "augmentation of frames": Case(
        f"{_NEW} --model=resnet --flip", 2, "the dataset has signal", "--flip is for frames",
        "leave it out",
    ),
    "mixed sequences": Case(
        f"{_NEW} --model=forecaster --mixup=0.2", 2, "--mixup is for one label per record or per",
        "a record's label is a sequence", "leave it out",
    ),
    "several networks with sigmoid": Case(
        f"{_NEW} --model=resnet --ensemble=2 --class_activation=sigmoid", 2,
        "--class_activation=sigmoid", "does not go with several networks", "--ensemble=1",
    ),
    "model of sequences": Case(
        f"{_NEW} --model=sequence", 1, "the dataset has signal with labels per step",
        "is for signal or frames with labels per sequence", "leave --model out, or choose from",
    ),
    "model of frames": Case(
        f"{_NEW} --model=frames", 1, "the dataset has signal", "is for frames with labels per step",
        "leave --model out, or choose from bidirectional",
    ),
    "horizon beyond the record": Case(
        f"{_NEW} --model=forecaster", 1, "steps, expected more than", "--horizon_steps=150",
        "give a smaller one",
    ),
    "convolutions on features": Case(
        f"{_NEW} --conv_filters=4 --conv_strides=1", 1, "its input has 3 samples", "its kernel 32",
        "give fewer conv_filters",
    ),
    "strides that do not fit": Case(
        f"{_NEW} --conv_filters=4,4 --conv_strides=1", 2, "got 1", "2 of --conv_filters",
        "give as many",
    ),
    "a budget that is too small": Case(
        f"{_NEW} --batch_steps=3", 1, "batch_steps is 3", "4 steps", "at least 4"
    ),
    "no GPU to mirror on": Case(
        f"{_NEW} --strategy=mirrored", 1, "no GPU was found", "", "give --cpu_replicas=2"
    ),
    "raw folder that is not there": Case(
        f"--mode=predict {_RUN} --input_dir=@/nowhere", 1, "no such folder", "",
        "give one that exists",
    ),
    "raw folder without recordings": Case(
        f"--mode=predict {_RUN} --input_dir=@/empty", 1, "no npz file under --input_dir=@/empt", "",
        "give another folder",
    ),
    "format of predictions": Case(
        f"--mode=predict {_RUN} --output=p.txt", 2, "--output=p.txt", ".parquet or .csv", ""
    ),
    "both kinds of input": Case(
        f"--mode=predict {_RUN} --input_dir=@/empty --predict_split=test", 2, "--predict_split",
        "", "not both",
    ),
    "steps of a model that needs none": Case(
        f"--mode=predict {_RUN} --input_dir=@/recordings --label_steps=3", 2, "--label_steps=3",
        "for --model=sequence", "leave it out",
    ),
    "dry run of another mode": Case(
        f"--mode=predict --dry_run {_RUN}", 2, "got --mode=predict", "--mode=train", "leave it out"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _CASES)
def test_a_wrong_command_says_what_to_do(
    name: str, world: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    case = _CASES[name]
    given = case.flags.replace("@", str(world)).split()
    is_trained = "--mode=" in case.flags and "evalute" not in case.flags
    before = sorted(world.rglob("*"))
    has_own_model = not _BY_RULES.isdisjoint(given)
    code = run_trainer(*([] if is_trained or has_own_model or not given else _SMALL), *given)
    message = "".join(capfd.readouterr()).replace(str(world), "@")
    assert code == case.code, message
    assert "Traceback" not in message
    for part in (case.got, case.expected, case.to_do):
        assert part in message
    assert sorted(world.rglob("*")) == before, "something was written"


def test_the_page_lists_every_exit_status() -> None:
    page = (REPOSITORY / "docs" / "command_line.md").read_text()
    listed = {int(status) for status in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert listed == {value for value in vars(exit_codes).values() if isinstance(value, int)}


@pytest.mark.parametrize("kind", [AttributeError, ValueError])
def test_a_fault_in_the_code_is_not_hidden(
    world: pathlib.Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def broken(*_: object) -> None:
        raise kind("a bug")

    monkeypatch.setattr("trainer.session.open_dataset", broken)
    with pytest.raises(kind, match="a bug"):
        run_trainer(f"--dataset={world}/sleep/1.0.0", f"--run_dir={world}/new")


def test_ctrl_c_while_importing_says_nothing() -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "trainer"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    maps = pathlib.Path(f"/proc/{started.pid}/maps")
    while "tensorflow" not in maps.read_text() and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    assert started.communicate(timeout=60)[0] == b""
    assert started.returncode == -signal.SIGINT


def test_output_that_nobody_reads_is_told_in_one_line(world: pathlib.Path) -> None:
    flags = [f"--dataset={world}/sleep/1.0.0", f"--run_dir={world}/unread", *_SMALL]
    process = Process("trainer.__main__", *flags, log=world / "log", unread=True)
    assert process.wait() == exit_codes.ERROR
    message = process.output()
    assert "Traceback" not in message
    assert message.splitlines()[-1].startswith("error: nobody reads the output any more; give")


def test_help_is_short_and_helpfull_has_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    printed = {}
    for flag in ("--help", "--helpfull", "--version"):
        with pytest.raises(SystemExit) as ended:
            run_trainer(flag)
        assert not ended.value.code
        printed[flag] = capsys.readouterr().out
    names = [field.name for kind in COMMAND.kinds for field, _ in fields_of(kind)]
    shown = {key: set(re.findall(r"^  --(\w+)", text, re.M)) for key, text in printed.items()}
    assert {*names} < shown["--helpfull"]
    assert len(shown["--help"]) < len(names) / 3
    assert "One of train, evaluate, predict, export." in " ".join(printed["--help"].split())
    assert "--alsologtostderr" not in printed["--helpfull"]  # absl's own
    assert max(map(len, printed["--help"].splitlines())) <= 80
    assert "tensorflow 2." in printed["--version"]
