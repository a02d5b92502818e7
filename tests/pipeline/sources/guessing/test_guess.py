"""Layouts of public sets, rebuilt small: the command is right at once, or it is asked."""

import pathlib
import shlex
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from pipeline.console.errors import UsageError
from pipeline.conversion.convert import main as convert
from pipeline.guess import main
from pipeline.sources.gfiles import GFiles
from pipeline.sources.guessing.guess import command, guess, name_of
from tests.optional import optional_library

soundfile = optional_library("soundfile")
edfio = optional_library("edfio")
wfdb = optional_library("wfdb")
_HZ = 100


def _wav(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(80, np.int16), 8000)


def _edf(path: pathlib.Path, stages: Any = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rates = [] if stages is not None else [("EEG Fpz-Cz", _HZ), ("EOG", _HZ), ("EMG", 1)]
    signals = [edfio.EdfSignal(np.arange(60.0 * hz), hz, label=name) for name, hz in rates]
    found = None if stages is None else [edfio.EdfAnnotation(*stage) for stage in stages]
    edfio.Edf(signals, annotations=found).write(path)


def _fsdd(folder: pathlib.Path) -> None:
    for number in range(60):
        speaker = ("ann", "bob", "cy")[number % 3]
        _wav(folder / f"{number % 10}_{speaker}_{number // 30}.wav")


def _speech_commands(folder: pathlib.Path) -> None:
    for number in range(40):
        _wav(
            folder
            / ("yes", "no")[number % 2]
            / f"{number // 8 + 0xABC0:08x}_nohash_{number % 8}.wav"
        )


def _esc50(folder: pathlib.Path) -> None:
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(40):
        name = f"{number % 5 + 1}-{1000 + number}-A-{number % 4}.wav"
        _wav(folder / "audio" / name)
        kind = ("dog", "rain", "sea", "clock")[number % 4]
        lines.append(f"{name},{number % 5 + 1},{number % 4},{kind},True,{1000 + number},A")
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")


def _dcase(folder: pathlib.Path) -> None:
    lines = ["filename\tscene_label\tidentifier"]
    for number in range(24):
        scene = ("airport", "bus", "park")[number % 3]
        _wav(folder / "audio" / f"{scene}-lisbon-{number}-a.wav")
        lines.append(f"audio/{scene}-lisbon-{number}-a.wav\t{scene}\tlisbon-{number}")
    (folder / "meta.csv").write_text("\n".join(lines) + "\n")


def _hugging_face(folder: pathlib.Path) -> None:
    for split in ("train", "test"):
        lines = ["file_name,label"]
        for number in range(6):
            _wav(folder / split / f"{number}.wav")
            lines.append(f"{number}.wav,{number % 2}")
        (folder / split / "metadata.csv").write_text("\n".join(lines) + "\n")


def _sleep_edf(folder: pathlib.Path) -> None:
    stages = [(0, 30, "Sleep stage W"), (30, 30, "Sleep stage 2")]
    for number in range(10):
        _edf(folder / f"SC40{number}1E0-PSG.edf")
        _edf(folder / f"SC40{number}1EC-Hypnogram.edf", stages)


def _bids(folder: pathlib.Path) -> None:
    lines = ["participant_id\tage\tdiagnosis"]
    for number in range(1, 11):
        subject = f"sub-{number:02}"
        _edf(folder / subject / "eeg" / f"{subject}_task-rest_eeg.edf")
        lines.append(f"{subject}\t{20 + number}\t{('no', 'yes')[number % 2]}")
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n")


def _bids_events(folder: pathlib.Path) -> None:
    _bids(folder)
    lines = (folder / "participants.tsv").read_text().splitlines()
    (folder / "participants.tsv").write_text("\n".join(line.partition("\t")[0] for line in lines))
    for path in [*folder.rglob("*_eeg.edf")]:
        events = "".join(f"{second}\t0.5\t{('go', 'stop')[second % 2]}\n" for second in range(50))
        name = path.name.replace("_eeg.edf", "_events.tsv")
        path.with_name(name).write_text(f"onset\tduration\ttrial_type\n{events}")
        path.with_name(name.replace("_events", "_channels")).write_text("name\ttype\nEMG\tEMG\n")


def _dcase_strong(folder: pathlib.Path) -> None:
    lines = ["filename\tonset\toffset\tevent_label"]
    for number in range(24):
        path = folder / "audio" / f"clip_{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(800, np.int16), 100)
        lines += [f"{path.name}\t{s}\t{s + 0.7 + s / 10}\t{'DogCat'[s : s + 3]}" for s in (0, 3)]
    (folder / "strong.tsv").write_text("\n".join(lines) + "\n")


def _rates(folder: pathlib.Path) -> None:
    folder.mkdir()
    for number in range(8):
        hz = (100, 250)[number % 2]
        signal = np.zeros((hz * 20, 2), np.float32)
        np.savez(folder / f"{number}.npz", signal=signal, label=number % 2, fs=hz, subject=number)


def _mit_bih(folder: pathlib.Path) -> None:
    folder.mkdir()
    for number in range(100, 110):
        signal = np.random.default_rng(number).normal(size=(3000, 2))
        wfdb.wrsamp(
            str(number), fs=_HZ, units=["mV"] * 2, sig_name=["MLII", "V5"], p_signal=signal,
            fmt=["16"] * 2, write_dir=str(folder),
        )  # fmt: skip
        beats = np.arange(50, 3000, 80)
        symbols = ["N", "V"] * len(beats)
        wfdb.wrann(str(number), "atr", beats, symbols[: len(beats)], fs=_HZ, write_dir=str(folder))


def _har(folder: pathlib.Path) -> None:
    for number in range(30):
        path = folder / f"user_{number % 10:02}" / f"{('walk', 'sit')[number // 15]}-{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x,y,z\n" + "0.1,0.2,9.8\n" * 5)


