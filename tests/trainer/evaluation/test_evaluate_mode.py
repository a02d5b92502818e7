"""`--mode=evaluate` on datasets that the model did not learn from."""

import dataclasses
import json
import re

import numpy as np
import pytest

from tests.datasets import (
    CLASS_PER_RECORD,
    VALUE_PER_RECORD,
    random_records,
    toy_dataset,
    write_dataset,
)
from tests.trainer.in_process import run_trainer
from trainer.compare import main as compare

_MODEL = ("--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=1")
_TRAINING = ("--epochs=1", "--learning_rate=0.1", "--noreport", "--notensorboard")


_each_kind = pytest.mark.parametrize(
    "learnt", [CLASS_PER_RECORD, VALUE_PER_RECORD], ids=lambda label: label.kind, indirect=True
)


@pytest.fixture(scope="module", params=[CLASS_PER_RECORD], ids=lambda label: label.kind)
def learnt(request, tmp_path_factory):
    """Folder with a run, its dataset and the records of that by split."""
    folder = tmp_path_factory.mktemp("learnt")
    dataset, splits = toy_dataset(
        folder, label=request.param, sizes={"train": 8, "validation": 3, "test": 5}
    )
    places = [f"--dataset={dataset.path}", f"--run_dir={folder}/run"]
    assert run_trainer(*places, *_MODEL, *_TRAINING, "--normalization=training_split") == 0
    return folder, dataset.schema, splits


def _evaluated(learnt, name, splits, *flags, place="."):
    """What is measured on a dataset of these splits, and what was measured in training."""
    folder, schema, _ = learnt
    run, other = folder / "run", write_dataset(folder / place, splits, schema, name=name)
    before = _own_files(run)
    given = [f"--run_dir={run}", f"--dataset={other.path}", *flags]
    assert run_trainer("--mode=evaluate", *given) == 0
    assert _own_files(run) == before  # Nothing of another dataset replaces what is of the own.
    found = json.loads((run / f"evaluation-{_stem(other)}-test.json").read_text())
    assert found["dataset_fingerprint"] == other.manifest.fingerprint
    with np.load(run / f"predictions-{_stem(other)}-test.npz") as stored:
        assert len(stored["record"]) == len(splits["test"])
    return found, json.loads(before["evaluation-test.json"])


def _stem(other):
    return f"{other.manifest.name}-1.0.0-{other.manifest.fingerprint[:8]}"


def _own_files(run):
    names = ("report.html", "evaluation-test.json", "predictions-test.npz")
    return {name: (run / name).read_bytes() for name in names if (run / name).exists()}


def _page(run, name):
    (path,) = run.glob(f"report-{name}-1.0.0-*.html")
    return path.read_text()


@_each_kind
def test_another_dataset_is_normalized_as_the_one_that_was_learnt_from(learnt):
    splits = dict(learnt[-1])
    splits["train"] = [
        dataclasses.replace(record, data=(record.data * 10 + 5).astype(np.float32))
        for record in splits["train"]
    ]
    found, before = _evaluated(learnt, "scaled", splits, "--noreport")
    assert found["metrics"] == before["metrics"]


@_each_kind
def test_a_test_split_alone_is_measured_without_a_baseline(learnt, capsys):
    folder, _, splits = learnt
    found, before = _evaluated(learnt, "alone", {"test": splits["test"]}, "--report")
    assert found["metrics"] == before["metrics"]
    assert found["baselines"] == []
    assert re.search(r"test of alone-1.0.0-[0-9a-f]{8}: 5 records", capsys.readouterr().out)
    page = _page(folder / "run", "alone")
    assert "RMSE of" not in page
    assert "mean predictor" not in page


def test_a_training_split_that_suits_no_batch_costs_the_baseline_alone(learnt, capsys):
    _, schema, splits = learnt
    longer = random_records([40], schema, prefix="longer")
    found, before = _evaluated(
        learnt, "longer", {**splits, "train": longer}, "--noreport", "--batch_steps=39"
    )
    assert found["metrics"] == before["metrics"]
    assert found["baselines"] == []
    out = capsys.readouterr().out
    assert "no baseline of split 'train': split 'train' of" in out
    assert "batch_steps is 39, but the longest record has 40" in out


def test_weights_of_no_epoch_yet_are_missed_by_name(learnt, capsys):
    folder, _, _ = learnt
    best, aside = folder / "run" / "best", folder / "aside"
    evaluate = ("--mode=evaluate", f"--run_dir={folder}/run", "--noreport")
    best.rename(aside)
    try:
        assert run_trainer(*evaluate) == 1
        message = capsys.readouterr().err
        last = ("--evaluate_with=last", "--test_split=validation", "--reduce_lr_patience=1")
        assert run_trainer(*evaluate, *last) == 0
        assert "the training was validated on validation and" in capsys.readouterr().out
    finally:
        aside.rename(best)
    assert "run has no best weights, which are kept at the end of an epoch" in message


