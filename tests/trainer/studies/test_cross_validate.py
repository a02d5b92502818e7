"""`python -m trainer.cross_validate`: nothing of a fold's test records reaches its training."""

import csv
import json
import pathlib

import keras
import numpy as np
import pytest

from pipeline.console.tables import Table
from tests.datasets import SIGNAL_AND_CLASS, Record, write_dataset
from tests.forks.process import Process
from tfrecords_schema import open_dataset
from trainer.compare import main as compare
from trainer.cross_validate import main
from trainer.studies import fold_datasets
from trainer.studies.asked_study import write_study
from trainer.studies.fold_datasets import (
    Fold,
    plan_folds,
    read_facts,
    splits_to_divide,
    write_fold,
)
from trainer.studies.options import FoldOptions
from trainer.studies.study_page import write_page

_SMALL = (
    "--model=signal", "--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=1",
    "--normalization=training_split", "--class_weights=balanced", "--epochs=2", "--notensorboard",
    "--learning_rate=0.1", "--evaluate_with=last", "--noreport", "--deterministic",
)  # fmt: skip
_SPLITS = ("train", "validation")


@pytest.fixture(scope="module")
def records():
    """Six groups at very different levels, so that a statistic of others shows; by split."""
    rng = np.random.default_rng(0)
    found = {"train": [], "validation": [], "test": []}
    for group in range(6):
        for number in range(3 if group % 2 else 4):
            label = (group + number) % 3
            data = rng.normal(10.0**group, 1, (int(rng.integers(2, 6)), 2)).astype(np.float32)
            split = "validation" if group == 5 else "train"
            found[split].append(Record(f"g{group}_{number}", data, label, f"g{group}"))
    found["test"].append(Record("apart", np.ones((3, 2), np.float32), 0, "apart"))
    return found


