"""Layouts that people have: the command is right at once, or it is asked."""

import json
import os
import pathlib
import shlex
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.console.errors import UsageError
from pipeline.conversion.convert import main as convert
from pipeline.guess import main, problems_of
from pipeline.sources.gfiles import GFiles
from pipeline.sources.guessing.guess import command, guess, name_of
from tests.pipeline.sources.guessing.other_layouts import OTHER
from tests.pipeline.sources.guessing.public_layouts import (
    PUBLIC,
    write_fsdd,
    write_sensors,
)

_LAYOUTS = {**PUBLIC, **OTHER}


def _flags(folder: pathlib.Path) -> tuple[list[str], list[str]]:
    """Arguments of the command that is printed, and the questions."""
    found = guess(str(folder), GFiles())
    text = command(str(folder), name_of(str(folder)), found.flags)
    words = shlex.split(text.replace("\\\n", " "))
    assert words[:3] == ["python", "-m", "pipeline"]
    return words[3:], [question for question, _ in found.questions]


@pytest.mark.parametrize("name", _LAYOUTS)
def test_the_command_is_right_or_it_is_asked(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layout = _LAYOUTS[name]
    layout.write(tmp_path / name)
    words, questions = _flags(tmp_path / name)
    assert {*layout.flags} <= {*words}
    assert len(questions) == len(layout.asked)
    assert all(map(str.startswith, questions, layout.asked))
    assert layout.has_problems == bool(problems_of(str(tmp_path / name), words[3:]))
    assert convert([*words, "--dry_run"]) == 0


def test_what_would_be_rejected_is_asked_about(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, size in enumerate((2, 2, 2, 5)):
        np.savez(tmp_path / f"{number}.npz", x=np.zeros((9, size)), label=number % 2)
    np.savez(tmp_path / "4.npz", label=1)
    assert main([str(tmp_path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "What shall become of these?" in printed
    assert "of 5 inputs tried, 1 would be rejected: steps of float32 [5]" in printed
    assert "signal 'label' has shape []" in printed
    assert "(as 4.npz)" in printed


def test_the_command_prints_it(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fsdd(tmp_path / "digits")
    assert main([str(tmp_path / "digits")]) == 0
    printed = capsys.readouterr().out
    assert "rate: 8000 Hz" in printed
    assert "python -m pipeline" in printed
    assert "part 2 of the name, one of 3 (ann, bob, cy): --label_regex=" in printed


def test_numbers_beside_frames_are_named_as_inputs(tmp_path: pathlib.Path) -> None:
    fields = {"turn": "left", "speed": 3.5, "gyro": [1, 2.0], "place": "A", "night": True, "no": []}
    for number in range(3):
        folder = tmp_path / "drives" / str(number)
        folder.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / "1.png")
        (folder / "annotation.json").write_text(json.dumps(fields))
    said = [fact for fact in guess(str(tmp_path / "drives"), GFiles()).facts if "beside" in fact]
    assert [fact.partition("--")[2] for fact in said] == ["beside_key=speed,gyro"]


def test_no_name_is_run_by_the_shell_that_the_command_is_pasted_into(
    tmp_path: pathlib.Path,
) -> None:
    name = "it's; touch x $(id)"
    write_sensors(tmp_path / name)
    found = guess(str(tmp_path / name), GFiles())
    flags = ["--group_key=it's `id`", *found.flags]
    words = shlex.split(command(str(tmp_path / name), "x", flags).replace("\\\n", " "))
    assert words[3] == f"--input_dir={tmp_path / name}"
    assert [*flags] == words[6:]


def test_what_a_file_is_called_adds_no_line(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "a\nerror: b.npz", np.zeros((9, 2)))
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert r"a\nerror: b.npz" in said
    assert "\nerror" not in said


_SUFFIXES = [
    "npz",
    "npy",
    "h5",
    "mat",
    "wav",
    "flac",
    "edf",
    "hea",
    "csv",
    "csv.gz",
    "parquet",
    "mp4",
]


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("suffix", _SUFFIXES)
def test_a_pipe_is_not_waited_for(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    os.mkfifo(tmp_path / f"a.{suffix}")
    assert main([str(tmp_path)]) in (0, 1, 2)
    assert not capsys.readouterr().err.startswith("Traceback")


def test_no_folder_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([""]) == 2
    assert capsys.readouterr().err.startswith("error: no folder is named; is a variable")


def test_a_folder_without_recordings_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.docx").write_text("x")
    with pytest.raises(UsageError, match=r"no kind of raw folder reads .* \.docx \(1\)"):
        guess(str(tmp_path), GFiles())


def _npz(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for number in range(6):
        path = folder / f"{number}.npz"
        np.savez(path, eeg=np.zeros((4, 300 + number)), label=number % 2, subject=number, fs=250)
        yield path


def test_arrays_say_their_rate_axis_and_group(tmp_path: pathlib.Path) -> None:
    assert len([*_npz(tmp_path)]) == 6
    words, questions = _flags(tmp_path)
    assert {"--time_axis=1", "--sample_rate_hz=250", "--group_key=subject"} <= {*words}
    assert not questions


@pytest.mark.parametrize(
    ("rate", "flags"),
    [
        (np.float32(0.5), ["--sample_rate_hz=0.5"]), (24_414.0625, ["--sample_rate_hz=24414.0625"]),
        ("250 Hz", []), (np.nan, []), (0, []),
    ],
)  # fmt: skip
def test_a_rate_is_a_number_with_all_its_digits(
    tmp_path: pathlib.Path, rate: Any, flags: list[str]
) -> None:
    np.savez(tmp_path / "a.npz", eeg=np.zeros(300), fs=rate)
    words, _ = _flags(tmp_path)
    assert [word for word in words if word.startswith("--sample_rate_hz")] == flags


def test_several_signals_may_be_taken_together(tmp_path: pathlib.Path) -> None:
    np.savez(tmp_path / "a.npz", eeg=np.zeros((300, 2)), accel=np.zeros(150), stage=np.arange(150))
    (question, readings), *_ = guess(str(tmp_path), GFiles()).questions
    assert question == "Which array is the signal?"
    assert readings[-1].flags == ("--signal_key=eeg,accel",)
    assert "--signal_rates_hz" in readings[-1].why


def test_a_group_within_the_files_comes_before_one_in_their_paths(tmp_path: pathlib.Path) -> None:
    for number in range(6):
        path = tmp_path / f"subject_{number // 2}" / f"{number}.npz"
        path.parent.mkdir(exist_ok=True)
        np.savez(path, eeg=np.zeros((30, 2)), label=number % 2, subject=number // 2)
    found = guess(str(tmp_path), GFiles())
    assert [flag for flag in found.flags if flag.startswith("--group")] == ["--group_key=subject"]
    assert [fact for fact in found.facts if fact.startswith("group:")] == [
        "group: array subject (0, 1, 2)"
    ]
