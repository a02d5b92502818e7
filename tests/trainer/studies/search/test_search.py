"""`python -m trainer.search`: what is tried, kept after a kill, and said at the end.

Most trainings here are made up: their figure follows from the learning rate and the fold.
"""

import json
import math
import os
import pathlib
import shutil
import sys

import numpy as np
import pytest

from pipeline.console.exit_codes import INTERRUPTED
from pipeline.sources.recordings.libraries import library
from tests.datasets import SIGNAL_AND_CLASS, Record, write_dataset
from tests.forks.process import Process
from tests.optional import optional_library
from tfrecords_schema import open_dataset
from trainer.runs import asked
from trainer.search import main
from trainer.studies.fold_datasets import read_facts
from trainer.studies.search import storage

optional_library("optuna")
_SMALL = (
    "--model=signal", "--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=1",
    "--epochs=1", "--evaluate_with=last", "--noreport", "--folds=2",
)  # fmt: skip
_RATES = "--space=learning_rate=log:1e-4..1"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Four groups of three records, and a test split apart."""
    rng = np.random.default_rng(0)
    names = [(f"g{i % 4}", i) for i in range(12)]
    records = [
        Record(f"{group}_{i}", rng.normal(i % 3, 1, (3, 2)).astype(np.float32), i % 3, group)
        for group, i in names
    ]
    apart = [Record(f"t{i}", np.ones((3, 2), np.float32), 0, "apart") for i in range(3)]
    folder = tmp_path_factory.mktemp("data")
    return write_dataset(folder, {"train": records, "test": apart}, SIGNAL_AND_CLASS)


class _Trainings:
    """Stands for trainings: remembers command lines, and writes what an evaluation would."""

    def __init__(self):
        self.done = []
        self.end_at = None  # Number of the training at which the process ends.
        self.status = lambda rate, fold: 0
        self.figure = lambda rate, fold: 1 - abs(math.log10(rate) + 2) / 4 - fold / 8

    def __call__(self, argv):
        if len(self.done) == self.end_at:
            raise SystemExit("killed")
        values = asked.COMMAND.parse(argv).values
        run_dir, path = pathlib.Path(values["run_dir"].value), values["dataset"].value
        rate = values["learning_rate"].value or asked.TrainingOptions.learning_rate
        self.done.append([arg for arg in argv if arg.startswith("--learning_rate")])
        (run_dir / "checkpoints").mkdir(parents=True, exist_ok=True)
        (run_dir / "checkpoints" / "weights.npz").write_bytes(b"large")
        (run_dir / "predictions-test.npz").write_bytes(b"large")
        evaluation = {
            "split": "test",
            "dataset_fingerprint": open_dataset(path).manifest.fingerprint,
            "metrics": {"accuracy": self.figure(rate, int(path[-1]))},
        }
        status = self.status(rate, int(path[-1]))
        if not status:
            (run_dir / "evaluation-test.json").write_text(json.dumps(evaluation))
        return status


def _made_up(patch):
    """Leaves out what takes time where no model is made."""
    patch.setattr("trainer.search.train", trainings := _Trainings())
    patch.setattr("trainer.search.read_facts", _facts)
    return trainings


_FACTS = {}


def _facts(dataset, splits, options):
    if dataset.path not in _FACTS:
        _FACTS[dataset.path] = read_facts(dataset, splits, options)
    return _FACTS[dataset.path]


@pytest.fixture
def trainings(monkeypatch):
    return _made_up(monkeypatch)


def _search(dataset, run_dir, *flags, space=_RATES):
    return main([f"--dataset={dataset.path}", f"--run_dir={run_dir}", space, *_SMALL, *flags])


def _result(run_dir):
    return json.loads((run_dir / "search.json").read_text())


def test_the_first_trial_is_the_default_and_the_best_becomes_a_flagfile(
    dataset, trainings, tmp_path, capsys
):
    assert _search(dataset, tmp_path / "run", "--trials=8", "--clip_norm=1", "--seed=3") == 0
    said, found = capsys.readouterr().out, _result(tmp_path / "run")
    assert [one["trial"] for one in found["trials"]] == [*range(8)]
    assert trainings.done[:2] == [[], []]  # Two folds without an option of the space.
    assert all(trainings.done[2:])
    default, *others = found["trials"]
    # That the default is 2e-4 is known to what suggests the others.
    assert default["options"] == {"learning_rate": 2e-4}
    for one in others:
        rate = one["options"]["learning_rate"]
        assert 1e-4 <= rate <= 1
        figures = [trainings.figure(rate, fold) for fold in range(2)]
        assert one["figures"] == pytest.approx(figures[: len(one["figures"])])
    done = [one for one in found["trials"] if one["state"] == "done"]
    best = max(done, key=lambda one: one["value"])
    assert found["best"] == best["trial"] > 0
    # The same gain on every fold: nothing is left to chance.
    assert found["is_better"]
    assert f"trial {best['trial']} is better than the default" in " ".join(said.split())
    flags = asked.COMMAND.parse([f"--flagfile={tmp_path}/run/best.flags"]).values
    assert flags["learning_rate"].value == best["options"]["learning_rate"]
    assert (flags["clip_norm"].value, flags["seed"].value) == (1, 3)
    assert not flags["dataset"].present


def test_run_folders_keep_what_tells_and_nothing_that_is_large(dataset, trainings, tmp_path):
    assert _search(dataset, tmp_path / "run", "--trials=2") == 0
    left = {path.name for path in (tmp_path / "run" / "trials").rglob("*")}
    assert left == {f"trial_{i}_fold_{k}" for i in (0, 1) for k in (0, 1)} | {
        "evaluation-test.json"
    }


@pytest.fixture(scope="module")
def uninterrupted(dataset, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        made_up = _made_up(patch)
        run_dir = tmp_path_factory.mktemp("whole") / "run"
        assert _search(dataset, run_dir, "--trials=11") == 0
    return _result(run_dir), made_up.done


@pytest.mark.parametrize("end_at", [0, 3, 15])
def test_killed_at_any_training_it_ends_in_the_same_result(
    dataset, trainings, tmp_path, uninterrupted, end_at
):
    expected, every = uninterrupted
    trainings.end_at = end_at
    with pytest.raises(SystemExit):
        _search(dataset, tmp_path / "run", "--trials=11")
    trainings.end_at = None
    assert _search(dataset, tmp_path / "run", "--trials=11") == 0
    assert _result(tmp_path / "run") == expected
    assert trainings.done == every  # None was done again.


def test_no_more_trials_than_asked_and_more_may_be_asked(dataset, trainings, tmp_path):
    for number, trials in ((2, 2), (2, 2), (3, 3)):
        assert _search(dataset, tmp_path / "run", f"--trials={number}") == 0
        assert len(_result(tmp_path / "run")["trials"]) == trials
        assert len(trainings.done) == 2 * trials


def test_another_seed_suggests_others(dataset, trainings, tmp_path, uninterrupted):
    assert _search(dataset, tmp_path / "run", "--trials=3", "--seed=1") == 0
    one, other = uninterrupted[0]["trials"], _result(tmp_path / "run")["trials"]
    assert one[1]["options"] != other[1]["options"]


def test_poor_trials_end_after_a_fold(dataset, trainings, tmp_path, uninterrupted):
    result, every = uninterrupted
    pruned = [one for one in result["trials"] if one["state"] == "pruned"]
    assert pruned
    assert all(len(one["figures"]) == 1 for one in pruned)
    assert len(every) == 22 - len(pruned)
    done = [one for one in result["trials"] if one["state"] == "done"]
    first = np.median([one["figures"][0] for one in done if one["trial"] < pruned[0]["trial"]])
    assert pruned[0]["figures"][0] < first
    assert _search(dataset, tmp_path / "run", "--trials=11", "--nopruning") == 0
    assert {one["state"] for one in _result(tmp_path / "run")["trials"]} == {"done"}


def test_the_same_trainings_are_not_repeated(dataset, trainings, tmp_path):
    space = "--space=batch_size=16,32"  # The second is the default.
    trainings.figure = lambda rate, fold: 0.5
    assert _search(dataset, tmp_path / "run", "--trials=6", "--nopruning", space=space) == 0
    assert len(trainings.done) == 4
    trials = _result(tmp_path / "run")["trials"]
    repeated = [one for one in trials if "same_as" in one]
    assert len(repeated) == 4
    for one in repeated:
        assert one["figures"] == trials[one["same_as"]]["figures"]


def test_a_trial_that_fails_is_left_out_and_the_default_may_not(
    dataset, trainings, tmp_path, capsys
):
    trainings.status = lambda rate, fold: 65 if rate > 1e-2 else 0
    assert _search(dataset, tmp_path / "run", "--trials=6", "--nopruning") == 0
    trials = _result(tmp_path / "run")["trials"]
    for one in trials:
        failed = one["options"]["learning_rate"] > 1e-2
        assert (one["state"], "reason" in one) == (("failed", True) if failed else ("done", False))
    assert {one["state"] for one in trials} == {"failed", "done"}
    assert "exit status 65 on fold 0" in capsys.readouterr().out
    trainings.status = lambda rate, fold: 1
    assert _search(dataset, tmp_path / "other", "--trials=2") == 1
    assert "the first trial, which is the default, failed" in capsys.readouterr().err
    trainings.status = lambda rate, fold: INTERRUPTED
    assert _search(dataset, tmp_path / "third", "--trials=2") == INTERRUPTED


def test_a_full_disk_ends_the_search_and_no_trial(
    dataset, trainings, tmp_path, monkeypatch, capsys, uninterrupted
):
    def full(argv):
        if len(trainings.done) < 5:
            return trainings(argv)
        print("error: checkpoint ckpt-1 cannot be written; make space, or make it writable")
        return 1

    with monkeypatch.context() as patch:
        patch.setattr("trainer.search.train", full)
        assert _search(dataset, tmp_path / "run", "--trials=11") == 1
    assert "ckpt-1 cannot be written; make space" in capsys.readouterr().err
    assert _search(dataset, tmp_path / "run", "--trials=11") == 0
    assert _result(tmp_path / "run") == uninterrupted[0]


def test_a_trial_that_failed_on_a_later_fold_fails_again(dataset, trainings, tmp_path):
    trainings.status = lambda rate, fold: 65 if rate == 0.01 and fold else 0
    space = "--space=learning_rate=0.001,0.01"
    assert _search(dataset, tmp_path / "run", "--trials=8", "--nopruning", space) == 0
    trials = [one for one in _result(tmp_path / "run")["trials"] if one["trial"]]
    failed = [one for one in trials if float(one["options"]["learning_rate"]) == 0.01]
    assert len(failed) > 1
    assert all(one["state"] == "failed" and "on fold 1" in one["reason"] for one in failed)


def test_the_default_stands_where_folds_do_not_agree(dataset, trainings, tmp_path, capsys):
    trainings.figure = lambda rate, fold: 0.5 if rate == 2e-4 else 0.4 + 0.3 * fold
    assert _search(dataset, tmp_path / "run", "--trials=3", "--nopruning") == 0
    found = _result(tmp_path / "run")
    assert found["best"]
    assert not found["is_better"]
    said = " ".join(capsys.readouterr().out.split())
    assert "the default stands, for folds do not tell trial" in said
    assert (tmp_path / "run" / "best.flags").read_text().startswith("# the default stands")
    trainings.figure = lambda rate, fold: float(rate == 2e-4)
    assert _search(dataset, tmp_path / "worse", "--trials=3") == 0
    assert _result(tmp_path / "worse")["best"] == 0
    assert "learning_rate" not in (tmp_path / "worse" / "best.flags").read_text()
    assert "none of 2 other trials has a better accuracy" in capsys.readouterr().out


def test_time_that_is_over_ends_it_and_more_goes_on(dataset, trainings, tmp_path, capsys):
    assert _search(dataset, tmp_path / "run", "--trials=3", "--search_minutes=1e-9") == 0
    assert not trainings.done
    assert "no figure of the default yet" in capsys.readouterr().out
    assert _search(dataset, tmp_path / "run", "--trials=3", "--search_minutes=5") == 0
    assert len(_result(tmp_path / "run")["trials"]) == 3
    # What earlier starts took counts.
    assert _search(dataset, tmp_path / "run", "--trials=4", "--search_minutes=1e-9") == 0
    assert len(_result(tmp_path / "run")["trials"]) == 3


def test_a_training_is_as_short_as_the_time_for_all_of_them(dataset, tmp_path, capsys):
    flags = [flag for flag in _SMALL if not flag.startswith("--epochs")]
    command = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run", _RATES, *flags]
    command += ["--trials=10", "--search_minutes=10", "--dry_run"]
    assert main(command) == 0
    assert "--max_minutes=0.3 for each training" in capsys.readouterr().out
    assert main([*command, "--max_minutes=2"]) == 0
    assert "for each training" not in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--clip_norm=1"], "--clip_norm was None and is '1.0'"),
        (["--folds=3"], "--folds was '2' and is '3'"),
        (["--seed=1"], "--seed was 0 and is 1"),
        (["--space=learning_rate=1..2"], "--space was {'learning_rate': 'log:1e-4..1'}"),
        (["--objective=acuracy"], "did you mean accuracy?"),
        (["--mode=evaluate"], "--mode=evaluate: folds are trained"),
        (["--trials=0"], "--trials=0: expected at least 1"),
    ],
)
def test_another_search_or_a_mistake_is_refused(dataset, searched, capsys, flags, message):
    before = (searched / "study.json").read_bytes()
    assert _search(dataset, searched, *flags) in (1, 2)
    assert message in capsys.readouterr().err
    assert (searched / "study.json").read_bytes() == before


def test_trials_that_are_a_link_are_refused_and_what_is_behind_is_kept(
    dataset, trainings, tmp_path, capsys
):
    weights = tmp_path / "elsewhere" / "trial_0_fold_0" / "best" / "model.npz"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"the only copy")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "trials").symlink_to(tmp_path / "elsewhere")
    assert _search(dataset, tmp_path / "study", "--trials=2") == 1
    assert f"{tmp_path}/study/trials is a link" in capsys.readouterr().err
    assert weights.read_bytes() == b"the only copy"
    assert not trainings.done


def test_what_is_missing_is_said(dataset, tmp_path, capsys, monkeypatch):
    storage.optuna.cache_clear()
    library.cache_clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "optuna", None)
        assert _search(dataset, tmp_path) == 2
    assert "pip install 'variable-length-training[search]'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def searched(dataset, tmp_path_factory):
    """A search whose trainings are real."""
    run_dir = tmp_path_factory.mktemp("searched") / "run"
    assert _search(dataset, run_dir, "--trials=2") == 0
    return run_dir


def test_nothing_of_the_test_split_is_looked_at(dataset, searched, tmp_path, capsys):
    copy = tmp_path / "copy" / "1.0.0"
    shutil.copytree(dataset.path, copy)
    for shard in copy.glob("toy-test.tfrecord-*"):
        shard.write_bytes(os.urandom(shard.stat().st_size))
    assert _search(open_dataset(str(copy)), tmp_path / "run", "--trials=2") == 0
    assert _result(tmp_path / "run") == _result(searched)
    written = [path for path in (tmp_path / "run").rglob("*") if path.suffix in (".json", ".html")]
    assert len(written) > 10
    for text in (capsys.readouterr().out, *(path.read_text() for path in written)):
        assert "apart" not in text


def test_a_process_that_is_killed_goes_on_to_the_same_result(dataset, searched, tmp_path):
    run_dir = tmp_path / "killed"
    flags = [f"--dataset={dataset.path}", f"--run_dir={run_dir}", _RATES, *_SMALL, "--trials=2"]
    process = Process("trainer.search", *flags, log=tmp_path / "log")
    kept = run_dir / "trials" / "trial_0_fold_0" / "evaluation-test.json"
    process.kill_at(run_dir, str(kept.relative_to(run_dir)))
    written = kept.stat().st_mtime_ns
    assert not (run_dir / "search.json").exists()
    assert _search(dataset, run_dir, "--trials=2") == 0
    assert _result(run_dir) == _result(searched)
    assert kept.stat().st_mtime_ns == written