@pytest.fixture(scope="module")
def dataset(records, tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"), records, SIGNAL_AND_CLASS)


def _run(dataset, run_dir, *flags):
    keras.utils.clear_session()
    return main([f"--dataset={dataset.path}", f"--run_dir={run_dir}", "--folds=3", *_SMALL, *flags])


@pytest.fixture(scope="module")
def study(dataset, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("studies") / "study"
    assert _run(dataset, run_dir) == 0
    return run_dir


def leaks(fold, records):
    """What of a fold's dataset is not of its own training records alone."""
    by_id = {record.id: record for of in records.values() for record in of}
    entries = fold.manifest.splits
    members = {name: [by_id[i] for i in fold.split(name).ids()] for name in entries}
    found = []
    groups = [{record.group for record in of} for of in members.values()]
    if len(set().union(*groups)) < sum(map(len, groups)):
        found.append("a group is in two splits")
    values = np.concatenate([record.data for record in members["train"]]).astype(np.float64)
    statistics = fold.manifest.statistics
    for name, expected in (
        ("mean", values.mean(0)), ("deviation", values.std(0)), ("maximum", values.max(0)),
    ):  # fmt: skip
        if not np.allclose(getattr(statistics, name), expected, rtol=1e-9):
            found.append(f"{name} of others")
    for name, of in members.items():
        labels = np.bincount([record.label for record in of], minlength=3).tolist()
        counts = entries[name].class_counts
        if [counts[one] for one in fold.schema.label.class_names] != labels:
            found.append(f"class counts of {name}")
    return found


def test_a_fold_knows_nothing_but_its_own_training_records(study, records):
    folders = sorted((study / "folds").iterdir())
    assert len(folders) == 3
    for folder in folders:
        fold = open_dataset(str(folder))
        assert leaks(fold, records) == []
        (run,) = (study / "runs").glob(f"{folder.name}_seed_*")
        learnt = json.loads((run / "schema.json").read_text())
        assert learnt["statistics"]["mean"] == list(fold.manifest.statistics.mean)
        assert learnt["fingerprint"] == fold.manifest.fingerprint
        flags = (run / "config.flags").read_text().splitlines()
        # Nothing is validated on, so nothing of the test records decides when to stop.
        assert {"--train_split=train", "--validation_split=", "--test_split=test"} <= {*flags}
        assert all(
            json.loads(line)["validation"] is None
            for line in (run / "metrics.jsonl").read_text().splitlines()
        )


@pytest.fixture(scope="module")
def facts(dataset):
    return read_facts(dataset, _SPLITS, FoldOptions(folds="3"))


@pytest.mark.parametrize("leak", ["statistics", "group", "counts"])
def test_a_planted_leak_is_found(dataset, records, facts, tmp_path, monkeypatch, leak):
    fold = plan_folds(facts, FoldOptions(folds="3"))[0]
    assert leaks(write_fold(str(tmp_path / "fine"), fold, dataset, _SPLITS, facts), records) == []
    true = {name: getattr(fold_datasets, name) for name in ("statistics", "class_counts")}
    if leak == "statistics":
        monkeypatch.setattr(
            fold_datasets, "statistics", lambda _: true["statistics"](facts.values())
        )
    elif leak == "counts":
        monkeypatch.setattr(
            fold_datasets,
            "class_counts",
            lambda _, label: true["class_counts"](facts.values(), label),
        )
    else:
        fold = Fold(0, 0, _Torn(fold.split_of))
    found = leaks(write_fold(str(tmp_path / "leak"), fold, dataset, _SPLITS, facts), records)
    assert found


class _Torn(dict):
    """Puts every other record of a group into another split."""

    def __getitem__(self, group):
        self.count = getattr(self, "count", 0) + 1
        return ("train", "test")[self.count % 2]


def test_every_record_is_predicted_once_by_a_model_that_did_not_see_its_group(study, records):
    result = json.loads((study / "cross_validation.json").read_text())
    with (study / "predictions.csv").open() as file:
        rows = [*csv.DictReader(file)]
    expected = {record.id for split in _SPLITS for record in records[split]}
    assert [row["id"] for row in rows] == sorted(expected)
    right = np.mean([row["label"] == row["prediction"] for row in rows])
    assert result["metrics"]["accuracy"] == pytest.approx(right)
    assert sum(map(sum, result["confusion"])) == len(rows)
    for row in rows:
        fold = open_dataset(str(study / "folds" / f"repeat_0_fold_{row['fold']}"))
        assert row["group"] in fold.split("test").groups()
        assert row["group"] not in fold.split("train").groups()


def test_the_official_test_split_stays_apart_unless_it_is_asked_for(dataset, study):
    assert "apart" not in (study / "predictions.csv").read_text()
    assert splits_to_divide(dataset, FoldOptions(), "test") == _SPLITS
    options = FoldOptions(fold_splits=("train", "validation", "test"))
    assert splits_to_divide(dataset, options, "test") == options.fold_splits


def test_each_group_is_left_out_in_turn(facts):
    folds = plan_folds(facts, FoldOptions(folds="groups"))
    assert [fold.groups("test") for fold in folds] == [[f"g{i}"] for i in range(6)]


def test_the_next_fold_validates_and_is_not_trained_on(facts):
    folds = plan_folds(facts, FoldOptions(folds="3", fold_validation="next"))
    for fold, following in zip(folds, [*folds[1:], folds[0]], strict=True):
        assert fold.groups("validation") == following.groups("test")
        assert len(fold.split_of) == 6
        assert fold.groups("train")


def test_the_page_and_the_table_show_figure_interval_and_folds(study):
    result = json.loads((study / "cross_validation.json").read_text())
    folds = Table("Folds", {"fold": None}, [["the first"]])
    runs = [str(run) for run in sorted((study / "runs").iterdir())]
    page = pathlib.Path(write_page(str(study), result, folds, runs)).read_text()
    assert f"{result['metrics']['accuracy']:.3f}" in page
    assert "over 3 folds" in page
    assert page.count("data:image/svg") == 2
    low, high = result["intervals"]["accuracy"]
    assert low <= result["metrics"]["accuracy"] <= high
    assert result["spread"]["accuracy"]["groups"]["number"] == 6
    assert result["spread"]["accuracy"]["folds"]["number"] == 3


def test_what_is_done_is_kept_and_what_is_missing_is_done_again(dataset, study, capsys):
    before = (study / "cross_validation.json").read_bytes()
    runs = sorted((study / "runs").iterdir())
    written = {run: (run / "evaluation-test.json").stat().st_mtime_ns for run in runs}
    (runs[1] / "evaluation-test.json").unlink()
    capsys.readouterr()
    assert _run(dataset, study) == 0
    said = capsys.readouterr().out
    assert "2 runs of 3 done before" in said
    assert (study / "cross_validation.json").read_bytes() == before
    for run in (runs[0], runs[2]):
        assert (run / "evaluation-test.json").stat().st_mtime_ns == written[run]


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--epochs=3", "--epochs was '2' and is '3'"),
        ("--folds=groups", "--folds was '3' and is 'groups'"),
        ("--fold_validation=next", "--fold_validation was 'none' and is 'next'"),
        ("--mode=evaluate", "--mode=evaluate: folds are trained"),
        ("--folds=1", "expected a whole number of at least 2, or groups"),
        ("--fold_splits=trian", "did you mean 'train'?"),
        ("--seeds=1,1", "--seeds: each once"),
    ],
)
def test_another_study_or_a_mistake_is_refused_and_changes_nothing(
    dataset, study, capsys, flag, message
):
    before = (study / "study.json").read_bytes()
    assert _run(dataset, study, flag) in (1, 2)
    assert message in capsys.readouterr().err
    assert (study / "study.json").read_bytes() == before


