"""What belongs together is bound together: runs to datasets, evaluations to weights and data."""

import dataclasses
import hashlib
import json
import pathlib
import shutil

import pytest

from tests.datasets import toy_dataset
from tests.trainer.in_process import run_trainer, train
from tfrecords_schema.dataset import read_manifest
from tfrecords_schema.locks import Lock
from tfrecords_schema.manifest import sealed_json
from trainer.compare import main as compare
from trainer.cross_validate import main as cross_validate
from trainer.report.report_data import RunFiles
from trainer.runs import trained_on
from trainer.runs.identity import changed_options


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> pathlib.Path:
    made, _ = toy_dataset(tmp_path_factory.mktemp("data"), step_shape=(12, 2))
    return pathlib.Path(made.path)


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory) -> pathlib.Path:
    run_dir = tmp_path_factory.mktemp("trained") / "run"
    train(str(dataset), run_dir, "--epochs=1")
    return run_dir


@pytest.fixture
def run_dir(trained, tmp_path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def with_other_statistics(dataset, tmp_path) -> pathlib.Path:
    """The same records; whoever made the manifest fit measured something else."""
    path = pathlib.Path(shutil.copytree(dataset, tmp_path / "resealed" / "1.0.0"))
    manifest = read_manifest(str(path))
    other = dataclasses.replace(manifest.statistics, mean=(5.0, 5.0))
    changed = dataclasses.replace(manifest, statistics=other)
    assert changed.fingerprint == manifest.fingerprint
    (path / "manifest.json").write_text(changed.to_json())
    return path


_MORE = ("--epochs=2", "--allow_changed=epochs")


def _resume(dataset, run_dir, *flags) -> int:
    recorded = (run_dir / "config.flags").read_text().splitlines()
    skipped = ("--epochs", "--run_dir", "--dataset", "--allow_changed")
    kept = [line for line in recorded if not line.startswith(skipped)]
    return run_trainer(f"--dataset={dataset}", f"--run_dir={run_dir}", *kept, *flags)


def test_a_run_goes_on_with_its_own_dataset_alone(with_other_statistics, run_dir, capsys):
    assert _resume(with_other_statistics, run_dir, *_MORE) == 1
    said = capsys.readouterr().err
    assert "--dataset has other records, statistics or labels" in said


def _forget_seal(checkpoints):
    """Writes the options of all checkpoints as a version did that knew no seal."""
    (path,) = checkpoints.glob("options-*.json")
    options = json.loads(path.read_text())
    del options["dataset_seal"]
    content = json.dumps(options).encode()
    digest = hashlib.sha256(content).hexdigest()
    path.unlink()
    (checkpoints / f"options-{digest[:12]}.json").write_bytes(content)
    for path in checkpoints.glob("ckpt-*/state.json"):
        state = json.loads(path.read_text())
        path.write_text(sealed_json({**state, "identity": digest}))


def test_a_run_of_an_earlier_version_knows_no_seal_and_goes_on(dataset, run_dir):
    _forget_seal(run_dir / "checkpoints")
    assert _resume(dataset, run_dir, *_MORE) == 0
    assert changed_options({"dataset": "c"}, {"dataset": "a", "dataset_seal": "b"}) == ["dataset"]


def test_an_evaluation_of_other_statistics_has_files_of_its_own(with_other_statistics, run_dir):
    flags = (f"--run_dir={run_dir}", f"--dataset={with_other_statistics}")
    assert run_trainer("--mode=evaluate", *flags) == 0
    seal = read_manifest(str(with_other_statistics)).seal
    assert (run_dir / f"evaluation-toy-1.0.0-{seal[:8]}-test.json").is_file()


def test_an_evaluation_names_data_weights_and_predictions(dataset, run_dir):
    found = json.loads((run_dir / "evaluation-test.json").read_text())
    manifest = read_manifest(str(dataset))
    assert found["dataset_seal"] == manifest.seal
    run = RunFiles.read(str(run_dir))
    assert {*run.of_weights(found["weights"]).evaluations} == {"test", "validation"}
    assert not run.of_weights("others").evaluations
    assert {*run.of_weights("").evaluations} == {"test", "validation"}


def test_an_evaluation_under_another_name_is_left_aside(run_dir, capsys):
    content = json.loads((run_dir / "evaluation-test.json").read_text())
    other = {**content, "metrics": dict.fromkeys(content["metrics"], 1.0)}
    (run_dir / "evaluation-z.json").write_text(json.dumps(other))
    found = RunFiles.read(str(run_dir)).evaluations
    assert {*found} == {"test", "validation"}
    assert found["test"] == content
    assert "evaluation-z.json holds what belongs in evaluation-test.json" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["", "--model=auto\n"])
