"""The report: what it reads, what it says, and that it needs nothing but itself."""

import collections
import functools
import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    VALUE_PER_RECORD,
    VALUE_PER_STEP,
    VALUE_SEQUENCE,
    Record,
    random_records,
    toy_dataset,
    write_dataset,
)
from tests.trainer.run_folders import write_run, write_training
from tfrecords_schema import InputSpec, RecordSchema
from trainer.evaluation.predictions import Predictions
from trainer.report import prediction_pictures, report
from trainer.report.report import write_report
from trainer.report.report_data import RunFiles

LABELS = [CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_RECORD, VALUE_PER_STEP, VALUE_SEQUENCE]


def _page(tmp_path, label=CLASS_PER_RECORD, **options):
    dataset, splits = toy_dataset(tmp_path / "data", label=label, **options)
    write_run(tmp_path / "run", dataset, splits)
    path = write_report(str(tmp_path / "run"), dataset)
    assert path == str(tmp_path / "run" / "report.html")
    return (tmp_path / "run" / "report.html").read_text(), dataset


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    """The page and the dataset of a kind of label, to be read only."""
    return functools.cache(lambda label: _page(tmp_path_factory.mktemp("of"), label))


@pytest.mark.parametrize("label", LABELS, ids=lambda label: f"{label.per}-{label.kind}")
def test_report_shows_figures_beside_the_baseline_for_every_kind_of_label(page_of, label):
    page, dataset = page_of(label)
    assert "0.750" in page
    assert "the baseline: 0.125" in page
    assert "2,832,002 parameters, 2,830,978 trainable" in page
    assert "6.2% of the steps are padding" in page
    assert "--dropout=0.4" in page
    assert dataset.manifest.fingerprint in page


def test_report_shows_intervals_classes_and_groups_the_worst_first(page_of):
    page, _ = page_of(CLASS_PER_RECORD)
    text = re.sub(r"<[^>]+>|\s+", " ", page)
    assert re.search(r"accuracy +0\.750 +0\.688 to 0\.812 +0\.125", text)
    assert re.search(r"move +0\.875 +0\.500 +0\.625 +1,234", text)
    assert re.search(r"the worst +1 +0\.250 .* subject &lt;1&gt; +\d+ +0\.750", text)


def test_lengths_are_those_that_batches_were_planned_by(tmp_path, monkeypatch):
    """Of the labels, where every input is a single step; whatever the run predicts."""
    drawn = []
    monkeypatch.setattr(report, "lengths_picture", lambda *given: drawn.append(given[0]) or "data:")
    schema = RecordSchema(InputSpec("signal", "float32", (4,)), VALUE_SEQUENCE)
    records = random_records([1] * 9, schema)
    dataset = write_dataset(tmp_path / "data", {"train": records}, schema)
    (tmp_path / "run").mkdir()
    write_training(tmp_path / "run", "rmse")
    write_report(str(tmp_path / "run"), dataset, VALUE_PER_STEP)
    steps = [len(record.label) for record in records]
    assert drawn[0].histogram == dict(sorted(collections.Counter(steps).items()))
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Lengths of the train split, in steps of the label" in page
    assert f"{1 - sum(steps) / (max(steps) * 9):.1%} if padded to the longest" in page


def test_the_report_says_which_batches_hold_one_bucket(page_of):
    text = " ".join(page_of(CLASS_PER_RECORD)[0].split())
    assert "Full batches hold recordings of one length bucket; what those leave over is" in text
    assert "Padded to 4, 12 steps (dashed lines), 6.2% of the steps are padding" in text


def test_groups_with_the_greatest_error_come_first(page_of):
    page, _ = page_of(VALUE_PER_RECORD)
    assert page.index("<td>the worst</td>") < page.index("<td>subject &lt;1&gt;</td>")


@pytest.mark.parametrize("label", LABELS, ids=lambda label: f"{label.per}-{label.kind}")
def test_report_needs_nothing_but_itself(page_of, label):
    page, _ = page_of(label)
    sources = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', page)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r"url\(|@import|<script", page)


def test_names_from_the_data_are_escaped(page_of):
    page, _ = page_of(CLASS_PER_RECORD)
    assert "subject &lt;1&gt;" in page
    assert "subject <1>" not in page


def test_confusion_counts_and_mistakes_are_in_the_page(page_of):
    page, dataset = page_of(CLASS_PER_RECORD)
    table = page[page.index('<table class="confusion">') :]
    counts = re.findall(r"<td[^>]*>(\d*)</td>", table[: table.index("</table>")])
    assert counts == ["7", "", "", "1", "8", "", "", "", "9"]
    predictions = Predictions.read(str(pathlib.Path(dataset.path).parents[2] / "run"), "test")
    wrong = predictions.prediction.argmax(-1) != predictions.label
    ids = np.array(dataset.split("test").ids())[predictions.record]
    mistakes = page[page.index("Wrong, the surest first") :]
    assert [name for name in ids if f"<td>{name}</td>" in mistakes] == list(ids[wrong])