def _video(path: pathlib.Path) -> None:
    av = optional_library("av")
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuvj420p"
        for shade in range(3):
            image = np.full((16, 16, 3), shade, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(stream.encode())


def _ucf101(folder: pathlib.Path) -> None:
    for number in range(24):
        name = ("Archery", "Bowling")[number % 2]
        path = folder / name / f"v_{name}_g{number // 6:02}_c{number % 6}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        _video(path)


def _sensors(folder: pathlib.Path) -> None:
    folder.mkdir()
    lines = ["session_id,user,timestamp,x,y,activity"]
    for number in range(12):
        for row in range(20 + number):
            time = row * 0.02 + 0.003 * (row % 2)
            activity = ("walk", "sit")[row // 15 % 2]
            lines.append(f"s{number},u{number // 2},{time:.3f},{row},{-row},{activity}")
    (folder / "all.csv").write_text("\n".join(lines) + "\n")


def _cinc(folder: pathlib.Path) -> None:
    _mit_bih(folder)
    for path in folder.glob("*.atr"):
        path.unlink()
    (folder / "REFERENCE.csv").write_text("".join(f"{n},{'NA'[n % 2]}\n" for n in range(100, 110)))


class _Layout(NamedTuple):
    """What a folder is, what its command must have in it, and what must be asked."""

    write: Callable[[pathlib.Path], None]
    flags: tuple[str, ...]
    asked: tuple[str, ...] = ()


_TOKEN = "(?:^|/)(?:[^/_]*_){1}([^/._]+)[^/]*$"
_LAYOUTS = {
    "fsdd": _Layout(
        _fsdd,
        (
            "--source=audio", "--sample_rate_hz=8000", "--label_regex=(?:^|/)([^/._]+)[^/]*$",
            f"--group_regex={_TOKEN}",
        ),
        ("Which part of the path is the label?", "Do these belong together"),
    ),
    "speech_commands": _Layout(
        _speech_commands,
        ("--source=audio", "--label_regex=^([^/]+)/", "--group_regex=(?:^|/)([^/._]+)[^/]*$"),
        ("Do these belong together",),
    ),
    "esc50": _Layout(
        _esc50,
        ("--source=audio", "--id_column=filename", "--label_column=target"),
        ("Which column is the label?",),
    ),
    "dcase": _Layout(
        _dcase, ("--source=audio", "--id_column=filename", "--label_column=scene_label")
    ),
    "hugging_face": _Layout(
        _hugging_face,
        ("--source=audio", "--split_regex=^(?:(?P<train>train)|(?P<test>test))/"),
    ),
    "sleep_edf": _Layout(
        _sleep_edf,
        (
            "--source=edf", "--channels=EEG Fpz-Cz,EOG", "--annotation_suffix=-Hypnogram.edf",
            "--label_key=annotations", "--window_secs=30",
        ),
        ("Which channels?",),
    ),
    "bids": _Layout(
        _bids,
        ("--source=edf", "--group_regex=sub[-_ ]?\\d+", "--label_column=diagnosis"),
        ("Which channels?",),
    ),
    "bids_events": _Layout(
        _bids_events,
        ("--source=edf", "--events_suffix=_events.tsv", "--window_secs=0.5"),
        ("Which channels?",),
    ),
    "dcase_strong": _Layout(
        _dcase_strong,
        ("--source=audio", "--window_secs=1", "--sample_rate_hz=100"),
        ("How long is a step",),
    ),
    "rates": _Layout(
        _rates,
        ("--source=signals", "--rate_key=fs", "--resample_hz=100", "--group_key=subject"),
        ("Which rate shall all have?",),
    ),
    "mit_bih": _Layout(
        _mit_bih,
        ("--source=wfdb", "--label_key=atr", "--window_secs=10", "--sample_rate_hz=100"),
    ),
    "har": _Layout(
        _har,
        (
            "--source=tables", r"--group_regex=user[-_ ]?\d+",
            r"--label_regex=(?:^|/)([^/.\-]+)[^/]*$",
        ),
    ),
    "sensors": _Layout(
        _sensors,
        (
            "--source=tables", "--recording_column=session_id", "--group_key=user",
            "--time_column=timestamp", "--resample_hz=50", "--label_key=activity",
        ),
    ),
    "cinc": _Layout(_cinc, ("--source=wfdb", "--sample_rate_hz=100")),
    "ucf101": _Layout(
        _ucf101, ("--source=video", "--label_regex=^([^/]+)/")
    ),
}  # fmt: skip


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
    assert not guess(str(tmp_path / name), GFiles()).problems
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


def test_a_table_without_names_of_columns_is_told(tmp_path: pathlib.Path) -> None:
    _cinc(tmp_path / "cinc")
    facts = guess(str(tmp_path / "cinc"), GFiles()).facts
    assert any(fact.startswith("table: REFERENCE.csv has a row for inputs, but") for fact in facts)


def test_the_command_prints_it(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    _fsdd(tmp_path / "digits")
    assert main([str(tmp_path / "digits")]) == 0
    printed = capsys.readouterr().out
    assert "rate: 8000 Hz" in printed
    assert "python -m pipeline" in printed
    assert "part 2 of the name, one of 3 (ann, bob, cy): --label_regex=" in printed


def test_no_name_is_run_by_the_shell_that_the_command_is_pasted_into(
    tmp_path: pathlib.Path,
) -> None:
    name = "it's; touch x $(id)"
    _sensors(tmp_path / name)
    found = guess(str(tmp_path / name), GFiles())
    flags = ["--group_key=it's `id`", *found.flags]
    words = shlex.split(command(str(tmp_path / name), "x", flags).replace("\\\n", " "))
    assert words[3] == f"--input_dir={tmp_path / name}"
    assert [*flags] == words[6:]


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