@pytest.mark.parametrize("missing", ["validation", "test", "both"])
def test_a_split_without_a_name_is_not_measured(learnt, missing, capsys):
    folder, _, _ = learnt
    flags = [f"--{name}_split=" for name in ("validation", "test") if missing in (name, "both")]
    run = ("--mode=evaluate", f"--run_dir={folder}/run", "--noreport", *flags)
    assert run_trainer(*run) == 0
    out = capsys.readouterr().out
    assert ("\nvalidation: " in f"\n{out}") == (missing == "test")
    assert ("\ntest: " in f"\n{out}") == (missing == "validation")
    assert ("neither" in out) == (missing == "both")


def test_a_dataset_with_none_of_the_splits_is_refused(learnt, capsys):
    folder, schema, splits = learnt
    other = write_dataset(folder, {"extra": splits["test"]}, schema, name="none")
    assert run_trainer("--mode=evaluate", f"--run_dir={folder}/run", f"--dataset={other.path}") == 1
    assert "no split 'train', it has extra" in capsys.readouterr().err


def test_a_dataset_with_fewer_classes_is_refused_with_the_names_to_convert_it_with(learnt, capsys):
    folder, schema, splits = learnt
    label = dataclasses.replace(schema.label, class_names=schema.label.class_names[:1])
    records = [dataclasses.replace(record, label=np.int64(0)) for record in splits["test"]]
    fewer = dataclasses.replace(schema, label=label)
    other = write_dataset(folder, {"test": records}, fewer, name="fewer")
    assert run_trainer("--mode=evaluate", f"--run_dir={folder}/run", f"--dataset={other.path}") == 1
    assert "Convert it with --class_names=rest,move,fall, or give" in capsys.readouterr().err


def test_records_that_were_trained_on_are_told_whatever_they_are_called(learnt, capsys):
    folder, _, splits = learnt
    copies = [
        dataclasses.replace(record, id=f"copy{i}", group=f"other{i}")
        for i, record in enumerate(splits["train"][:2])
    ]
    found, before = _evaluated(learnt, "copies", {"test": [*splits["test"], *copies]}, "--report")
    said = "trained on 2 of 7 records of these"
    assert before["trained_on"] == {}
    assert found["trained_on"] == {"groups": 0, "records": 2, "of_groups": 5, "of_records": 7}
    assert said in " ".join(capsys.readouterr().out.split())
    page = _page(folder / "run", "copies")
    assert "Do not trust the figures of test" in page
    assert said in page


def test_other_records_of_groups_that_were_trained_on_are_told(learnt, capsys):
    _, schema, splits = learnt
    group = splits["train"][0].group
    more = [dataclasses.replace(r, group=group) for r in random_records([3, 4], schema, seed=9)]
    found, _ = _evaluated(learnt, "same", {"test": [*splits["test"], *more]}, "--noreport")
    assert (found["trained_on"]["groups"], found["trained_on"]["records"]) == (1, 0)
    assert "trained on 1 of 4 groups of these" in " ".join(capsys.readouterr().out.split())


def test_figures_on_two_datasets_of_one_name_stand_beside_those_of_the_own(learnt, capsys):
    folder, schema, _ = learnt
    run, found = folder / "run", []
    for number, place in enumerate(("one", "two")):
        test = random_records([3, 4, 5, 6, 7], schema, seed=number, prefix="new")
        _evaluated(learnt, "same", {"test": test}, "--report", place=place)
        found.append(capsys.readouterr().out)
    stems = sorted(path.stem.removeprefix("report-") for path in run.glob("report-same-*"))
    assert len(stems) == 2
    assert all(f"test of {stem}: 5 records" in "".join(found) for stem in stems)
    assert "Another dataset than the run was trained on, which is toy 1.0.0." in _text(
        run / f"report-{stems[0]}.html"
    )
    assert run_trainer("--mode=evaluate", f"--run_dir={run}", "--report") == 0
    own = _text(run / "report.html")
    assert "Another dataset" not in own
    for stem in stems:
        value = json.loads((run / f"evaluation-{stem}-test.json").read_text())["metrics"]
        assert f"{stem} test accuracy {value['accuracy']:.3f} report-{stem}.html" in own
    capsys.readouterr()
    assert compare([str(run), str(run), f"--dataset={folder}/two/same/1.0.0", "--page=none"]) == 0
    assert "new-group2" in capsys.readouterr().out
    assert compare([str(run), str(run), "--page=none"]) == 0
    assert "test--group2" in capsys.readouterr().out


def _text(path):
    return " ".join(re.sub(r"<[^>]+>|\s+", " ", path.read_text()).split())