def test_another_study_that_comes_while_the_folds_are_planned_is_not_mixed_with(
    dataset, tmp_path, capsys, monkeypatch
):
    def meanwhile(*given):
        write_study(str(tmp_path), {"fold_seed": "7"}, "cross-validation", "--seeds")
        return read_facts(*given)

    monkeypatch.setattr("trainer.cross_validate.read_facts", meanwhile)
    assert _run(dataset, tmp_path) == 1
    assert "--fold_seed was '7' and is '0'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["study.json"]


@pytest.mark.parametrize("name", ["folds", "runs", "runs/repeat_0_fold_2_seed_0"])
def test_a_folder_of_a_study_that_is_a_link_is_refused(name, dataset, tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "study" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere")
    assert _run(dataset, tmp_path / "study") == 1
    assert f"{link} is a link" in capsys.readouterr().err
    assert not [*(tmp_path / "elsewhere").iterdir()]


def test_a_dry_run_shows_the_folds_and_writes_nothing(dataset, tmp_path, capsys):
    assert _run(dataset, tmp_path / "dry", "--dry_run") == 0
    assert "repeat_0_fold_2" in capsys.readouterr().out
    assert _run(dataset, tmp_path / "dry", "--dry_run", "--folds=9") == 2
    assert "has 6 groups in train, validation, and none is divided" in capsys.readouterr().err
    assert not (tmp_path / "dry").exists()


def test_a_study_is_compared_with_itself_and_not_with_other_folds(
    study, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert compare([str(study), str(study), "--page=page.html"]) == 0
    said = capsys.readouterr().out
    assert "+0.000" in said
    assert "page: page.html" in said
    assert "+0.000" in (tmp_path / "page.html").read_text()
    (tmp_path / "page.html").write_text("mine")
    assert compare([str(study), str(study), "--page=page.html"]) == 1
    assert "page.html is no page of this comparison" in capsys.readouterr().err
    run = next((study / "runs").glob("*_fold_0_*"))
    assert compare([str(run), str(run), "--page=none"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    other = next((study / "runs").glob("*_fold_1_*"))
    for pair in ([str(study), str(run)], [str(run), str(other)]):
        assert compare(pair) == 1
        assert "were evaluated on different data" in capsys.readouterr().err
    assert compare([str(run)]) == 2
    assert compare([str(run), str(run), "--split=validation"]) == 1
    assert "it has test; name one with --split" in capsys.readouterr().err


def test_killed_on_the_way_it_goes_on_to_the_same_result(dataset, study, tmp_path):
    run_dir = tmp_path / "killed"
    flags = [f"--dataset={dataset.path}", f"--run_dir={run_dir}", "--folds=3", *_SMALL]
    process = Process("trainer.cross_validate", *flags, "--parallel=2", log=tmp_path / "log")
    process.kill_at(run_dir, "runs/*/checkpoints/ckpt-*/state.json")
    assert not (run_dir / "cross_validation.json").exists()
    assert _run(dataset, run_dir) == 0
    found, expected = (
        json.loads((folder / "cross_validation.json").read_text()) for folder in (run_dir, study)
    )
    assert found["metrics"] == pytest.approx(expected["metrics"])
    assert found["confusion"] == expected["confusion"]
    assert [run["metrics"] for run in found["runs"]] == [r["metrics"] for r in expected["runs"]]
