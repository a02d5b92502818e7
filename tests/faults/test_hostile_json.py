"""JSON files that are not what was written: every field of each, missing or of another type.

Whoever reads them gets the value or one error that names the file and the field.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.batches.channel_sums import ChannelSums
from pipeline.conversion.parts import Part, read_part
from pipeline.conversion.work_dir import WorkDir
from pipeline.sources.kinds.signals import SignalOptions
from pipeline.sources.source import Reject
from tests.changed_json import MISSING, OTHERS, changed, places
from tests.datasets import CLASS_PER_STEP, random_records, toy_dataset, write_dataset
from tfrecords_schema import InputSpec, RecordSchema, open_dataset, write_index
from tfrecords_schema.errors import UserError
from tfrecords_schema.files import hash_file
from tfrecords_schema.manifest import sealed_json
from trainer.data.raw_batches import RawFolder
from trainer.report.report_data import RunFiles
from trainer.runs.calibration import Calibration
from trainer.runs.checkpoints import TrainingState, load, save
from trainer.runs.run_folder import LearntFrom

_SCHEMA = RecordSchema(InputSpec("signal", "float32", (2,)), CLASS_PER_STEP)


@dataclasses.dataclass
class _File:
    """A file that was written, how to write it again, and how it is read."""

    name: str
    value: Any
    write: Callable[[str], object]
    read: Callable[[], object]


def _manifest(folder: pathlib.Path) -> _File:
    dataset = write_dataset(folder, {"train": random_records([2, 11, 3], _SCHEMA)}, _SCHEMA)
    path = pathlib.Path(dataset.path, "manifest.json")
    value = json.loads(path.read_text())

    def write(text: str) -> None:
        try:
            path.write_text(sealed_json(json.loads(text)))
        except (ValueError, TypeError, RecursionError):
            path.write_text(text)

    return _File(dataset.path, value, write, lambda: open_dataset(dataset.path))


def _learnt_from(folder: pathlib.Path) -> _File:
    dataset = write_dataset(folder, {"train": random_records([2, 3], _SCHEMA)}, _SCHEMA)
    value = json.loads(json.dumps(dataclasses.asdict(LearntFrom.of(dataset))))
    path = folder / "schema.json"
    return _File(path.name, value, path.write_text, lambda: LearntFrom.read(str(folder)))


def _part(folder: pathlib.Path) -> _File:
    part = Part("key", "train", 0, "file", rejects=[Reject("a.npz", "write", "why")])
    part.lengths[11] += 1
    part.channels = ChannelSums((1,), (0.5,), (0.1,), (0.0,), (1.0,))
    path = str(folder / "train-00000.parquet")
    return _File(
        "train-00000.parquet",
        json.loads(part.to_json()),
        lambda text: write_index(path, [], {"part": text}),
        lambda: read_part(path),
    )


def _state(folder: pathlib.Path) -> _File:
    state = TrainingState(sums={"loss": [0.5, 3.0]}, callbacks={"A": {"wait": 1}}, best=0.25)
    checkpoint = str(folder / "ckpt-7")
    save(checkpoint, state, {})
    path = folder / "ckpt-7" / "state.json"
    value = json.loads(path.read_text())
    del value["checksum"]
    return _File(str(folder), value, path.write_text, lambda: load(checkpoint, {}))


def _calibration(folder: pathlib.Path) -> _File:
    figures = {"nll": 0.5}
    found = Calibration(
        "0" * 64, {"calibrate": "temperature"}, "validation", "f", 7, 1.5, 0.5,
        figures, figures, {"f1": 0.5}, ["why"],
    )  # fmt: skip
    path, value = folder / "calibration.json", dataclasses.asdict(found)
    return _File(path.name, value, path.write_text, lambda: Calibration.read(str(folder)))


_FILES = {
    "state": _state,
    "manifest": _manifest,
    "learnt_from": _learnt_from,
    "part": _part,
    "calibration": _calibration,
}
_WHOLE = ["{}", "[]", "[1]", "null", '"x"', "3", "", "{", "[" * 200_000, '{"a":' * 200_000]


@pytest.mark.parametrize("make", _FILES.values(), ids=_FILES)
def test_any_other_field_is_read_or_refused_by_its_file_and_name(make, tmp_path):
    file = make(tmp_path)
    file.write(json.dumps(file.value))
    file.read()
    refused = 0
    for path in places(file.value):
        for other in [*OTHERS, MISSING]:
            file.write(json.dumps(changed(file.value, path, other)))
            if problem := _problem(file):
                refused += 1
                assert file.name in problem
                assert problem.isprintable()
                assert len(problem) < 1200
                named = [
                    *map(str, path),
                    "missing",
                    "checksum",
                    "shard",
                    "dtype",
                    "says",
                    "statistics",
                ]
                problem = problem.replace("format version", "format_version")
                assert any(name in problem for name in named), (path, other, problem)
    assert refused > 50


def _problem(file: _File) -> str:
    try:
        file.read()
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("make", _FILES.values(), ids=_FILES)
@pytest.mark.parametrize("content", _WHOLE, ids=lambda content: content[:9])
def test_another_whole_is_refused_by_its_file(make, content, tmp_path):
    file = make(tmp_path)
    file.write(content)
    with pytest.raises(UserError, match=file.name):
        file.read()


@pytest.mark.parametrize("make", _FILES.values(), ids=_FILES)
def test_a_field_too_many_is_named(make, tmp_path):
    file = make(tmp_path)
    file.write(json.dumps({**file.value, "surplus": 1}))
    with pytest.raises(UserError, match=rf"{file.name}.* got 'surplus', expected one of "):
        file.read()


_LOCKS = ['{"pid": 1}', '{"pid": "1", "host": "", "start": ""}']


@pytest.mark.parametrize("content", [*_WHOLE, *_LOCKS], ids=lambda content: content[:9])
def test_a_lock_and_an_outcome_of_anything_stop_no_conversion(content, tmp_path):
    folder = tmp_path / ".conversion"
    folder.mkdir()
    for name in ("lock-1.json", "outcome.json", "plan.json", "progress-1.json"):
        (folder / name).write_text(content)
    work_dir = WorkDir(str(tmp_path))
    work_dir.start(overwrite=False)
    assert not work_dir.is_committed
    assert not (folder / "lock-1.json").exists()
    (lock,) = folder.glob("lock-*.json")
    assert json.loads(lock.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("other", [{}, {"refusal": ""}, {"rejects": [{}], "total": 1, "why": ""}])
def test_an_outcome_that_lacks_anything_leaves_a_finished_dataset_one(other, tmp_path):
    dataset = toy_dataset(tmp_path)[0]
    work_dir = WorkDir(dataset.path)
    os.mkdir(work_dir.path)
    sha256 = hash_file(f"{dataset.path}/manifest.json").sha256
    work_dir.write_outcome({**other, "manifest": sha256})
    with pytest.raises(UserError, match="is a finished dataset; use --overwrite"):
        work_dir.start(overwrite=False)
    whole = {"rejects": [], "total": 3, "left_out": [], "why": "", "refusal": ""}
    work_dir.write_outcome({**whole, "manifest": sha256})
    assert work_dir.is_committed


@pytest.mark.parametrize("content", _WHOLE, ids=lambda content: content[:9])
@pytest.mark.parametrize(
    "name", ["versions.json", "plan.json", "metrics.jsonl", "evaluation-test.json"]
)
def test_a_report_refuses_what_no_run_wrote(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    if content in ("", "{}"):  # Nothing is written yet, or nothing is known.
        assert not any(RunFiles.read(str(tmp_path)).plan)
        return
    with pytest.raises(UserError, match=f"{name} is not what a run wrote"):
        RunFiles.read(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surplus": 1}, "converted with --surplus, which this version does not have"),
        ({"source": [1]}, "converted with --source=.1., which this version does not have"),
        ({"class_names": None}, "options.class_names: got None, expected a list"),
        ({"class_names": [None]}, r"options.class_names\[0\]: got None, expected a text"),
        ({"window_samples": "3"}, "options.window_samples: got '3', expected a whole number"),
        ({"tail": 3}, "options.tail: got 3, expected a text"),
    ],
)
def test_options_of_a_run_that_no_conversion_has_are_refused(change, message, tmp_path):
    options = {**SignalOptions("", "", "test").recorded(), "source": "signals", **change}
    with pytest.raises(UserError, match=message):
        RawFolder(str(tmp_path), _SCHEMA.input, options)