def test_a_run_that_does_not_say_which_model_was_trained_is_refused(line, run_dir, capsys):
    kept = (run_dir / "config.flags").read_text().splitlines(keepends=True)
    kept = [one for one in kept if not one.startswith("--model=")]
    (run_dir / "config.flags").write_text(line + "".join(kept))
    assert run_trainer("--mode=export", f"--run_dir={run_dir}") == 2
    assert "does not say which --model was trained" in capsys.readouterr().err


def test_predictions_of_another_evaluation_are_refused(run_dir, capsys):
    shutil.copy(run_dir / "predictions-validation.npz", run_dir / "predictions-test.npz")
    assert compare([str(run_dir), str(run_dir)]) == 1
    assert "predictions-test.npz is of another evaluation" in capsys.readouterr().err


def test_a_second_training_in_a_run_folder_is_refused_and_changes_nothing(dataset, run_dir, capsys):
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.is_file()}
    with Lock(str(run_dir), "training in it"):
        assert _resume(dataset, run_dir, *_MORE) == 1
    assert f"is training in {run_dir} since" in capsys.readouterr().err
    after = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*") if path.is_file()}
    assert before == after


def test_a_training_ends_when_a_shard_changes_under_it(dataset, tmp_path, monkeypatch, capsys):
    copied = pathlib.Path(shutil.copytree(dataset, tmp_path / "data" / "1.0.0"))
    shard = sorted(copied.glob("*train.tfrecord*"))[0]
    whole = trained_on.write

    def write(*given):
        whole(*given)
        content = shard.read_bytes()
        shard.unlink()
        shard.write_bytes(content[:-1] + b"\0")

    monkeypatch.setattr(trained_on, "write", write)
    monkeypatch.setattr("trainer.data.unchanged._EVERY_SECS", 0.0)
    run_dir = tmp_path / "run"
    flags = ("--noreport", "--notensorboard", "--model=hydra", "--kernel_groups=1", "--dilations=1")
    assert run_trainer(f"--dataset={copied}", f"--run_dir={run_dir}", *flags) == 1
    assert f"{shard} changed since this command began" in capsys.readouterr().err
    assert not [*run_dir.glob("checkpoints/*")]
    assert not [*run_dir.glob("lock-*")]


def test_a_folder_holds_one_kind_of_work(dataset, run_dir, tmp_path, capsys):
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.json").write_text("{}")
    given = f"--dataset={dataset}"

    def cross_validated(*given):
        return cross_validate([*given, "--folds=2"])

    for folder, what, command in (
        (dataset, "a dataset (manifest.json)", run_trainer),
        (study, "a study (study.json)", run_trainer),
        (run_dir, "a run (config.flags)", cross_validated),
        (dataset, "a dataset (manifest.json)", cross_validated),
    ):
        before = sorted(folder.rglob("*"))
        assert command(given, f"--run_dir={folder}") != 0
        said = capsys.readouterr().err
        assert said.endswith(f"error: {folder} is the folder of {what}; give another --run_dir\n")
        assert sorted(folder.rglob("*")) == before
