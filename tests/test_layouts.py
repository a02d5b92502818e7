"""Every layout of docs/my_data.md: its commands convert, train and predict."""

import dataclasses
import json
import math
import pathlib
import re
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow.csv
import pytest
from PIL import Image

from pipeline.conversion.convert import main as convert
from tests.repository import REPOSITORY
from tests.trainer.in_process import run_trainer
from tfrecords_schema import open_dataset

_PAGE = (REPOSITORY / "docs" / "my_data.md").read_text()
_COUNT = 40
_SMALL = (
    "--epochs=1",
    "--batch_size=16",
    "--test_split=validation",
    "--noreport",
    "--notensorboard",
)
# Without what would be tried, and of one network; the families' own tests are of the others.
_SIGNAL = (
    *_SMALL,
    "--model=fcn",
    "--width=4",
    "--ensemble=1",
    "--norandom_convolutions",
    "--normalization=record",
    "--front_end=none",
)
_FRAMES = (*_SMALL, "--ensemble=1", "--video_filters=2,2", "--video_pixels=16")
_SEQUENCE = (*_SMALL, "--rnn_units=3")
_READ_IN_A_WAY_OF_THEIR_OWN = {3, 4, 5, 6, 11, 12, 13, 14}


@dataclasses.dataclass
class Draw:
    """Random content of one recording."""

    number: int

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.number)
        self.steps = int(self._rng.integers(3, 7))

    def floats(self, *shape: int) -> np.ndarray:
        return self._rng.normal(size=shape).astype(np.float32)

    def classes(self, *shape: int) -> np.ndarray:
        return self._rng.permutation(np.arange(math.prod(shape)) % 2).reshape(shape)

    def text(self) -> str:
        return ("walk", "run")[self.number % 2]

    def frames(self) -> list[np.ndarray]:
        shape = (self.steps - 2, 12, 16, 3)
        return list(self._rng.integers(0, 256, shape, np.uint8))


class Layout(NamedTuple):
    """What is in the folder, and what it must become.

    Attributes:
      files: path to content; `.npz` takes arrays, `.json` a value, a folder frames. In a path
        stand `{n}`, the number of the recording, `{person}`, `{split}` and `{text}`.
      shape: of one step.
      label: `per kind units`; empty without labels.
      flags: of the small model.
    """

    files: dict[str, Callable[[Draw], Any]]
    shape: tuple[int, ...]
    label: str
    flags: tuple[str, ...] = _SIGNAL


def _epochs(draw: Draw) -> dict[str, Any]:
    return {"signal": draw.floats(draw.steps, 3000), "label": draw.classes(draw.steps)}


def _features(draw: Draw) -> dict[str, Any]:
    return {"signal": draw.floats(draw.steps, 4), "label": draw.text()}


_LAYOUTS = {
    1: Layout({"recordings/night_{n}.npz": _epochs}, (3000,), "step class 2"),
    2: Layout(
        {"utterances/{n}.npz": lambda d: {"x": d.floats(d.steps, 12), "label": d.text()}},
        (12,), "record class 2",
    ),
    3: Layout(
        {
            "signals/{text}/SC{n}.npz": lambda d: {"signal": d.floats(d.steps, 40)},
            "stages/{text}/SC{n}.npz": lambda d: {"stage": d.classes(d.steps)},
        },
        (40,), "step class 2",
    ),
    4: Layout(
        {
            "recordings/{n}.npz": lambda d: {
                "signal": d.floats(6, d.steps * 100 + 30), "label": d.text()
            }
        },
        (100, 6), "record class 2",
    ),
    5: Layout(
        {
            "recordings/{n}.npz": lambda d: {
                "signal": d.floats(d.steps * 50 + 20, 3), "label": d.classes(d.steps * 50 + 20)
            }
        },
        (50, 3), "step class 2",
    ),
    6: Layout(
        {
            "recordings/{n}.npz": lambda d: {
                "eeg": d.floats(d.steps, 40), "eog": d.floats(d.steps, 40),
                "stage": d.classes(d.steps), "subject": f"P{d.number // 2:02}", "rate": 100,
            }
        },
        (40,), "step class 2",
    ),
    7: Layout(
        {"recordings/subject_{person}/{n}.npz": _features}, (4,), "record class 2"
    ),
    8: Layout({"corpus/{split}/{n}.npz": _features}, (4,), "record class 2"),
    9: Layout(
        {
            "recordings/{n}.npz": lambda d: {
                "signal": d.floats(d.steps, 8), "label": d.floats(d.steps, 2)
            }
        },
        (8,), "step value 2",
    ),
    10: Layout(
        {"recordings/{n}.npz": lambda d: {"signal": d.floats(d.steps, 8), "age": 20 + d.number}},
        (8,), "record value 1",
    ),
    11: Layout({"clips/{text}/clip_{n}": Draw.frames}, (120, 160, 3), "record class 2", _FRAMES),
    12: Layout(
        {
            "Train/{n}/imgs": Draw.frames,
            "Train/{n}/annotation.json": lambda d: [{"velocity": d.floats(2).tolist(), "box": {}}],
        },
        (12, 16, 3), "record value 2", _FRAMES,
    ),
    13: Layout(
        {"samples/{n}.npz": lambda d: {"x": d.floats(16), "label": d.floats(d.steps)}},
        (16,), "sequence value 1", _SEQUENCE,
    ),
    14: Layout(
        {"series/{n}.npz": lambda d: {"signal": d.floats(d.steps + 3, 5)}}, (5,), "",
        (*_SEQUENCE, "--rnn_cell=lstm", "--horizon_steps=3"),
    ),
}  # fmt: skip


