"""Predictions of a split and of a folder that was never converted."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline.console.errors import UsageError
from pipeline.conversion.convert import main as convert
from tests.repository import REPOSITORY
from tests.trainer.in_process import train
from tests.trainer.restored import restore, run_inference
from tfrecords_schema import DatasetError, open_dataset
from trainer.runs.checkpoints import CheckpointError
from trainer.runs.run_folder import LearntFrom

_WINDOW = 12


def _write_recordings(folder, *, per):
    rng = np.random.default_rng(0)
    for number in range(16):
        steps = int(rng.integers(1, 9))
        # A rest of a window at the end, which the conversion drops.
        signal = rng.normal(size=steps * _WINDOW + 5)
        label = rng.integers(0, 3, steps) if per == "step" else np.array("abc"[number % 3])
        path = folder / f"subject_{number // 2}" / f"r{number}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, signal=signal, label=label)


@pytest.fixture(scope="module", params=["record", "step"])
def trained(request, tmp_path_factory):
    """Recordings, their dataset and a run folder: `folder/{recordings,datasets,run}`."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "recordings").mkdir()
    _write_recordings(folder / "recordings", per=request.param)
    flags = ["--source=signals", f"--window_samples={_WINDOW}", r"--group_regex=subject_\d+"]
    places = [f"--input_dir={folder / 'recordings'}", f"--output_dir={folder / 'datasets'}"]
    splits = "--splits=train=5,validation=1,test=rest"
    assert (
        convert([*flags, *places, "--name=toy", splits, f"--label_kind={request.param}_class"]) == 0
    )
    train(str(folder / "datasets/toy/1.0.0"), folder / "run", "--epochs=1")
    return folder


def _table(path):
    return pq.read_table(path).to_pydict()


def test_a_folder_is_predicted_like_the_split_it_was_converted_to(trained, tmp_path, capsys):
    dataset = open_dataset(str(trained / "datasets/toy/1.0.0"))
    run_inference(
        str(trained / "run"),
        mode="predict",
        predict_split="train",
        output=tmp_path / "split.parquet",
    )
    assert "trained on 10 of 10 records and 5 of 5 groups" in capsys.readouterr().out
    run_inference(
        str(trained / "run"), mode="predict", input_dir=trained / "recordings",
        output=tmp_path / "folder.parquet",
    )  # fmt: skip
    assert "trained on 10 of 16 records and 5 of 8 groups" in capsys.readouterr().out
    split, folder = _table(tmp_path / "split.parquet"), _table(tmp_path / "folder.parquet")
    assert split["id"] == dataset.split("train").ids()
    assert split["steps"] == dataset.split("train").steps.tolist()
    assert split["source"] == dataset.split("train").sources()
    assert len(folder["id"]) == 16
    assert folder["id"] == sorted(folder["id"])
    at = [folder["id"].index(name) for name in split["id"]]
    for name, values in split.items():
        found = [folder[name][i] for i in at]
        if isinstance(values[0], float):
            np.testing.assert_allclose(found, values, atol=1e-6, err_msg=name)
        else:
            assert found == values, name


def test_probabilities_are_those_of_the_evaluation(trained, tmp_path, capsys):
    run_inference(str(trained / "run"), mode="predict", output=tmp_path / "p.parquet")
    assert "WARNING" not in capsys.readouterr().out  # Nothing of the test split was trained on.
    found = _table(tmp_path / "p.parquet")
    with np.load(trained / "run" / "predictions-test.npz") as stored:
        expected, lengths = stored["prediction"], stored["lengths"]
    if (tmp_path / "p.npz").exists():
        with np.load(tmp_path / "p.npz", allow_pickle=False) as steps:
            np.testing.assert_allclose(steps["output"], expected, atol=1e-6)
            assert steps["lengths"].tolist() == lengths.tolist() == found["steps"]
            assert steps["id"].tolist() == found["id"]
        shares = np.stack([found[f"share_{name}"] for name in "012"], -1)
        parts = np.split(expected.argmax(-1), np.cumsum(lengths)[:-1])
        counted = [[np.mean(part == index) for index in range(3)] for part in parts]
        np.testing.assert_allclose(shares, counted, atol=1e-6)
        return
    given = np.stack([found[f"probability_{name}"] for name in "abc"], -1)
    np.testing.assert_allclose(given, expected, atol=1e-6)
    np.testing.assert_allclose(given.sum(-1), 1, atol=1e-6)
    assert found["prediction"] == ["abc"[i] for i in expected.argmax(-1)]