def test_an_evaluation_of_another_dataset_is_not_in_the_report_of_this_one(tmp_path):
    _, dataset = _page(tmp_path)
    path = tmp_path / "run" / "evaluation-test.json"
    evaluation = json.loads(path.read_text())
    assert evaluation.pop("dataset_fingerprint") == dataset.manifest.fingerprint
    path.write_text(json.dumps({**evaluation, "dataset_fingerprint": "of another"}))
    write_report(str(tmp_path / "run"), dataset)
    assert "Not evaluated yet" in (tmp_path / "run" / "report.html").read_text()


def test_a_run_that_was_not_evaluated_still_has_a_report(tmp_path):
    dataset, _ = toy_dataset(tmp_path / "data")
    (tmp_path / "run").mkdir()
    write_training(tmp_path / "run", "accuracy")
    write_report(str(tmp_path / "run"), dataset)
    assert "Not evaluated yet" in (tmp_path / "run" / "report.html").read_text()


def test_epochs_that_do_not_say_how_long_they_took_are_in_the_report(tmp_path):
    dataset, splits = toy_dataset(tmp_path / "data", label=CLASS_PER_RECORD)
    write_run(tmp_path / "run", dataset, splits)
    path = tmp_path / "run" / "metrics.jsonl"
    names = ("epoch", "train")
    lines = [{name: json.loads(line)[name] for name in names} for line in path.open()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "run" / "plan.json").write_text('{"batch_size": 3}')
    write_report(str(tmp_path / "run"), dataset)
    assert "0 s of training" in (tmp_path / "run" / "report.html").read_text()


def test_an_empty_run_folder_still_has_a_report(tmp_path):
    dataset, _ = toy_dataset(tmp_path / "data")
    (tmp_path / "run").mkdir()
    write_report(str(tmp_path / "run"), dataset)
    assert dataset.manifest.fingerprint in (tmp_path / "run" / "report.html").read_text()


def test_test_split_comes_first_whatever_its_name(tmp_path):
    run_dir = tmp_path / "[run]"
    run_dir.mkdir()
    for split in ("a", "b", "z"):
        (run_dir / f"evaluation-{split}.json").write_text(json.dumps({"split": split}))
    (run_dir / "config.flags").write_text("--test_split=z\n")
    assert list(RunFiles.read(str(run_dir)).evaluations) == ["z", "a", "b"]


def test_frames_are_drawn_with_the_true_and_the_predicted_vector(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        prediction_pictures, "draw_arrows", lambda axes, *given: drawn.append(given)
    )
    png = tf.io.encode_png(np.zeros((6, 8, 3), np.uint8)).numpy()
    schema = RecordSchema(InputSpec("frames", "uint8", (6, 8, 3)), VALUE_PER_RECORD)
    labels = np.float32([[1, 0], [0, 2]])
    records = [Record(f"r{i}", [png] * (1 + i), label, "g") for i, label in enumerate(labels)]
    dataset = write_dataset(tmp_path / "data", {"test": records}, schema)
    write_run(tmp_path / "run", dataset, {"test": records})
    write_report(str(tmp_path / "run"), dataset)
    predictions = Predictions.read(str(tmp_path / "run"), "test").prediction
    for i, (vectors, frame_size) in enumerate(drawn):
        np.testing.assert_array_equal(vectors["true"], labels[i])
        np.testing.assert_array_equal(vectors["predicted"], predictions[i])
        assert frame_size == (6, 8)
    assert len(drawn) == 2


def test_what_was_said_and_left_out_is_in_the_page_and_of_many_the_number_of_the_others(tmp_path):
    dataset, splits = toy_dataset(tmp_path / "data", label=CLASS_PER_RECORD)
    run = tmp_path / "run"
    write_run(run, dataset, splits)
    rows = [
        {"what": "file", "reason": f"why {i}", "count": 1000 - i, "example": f"<{i}>"}
        for i in range(40)
    ]
    rows.append({"what": "", "reason": "of the set", "count": 0, "example": ""})
    (run / "left_out.json").write_text(json.dumps({"left_out": rows}))
    (run / "worth_a_look.json").write_text(json.dumps({"worth_a_look": ["too <few>"]}))
    page = pathlib.Path(write_report(str(run), dataset)).read_text()
    text = " ".join(re.sub(r"<[^>]+>|\s+", " ", page).split())
    assert "Worth a look at the start too &lt;few&gt;" in text
    assert "Left out or changed count what why such as 1,000 file why 0 &lt;0&gt; 999 file" in text
    assert "And 11 more reasons, the others are in left_out.json" in text
    other = pathlib.Path(write_report(str(run), dataset, other_data="x")).read_text()
    assert "Worth a look" not in other
    assert "Left out or changed" not in other