def _conversion(number: int) -> list[str]:
    """The flags of a layout's documented conversion."""
    section = re.search(rf"^## {number}\. .*?(?=^## |\Z)", _PAGE, re.MULTILINE | re.DOTALL)
    assert section, f"no layout {number}"
    block = re.search(r"```sh\n(.*?)```", section[0], re.DOTALL)
    assert block, f"layout {number} has no commands"
    words = shlex.split(block[1].replace("\\\n", " ").splitlines()[0])
    assert words[:3] == ["python", "-m", "pipeline"]
    return words[3:]


def _write(layout: Layout) -> None:
    for number in range(_COUNT):
        draw = Draw(number)
        names = {
            "n": number, "person": number % 6, "text": draw.text(),
            "split": ("train", "dev", "test")[number % 3],
        }  # fmt: skip
        for template, content in layout.files.items():
            _write_one(pathlib.Path(template.format(**names)), content(draw))


def _write_one(path: pathlib.Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, **content)
    elif path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        path.mkdir()
        for number, frame in enumerate(content):
            Image.fromarray(frame).save(path / f"{number + 1:03}.jpg")


def test_every_layout_of_the_page_is_tested() -> None:
    assert [int(n) for n in re.findall(r"^## (\d+)\.", _PAGE, re.MULTILINE)] == list(_LAYOUTS)


@pytest.mark.parametrize("number", _LAYOUTS)
def test_the_documented_commands_convert_and_train(
    number: int,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    layout = _LAYOUTS[number]
    monkeypatch.chdir(tmp_path)
    _write(layout)
    conversion = _conversion(number)
    assert convert(conversion) == 0
    name = _value(conversion, "name")
    dataset, run_dir = f"datasets/{name}/1.0.0", f"runs/{name}"
    _check_dataset(layout, dataset)
    assert run_trainer(f"--dataset={dataset}", f"--run_dir={run_dir}", *layout.flags) == 0
    _check_run(run_dir)
    if number in _READ_IN_A_WAY_OF_THEIR_OWN:
        _check_predictions(run_dir, _value(conversion, "input_dir"), layout, capsys)


def _value(arguments: list[str], flag: str) -> str:
    return next(a for a in arguments if a.startswith(f"--{flag}=")).partition("=")[2]


def _check_dataset(layout: Layout, path: str) -> None:
    dataset = open_dataset(path)
    splits = dataset.manifest.splits
    assert splits.keys() == {"train", "validation", "test"}
    assert sum(split.records for split in splits.values()) == _COUNT
    assert dataset.schema.input.step_shape == layout.shape
    spec = dataset.schema.label
    if spec is None:
        assert layout.label == ""
        return
    units = len(spec.class_names) if spec.kind == "class" else math.prod(spec.shape)
    assert f"{spec.per} {spec.kind} {units}" == layout.label


def _check_run(run_dir: str) -> None:
    lines = (pathlib.Path(run_dir) / "metrics.jsonl").read_text().splitlines()
    (epoch,) = map(json.loads, lines)
    figures = [*epoch["train"].values(), *epoch["validation"].values()]
    found = json.loads((pathlib.Path(run_dir) / "evaluation-validation.json").read_text())
    figures += found["metrics"].values()
    assert len(figures) > 5
    # R2 of a single group, or kappa where one class was predicted, may be undefined.
    assert all(math.isfinite(value) for value in figures)


def _check_predictions(
    run_dir: str, input_dir: str, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    """Predicts the recordings from their folder, as they were before the conversion."""
    flags = ["--mode=predict", f"--run_dir={run_dir}", "--output=new.csv"]
    flags.append(f"--input_dir={input_dir}")
    if layout.label.startswith("sequence"):
        assert run_trainer(*flags) == 2
        assert "with --input_dir give --label_steps" in capsys.readouterr().err
        flags.append("--label_steps=4")
    assert run_trainer(*flags) == 0
    table = pyarrow.csv.read_csv("new.csv")
    assert table.num_rows == _COUNT
    assert table.column_names[:3] == ["id", "source", "steps"]
