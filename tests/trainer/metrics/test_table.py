"""A metric is one file: everything that names metrics finds a new one."""

import json
import re
import subprocess
import sys

import pytest

from tests.datasets import VALUE_PER_STEP, toy_dataset
from tests.trainer.in_process import run_trainer
from trainer import metrics
from trainer.metrics.table import all_metrics, better_mode, headline

_FILE = '''
"""Share of values that are closer than 100."""

from trainer.metrics.metric import Mean, Metric

_MEAN = Mean("near", lambda label, prediction: abs(label - prediction) < 100)
METRIC = Metric(
    "nearness", "value", higher_is_better=True, epoch=_MEAN, evaluation=_MEAN, title="near 100",
)
'''
_HELP = """
import sys, trainer.metrics
trainer.metrics.__path__.append(sys.argv.pop())
from trainer.runs.asked import COMMAND
print(COMMAND.help_text(is_full=False))
"""
_MODEL = ("--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=1")


@pytest.fixture
def nearness(tmp_path, monkeypatch):
    """A folder with the file of a metric, as if that were in the room."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "nearness.py").write_text(_FILE)
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(folder)])
    all_metrics.cache_clear()
    yield folder
    all_metrics.cache_clear()
    sys.modules.pop("trainer.metrics.nearness", None)


def test_a_new_file_is_measured_monitored_and_reported(nearness, tmp_path, capsys):
    sizes = {"train": 9, "validation": 3, "test": 8}
    dataset, _ = toy_dataset(tmp_path, label=VALUE_PER_STEP, sizes=sizes)
    run = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run", *_MODEL, "--epochs=1"]
    assert run_trainer(*run, "--monitor=nearnes") == 2
    assert "is none of loss, rmse, mae, r2, mse, nearness; did you mean nearness?" in (
        capsys.readouterr().err
    )
    assert run_trainer(*run, "--monitor=nearness") == 0
    (line,) = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert {json.loads(line)[split]["nearness"] for split in ("train", "validation")} == {1.0}
    evaluation = json.loads((tmp_path / "run" / "evaluation-test.json").read_text())
    assert evaluation["metrics"]["nearness"] == evaluation["baseline"]["nearness"] == 1
    assert evaluation["intervals"]["nearness"] == [1, 1]
    assert {group["nearness"] for group in evaluation["groups"].values()} == {1}
    assert [row["nearness"] for row in evaluation["per_component"]] == [1, 1]
    values = re.search(r"component +RMSE +MAE +R2 +(.*)", capsys.readouterr().out)
    assert values.group(1).startswith("near 100 ")
    assert "<td>nearness</td>" in (tmp_path / "run" / "report.html").read_text()


def test_two_files_with_one_name_are_told(nearness):
    (nearness / "closeness.py").write_text(_FILE)
    with pytest.raises(ValueError, match=r"closeness.py and nearness.py both .* 'nearness'"):
        all_metrics()
    sys.modules.pop("trainer.metrics.closeness", None)


def test_help_shows_a_new_file_without_tensorflow(nearness):
    code = f"{_HELP}\nassert 'tensorflow' not in sys.modules"
    shown = subprocess.run(
        [sys.executable, "-c", code, str(nearness)], capture_output=True, text=True, check=True
    )
    assert "rmse, mae, r2, mse, nearness" in " ".join(shown.stdout.split())


def test_more_is_better_for_what_is_right_and_less_for_errors():
    names = ["loss", "accuracy", "rmse", "r2", "cohen_kappa"]
    assert [better_mode(name) for name in names] == ["min", "max", "min", "max", "max"]


def test_the_headline_is_the_first_of_its_kind_and_else_what_there_is():
    assert headline(["loss", "mae", "mse", "rmse"]) == "rmse"
    assert headline(["cohen_kappa", "accuracy"]) == "accuracy"
    assert headline(["loss"]) == "loss"