def test_a_csv_says_what_the_parquet_says(trained, tmp_path):
    for suffix in ("parquet", "csv"):
        run_inference(str(trained / "run"), mode="predict", output=tmp_path / f"p.{suffix}")
    # Class names such as "0" are texts in Parquet and read as numbers from CSV.
    expected = _table(tmp_path / "p.parquet")
    found = pyarrow.csv.read_csv(tmp_path / "p.csv").to_pydict()
    assert list(found) == list(expected)
    for name, values in expected.items():
        if isinstance(values[0], float):
            np.testing.assert_allclose(np.float32(found[name]), np.float32(values), rtol=1e-7)
        else:
            assert [str(value) for value in found[name]] == [str(value) for value in values]


def test_recordings_are_drawn_where_that_is_asked_for(trained, tmp_path, capsys):
    run_inference(
        str(trained / "run"), mode="predict", input_dir=trained / "recordings",
        output=tmp_path / "p.csv", draw=2, paper="svg",
    )  # fmt: skip
    assert f"page: {tmp_path / 'p-pictures.html'}, as files in" in capsys.readouterr().out
    page = (tmp_path / "p-pictures.html").read_text()
    found = pyarrow.csv.read_csv(tmp_path / "p.csv").to_pydict()
    first = sorted(found["source"])[:2]
    drawn = re.findall(r"<figcaption><b>([^<]*)</b>", page)
    assert drawn == [found["id"][found["source"].index(path)] for path in first]
    assert page.count("<img") == 2 == len([*(tmp_path / "p-pictures_paper/figures").iterdir()])
    assert "And 14 more" in page
    assert "the model was trained on" in page.lower()
    table = (tmp_path / "p-pictures_paper/tables/predicted-classes.csv").read_text()
    counts = [int(row.split(",")[1]) for row in table.splitlines()[1:]]
    is_per_step = "At each step" in page or "at each step" in page
    assert sum(counts) == (sum(found["steps"]) if is_per_step else 16)


def test_unusable_recordings_are_reported_and_the_others_predicted(trained, tmp_path, capsys):
    folder = tmp_path / "new"
    folder.mkdir()
    rng = np.random.default_rng(5)
    np.savez(folder / "good.npz", signal=rng.normal(size=3 * _WINDOW))  # no label
    np.savez(folder / "int.npz", signal=np.arange(40))
    np.savez(folder / "nan.npz", signal=np.full(40, np.nan))
    np.savez(folder / "short.npz", signal=np.zeros(5))
    (folder / "broken.npz").write_bytes(b"no zip file")
    run_inference(
        str(trained / "run"), mode="predict", input_dir=folder, output=tmp_path / "p.parquet"
    )
    found, printed = _table(tmp_path / "p.parquet"), capsys.readouterr().out
    assert (found["id"], found["steps"]) == (["good"], [3])
    for name, reason in (
        ("broken", "not a whole npz"), ("int", "int64"), ("nan", "NaN"), ("short", "shorter"),
    ):  # fmt: skip
        assert any(f"{name}.npz" in line and reason in line for line in printed.splitlines()), name
    (folder / "good.npz").unlink()
    with pytest.raises(DatasetError, match="all 4 inputs were left out"):
        run_inference(str(trained / "run"), mode="predict", input_dir=folder)


