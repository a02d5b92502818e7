"""A run in words: every number is from its files, and what they do not say is not said."""

import json
import re

import numpy as np
import pytest

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, toy_dataset
from tests.trainer.run_folders import write_run
from tests.trainer.studies.random_runs import random_runs
from tfrecords_schema.left_out import LeftOut
from trainer.report.methods import run_methods, write_methods
from trainer.report.report_data import RunFiles
from trainer.studies.pooled import summarize
from trainer.studies.study_methods import study_methods

_FLAGS = {
    "mode": "train", "model": "hydra", "dilations": 5, "kernel_groups": 9, "normalization": "both",
    "train_split": "train", "validation_split": "validation", "test_split": "test",
    "optimizer": "adam", "learning_rate": 0.0125, "momentum": 0.9, "accumulate_batches": 4,
    "noise": 0.75, "seed": 17, "precision": "float32",
}  # fmt: skip


def _of_run(run, dataset):
    evaluations = [*run.evaluated_on(dataset.manifest.fingerprint).values()]
    return run_methods(run, dataset, evaluations)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder as `python -m trainer` leaves it, with its dataset."""
    folder = tmp_path_factory.mktemp("methods")
    dataset, splits = toy_dataset(folder / "data", label=CLASS_PER_RECORD)
    dataset.manifest.options.update(sample_rate_hz=50.0, group_regex=r"g\d", splits="train=20")
    write_run(folder / "run", dataset, splits)
    _flags(folder / "run")
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    steps = [{**line, "step": 10 * (1 + line["epoch"])} for line in lines]
    text = "".join(json.dumps(line) + "\n" for line in steps)
    (folder / "run" / "metrics.jsonl").write_text(text)
    plan = {"batch_size": 32, "batch_steps": None, "padding_share": 0.0625, "boundaries": [4]}
    (folder / "run" / "plan.json").write_text(json.dumps(plan))
    return folder / "run", dataset


def _flags(run_dir, **changed):
    lines = (f"--{name}={value}\n" for name, value in {**_FLAGS, **changed}.items())
    (run_dir / "config.flags").write_text("".join(lines))


def _methods(run):
    run_dir, dataset = run
    return _of_run(RunFiles.read(str(run_dir)), dataset)


def test_every_part_of_a_run_is_said(run):
    found = _methods(run)
    assert [*found] == ["Data", "Model", "Training", "Figures", "Software"]
    manifest = run[1].manifest
    for text in (
        f"toy 1.0.0 (SHA-256 {manifest.fingerprint}) has 32 recordings, signal float32 [time, 3]",
        "one of 3 classes per record. Classes: rest, move, fall.",
        "A step takes 0.02 s, at 50 Hz.",
        "train 20 recordings of 10 groups", "validation 7 recordings of 4 groups",
        "no group is in two splits", "Divided with group_regex g\\d, splits train=20.",
        "No input was rejected.",
    ):  # fmt: skip
        assert text in found["Data"], text
    assert "hydra: Random convolutions and a ridge" in found["Model"]
    assert "dilations 5, kernel_groups 9, normalization both" in found["Model"]
    assert "2,832,002 parameters, 2,830,978 of them trained by gradients" in found["Model"]
    # Three epochs of ten batches; four make an update, and the end of an epoch makes one.
    assert "3 epochs and 9 updates on split train. A batch has at most 32" in found["Training"]
    for text in ("padding 6.2%", "learning_rate 0.0125", "Augmentation: noise 0.75.", "seed 17"):
        assert text in found["Training"], text
    assert "momentum" not in found["Training"]  # Which adam does not read.
    assert "accuracy 0.750 (0.688 to 0.812)" in found["Figures"]
    assert "over 1,000 resamples of the groups with replacement" in found["Figures"]
    assert (
        "Mean (standard deviation) over the groups, each counted once: accuracy 0.500 (0.354)."
        in (found["Figures"])
    )
    assert "Without a model, the baseline: accuracy 0.125." in found["Figures"]
    assert "keras 3.x" in found["Software"]


def test_what_the_files_do_not_say_is_not_said(run, tmp_path):
    found = _of_run(RunFiles.read(str(tmp_path)), run[1])
    assert [*found] == ["Data"]
    (tmp_path / "config.flags").write_text("--dropout=0.4\n--train_split=train\n")
    found = _of_run(RunFiles.read(str(tmp_path)), run[1])
    assert [*found] == ["Data"]


def test_a_model_that_no_gradient_trains_has_no_updates(run):
    found = RunFiles.read(str(run[0]))
    found.versions["trainable_parameters"] = 0
    text = _of_run(found, run[1])["Training"]
    assert "3 epochs on split train." in text
    assert "update" not in text.lower()
    assert "learning_rate" not in text


def test_exclusions_and_shared_groups_are_said(run, monkeypatch):
    run_dir, dataset = run
    monkeypatch.setitem(dataset.manifest.__dict__, "rejects", 3)
    rows = (LeftOut("sample", "less than a window of 50", 70, "a/r0.npz"),)
    monkeypatch.setitem(dataset.manifest.__dict__, "left_out", rows)
    found = RunFiles.read(str(run_dir))
    found.options["test_split"] = "other"
    text = _of_run(found, dataset)["Data"]
    for part in (
        "70 samples: less than a window of 50 (as a/r0.npz)", "3 inputs: rejected", "of split test",
    ):  # fmt: skip
        assert part in text
    shared = {split: dataset.split(split) for split in ("train", "validation", "test")}
    monkeypatch.setattr(type(dataset), "split", lambda self, _: shared["train"])
    assert "20 groups are in two splits" in _of_run(found, dataset)["Data"]


def test_numbers_of_a_study_are_those_of_its_files(run):
    run_dir, dataset = run
    label = CLASS_PER_STEP
    result = {
        "about": {
            "splits": "train, validation", "folds": "3", "repeats": 2, "seeds": "0,1",
            "validated on": "nothing",
        },
        **summarize(random_runs(label, seeds=(0, 1), repeats=2), label),
    }  # fmt: skip
    files = [RunFiles.read(str(run_dir)) for _ in range(2)]
    files[1].epochs.pop()
    files[1].options["normalization"] = "record"
    found = study_methods(result, files, dataset)
    assert [*found] == ["Data", "Division", "Model", "Training", "Figures", "Software"]
    for text in (
        "18 recordings of 6 groups (split train, validation) in 3 folds of whole groups, "
        "2 divisions, seeds 0,1: 12 runs, validated on nothing.",
        "Not divided and not used: test (5 recordings of 3 groups).",
    ):
        assert text in found["Division"], text
    assert "not the same in all are normalization (both or record)." in found["Model"]
    assert "Of each run: 2 to 3 epochs and 6 to 9 updates" in found["Training"]
    figures = found["Figures"]
    assert "averaged over 4 pairs of division and seed" in figures
    folds = result["spread"]["accuracy"]["folds"]
    assert f"mean {folds['mean']:.3f} and standard deviation {folds['deviation']:.3f}" in figures
    assert "{:.3f} to {:.3f} (Student's t".format(*folds["interval"]) in figures
    numbers = {*re.findall(r"-?\d\.\d{3}", figures)}
    known = {f"{value:.3f}" for value in _numbers(result)}
    per_group = [*result["groups"].values()]
    for name in result["metrics"]:
        values = [row[name] for row in per_group]
        known |= {f"{np.mean(values):.3f}", f"{np.std(values, ddof=1):.3f}"}
    assert numbers <= known


def _numbers(of):
    if isinstance(of, dict):
        of = list(of.values())
    if isinstance(of, list):
        return [number for one in of for number in _numbers(one)]
    return [of] if isinstance(of, float) else []


def test_the_text_file_has_a_line_for_each_paragraph(run, tmp_path):
    found = _methods(run)
    write_methods(str(tmp_path), {**found, "A name": "of a file \udcff"})
    lines = (tmp_path / "methods.txt").read_text().splitlines()
    assert lines[0::2][:-1] == [f"{title}. {text}" for title, text in found.items()]
    assert lines[-1] == "A name. of a file \\udcff"
