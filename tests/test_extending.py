"""The examples of docs/extending.md, each as the one new file that it is."""

import json
import pathlib
import re

import numpy as np
import pytest

from tests.datasets import toy_dataset
from tests.forks import extended as extended_packages
from tests.forks.process import Process
from tests.repository import REPOSITORY
from tfrecords_schema import open_dataset

_PAGE = (REPOSITORY / "docs" / "extending.md").read_text()
_EXAMPLES = {
    path: code
    for path, code in re.findall(r"^`([\w/]+\.py)`.*?```python\n(.*?)```", _PAGE, re.M | re.S)
}
_MAX_LINES = 50


@pytest.fixture
def extended(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with all the new files, and no other."""
    for path, code in _EXAMPLES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(code)
    return tmp_path


def _run(root: pathlib.Path, *commands: list[str]) -> list[tuple[int, str]]:
    """Runs commands, module and arguments each; returns the status and output of each."""
    arguments = (str(root), json.dumps(commands))
    printed = Process(extended_packages.__name__, *arguments, log=root / "log").succeed()
    outputs = printed.split("\f")
    assert len(outputs) == len(commands) + 1, printed
    return [(int(output[-1]), " ".join(output[:-1].split())) for output in outputs[:-1]]


def test_every_example_is_short() -> None:
    assert len(_EXAMPLES) >= 3
    for path, code in _EXAMPLES.items():
        assert len(code.splitlines()) <= _MAX_LINES, path


def test_a_kind_of_folder_is_a_file(extended: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(12):
        path = extended / "in" / "ab"[number % 2] / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.normal(size=(5 + number, 3)))
    (extended / "in" / "a" / "bad.npy").write_bytes(b"no npy")
    flags = [f"--input_dir={extended}/in", f"--output_dir={extended}/datasets", "--name=npy"]
    flags += ["--splits=train=6,validation=3,test=rest", "--skipped_steps=2"]
    wrong = {
        "--skiped_steps=1": "unknown flag --skiped_steps; did you mean --skipped_steps?",
        "--source=signals": "--skipped_steps has no effect with --source=signals; leave it out",
    }
    run = [f"--dataset={extended}/datasets/npy/1.0.0", f"--run_dir={extended}/run"]
    small = ["--epochs=1", "--rnn_units=2", "--conv_filters=", "--conv_strides="]
    predict = ["--mode=predict", f"--input_dir={extended}/in", f"--output={extended}/found.csv"]
    (_, full), *refused, (converted, _), (trained, _), (predicted, printed) = _run(
        extended,
        ["pipeline", "--helpfull"],
        *(["pipeline", *flags, "--source=npy_files", flag] for flag in wrong),
        ["pipeline", *flags, "--source=npy_files"],
        ["trainer", *run, *small],
        ["trainer", *run, *predict],
    )
    assert "npy_files: npy files, a recording [time, ...] each; its class" in full
    assert "--skipped_steps Steps at the beginning" in full
    for (status, said), message in zip(refused, wrong.values(), strict=True):
        assert (status, message in said) == (2, True), said
    assert (converted, trained, predicted) == (0, 0, 0)
    dataset = open_dataset(f"{extended}/datasets/npy/1.0.0")
    assert dataset.manifest.options["skipped_steps"] == 2
    assert "resize" not in dataset.manifest.options
    assert dataset.schema.label is not None
    assert dataset.schema.label.class_names == ("a", "b")
    (reject,) = (extended / "datasets/npy/1.0.0/rejects.jsonl").read_text().splitlines()
    assert "bad.npy" in reject
    assert "write it with numpy.save" in reject
    assert "predictions of 12 records" in printed
    assert "left out a/bad.npy: no npy file" in printed


def test_a_model_and_a_metric_are_a_file_each(extended: pathlib.Path) -> None:
    dataset, _ = toy_dataset(extended / "data", step_shape=(3, 2))
    run_dir = extended / "run"
    run = [f"--dataset={dataset.path}", f"--run_dir={run_dir}"]
    model = ["--model=two_layers", "--hidden_units=16", "--monitor=error_rate", "--epochs=2"]
    (_, full), (trained, said), (predicted, _) = _run(
        extended,
        ["trainer", "--helpfull"],
        ["trainer", *run, *model],
        ["trainer", *run, "--mode=predict", "--predict_split=test"],
    )
    assert "--hidden_units" in full
    assert "two_layers: Two Dense layers on every step" in full
    assert (trained, predicted) == (0, 0), said
    assert "--hidden_units=16\n" in (run_dir / "config.flags").read_text()
    assert "error_rate" in (run_dir / "evaluation-test.json").read_text()
    assert "error_rate" in (run_dir / "metrics.jsonl").read_text()
    assert (run_dir / "predictions.parquet").is_file()