@pytest.mark.parametrize("trained", ["record"], indirect=True)
def test_the_command_needs_no_dataset_no_flagfile_and_no_beam(trained, tmp_path):
    run_dir = tmp_path / "copied"
    shutil.copytree(trained / "run", run_dir)
    flags = (run_dir / "config.flags").read_text().replace(str(trained / "datasets"), "/gone")
    (run_dir / "config.flags").write_text(flags)
    code = (
        "import sys, runpy\n"
        "sys.argv = ['trainer', *sys.argv[1:]]\n"
        "try: runpy.run_module('trainer', run_name='__main__', alter_sys=True)\n"
        "finally: assert 'apache_beam' not in sys.modules\n"
    )
    flags = ["--mode=predict", f"--run_dir={run_dir}", f"--input_dir={trained / 'recordings'}"]
    result = subprocess.run(
        [sys.executable, "-c", code, *flags], cwd=REPOSITORY, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stderr
    assert "predictions of 16 records" in result.stdout
    assert len(_table(run_dir / "predictions.parquet")["id"]) == 16


@pytest.mark.parametrize("trained", ["record"], indirect=True)
def test_what_was_learnt_from_is_read_back_exactly(trained):
    dataset = open_dataset(str(trained / "datasets/toy/1.0.0"))
    found = LearntFrom.read(str(trained / "run"))
    assert found == LearntFrom.of(dataset)
    assert found.statistics == dataset.manifest.statistics


def test_a_model_is_restored_from_its_best_checkpoint(trained):
    serving = restore(str(trained / "run"))
    (path,) = (trained / "run" / "best").glob("model-*.npz")
    with np.load(path) as stored:
        for variable, name in zip(serving.model.variables, stored.files, strict=True):
            np.testing.assert_array_equal(variable.numpy(), stored[name])


@pytest.mark.parametrize("trained", ["step"], indirect=True)
def test_no_file_of_predictions_takes_the_place_of_an_input(trained, tmp_path):
    recordings = shutil.copytree(trained / "recordings", tmp_path / "new")
    link = tmp_path / "link"
    link.symlink_to(recordings)
    before = {path: path.read_bytes() for path in recordings.rglob("*.npz")}
    for output in (f"{recordings}/subject_0/r1.csv", f"{link}/subject_0/r1.parquet"):
        with pytest.raises(UsageError, match=r"subject_0/r1\.npz, which is one of the inputs"):
            run_inference(str(trained / "run"), mode="predict", input_dir=recordings, output=output)
    assert {path: path.read_bytes() for path in recordings.rglob("*.*")} == before
    dataset = trained / "datasets/toy/1.0.0"
    with pytest.raises(UsageError, match=r"index\.parquet, which is one of the inputs or within"):
        run_inference(str(trained / "run"), mode="predict", output=dataset / "index.parquet")


@pytest.mark.parametrize("trained", ["record"], indirect=True)
def test_what_cannot_be_predicted_is_said(trained, tmp_path):
    run_dir = str(trained / "run")
    with pytest.raises(CheckpointError, match="no run folder of a training"):
        run_inference(str(tmp_path), mode="predict")
    with pytest.raises(DatasetError, match=r"has no split 'tst'.*did you mean 'test'"):
        run_inference(run_dir, mode="predict", predict_split="tst")
    with pytest.raises(DatasetError, match="no npz file under --input_dir"):
        run_inference(run_dir, mode="predict", input_dir=tmp_path)
    with pytest.raises(ValueError, match=r"expected a name in \.parquet or \.csv"):
        run_inference(run_dir, mode="predict", output="p.txt")
    with pytest.raises(ValueError, match="not both"):
        run_inference(run_dir, mode="predict", input_dir=tmp_path, predict_split="test")


def test_the_schema_file_names_the_data(trained):
    value = json.loads((trained / "run" / "schema.json").read_text())
    dataset = open_dataset(str(trained / "datasets/toy/1.0.0"))
    assert value["fingerprint"] == dataset.manifest.fingerprint
    assert value["options"]["window_samples"] == _WINDOW
