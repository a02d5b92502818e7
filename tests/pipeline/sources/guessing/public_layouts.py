"""Layouts of public sets, rebuilt small, with what their commands must have and what is asked."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.optional import optional_library

soundfile = optional_library("soundfile")
edfio = optional_library("edfio")
wfdb = optional_library("wfdb")
_HZ = 100


def write_wav(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(80, np.int16), 8000)


def write_edf(path: pathlib.Path, stages: Any = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rates = [] if stages is not None else [("EEG Fpz-Cz", _HZ), ("EOG", _HZ), ("EMG", 1)]
    signals = [edfio.EdfSignal(np.arange(60.0 * hz), hz, label=name) for name, hz in rates]
    found = None if stages is None else [edfio.EdfAnnotation(*stage) for stage in stages]
    edfio.Edf(signals, annotations=found).write(path)


def write_fsdd(folder: pathlib.Path) -> None:
    for number in range(60):
        speaker = ("ann", "bob", "cy")[number % 3]
        write_wav(folder / f"{number % 10}_{speaker}_{number // 30}.wav")


def write_speech_commands(folder: pathlib.Path) -> None:
    for number in range(40):
        write_wav(
            folder
            / ("yes", "no")[number % 2]
            / f"{number // 8 + 0xABC0:08x}_nohash_{number % 8}.wav"
        )


def _esc50(folder: pathlib.Path) -> None:
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(40):
        name = f"{number % 5 + 1}-{1000 + number}-A-{number % 4}.wav"
        write_wav(folder / "audio" / name)
        kind = ("dog", "rain", "sea", "clock")[number % 4]
        lines.append(f"{name},{number % 5 + 1},{number % 4},{kind},True,{1000 + number},A")
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")


def _dcase(folder: pathlib.Path) -> None:
    lines = ["filename\tscene_label\tidentifier"]
    for number in range(24):
        scene = ("airport", "bus", "park")[number % 3]
        write_wav(folder / "audio" / f"{scene}-lisbon-{number}-a.wav")
        lines.append(f"audio/{scene}-lisbon-{number}-a.wav\t{scene}\tlisbon-{number}")
    (folder / "meta.csv").write_text("\n".join(lines) + "\n")


def _hugging_face(folder: pathlib.Path) -> None:
    for split in ("train", "test"):
        lines = ["file_name,label"]
        for number in range(6):
            write_wav(folder / split / f"{number}.wav")
            lines.append(f"{number}.wav,{number % 2}")
        (folder / split / "metadata.csv").write_text("\n".join(lines) + "\n")


def _sleep_edf(folder: pathlib.Path) -> None:
    stages = [(0, 30, "Sleep stage W"), (30, 30, "Sleep stage 2")]
    for number in range(10):
        write_edf(folder / f"SC40{number}1E0-PSG.edf")
        write_edf(folder / f"SC40{number}1EC-Hypnogram.edf", stages)


def _bids(folder: pathlib.Path) -> None:
    lines = ["participant_id\tage\tdiagnosis"]
    for number in range(1, 11):
        subject = f"sub-{number:02}"
        write_edf(folder / subject / "eeg" / f"{subject}_task-rest_eeg.edf")
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


def write_video(path: pathlib.Path, size: int = 16) -> None:
    av = optional_library("av")
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = size, 16, "yuvj420p"
        for shade in range(3):
            image = np.full((16, size, 3), shade, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(stream.encode())


def _ucf101(folder: pathlib.Path) -> None:
    for number in range(24):
        name = ("Archery", "Bowling")[number % 2]
        path = folder / name / f"v_{name}_g{number // 6:02}_c{number % 6}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path)


def write_sensors(folder: pathlib.Path) -> None:
    folder.mkdir()
    lines = ["session_id,user,timestamp,x,y,activity"]
    for number in range(12):
        for row in range(20 + number):
            time = row * 0.02 + 0.003 * (row % 2)
            activity = ("walk", "sit")[row // 15 % 2]
            lines.append(f"s{number},u{number // 2},{time:.3f},{row},{-row},{activity}")
    (folder / "all.csv").write_text("\n".join(lines) + "\n")


def write_cinc(folder: pathlib.Path) -> None:
    _mit_bih(folder)
    for path in folder.glob("*.atr"):
        path.unlink()
    (folder / "REFERENCE.csv").write_text("".join(f"{n},{'NA'[n % 2]}\n" for n in range(100, 110)))


class Layout(NamedTuple):
    """What a folder is, what its command must have in it, and what must be asked.

    `has_problems` says that some inputs are rejected then, and that this is told.
    """

    write: Callable[[pathlib.Path], None]
    flags: tuple[str, ...]
    asked: tuple[str, ...] = ()
    has_problems: bool = False


TOKEN = "(?:^|/)(?:[^/_]*_){1}([^/._]+)[^/]*$"
PUBLIC = {
    "fsdd": Layout(
        write_fsdd,
        (
            "--source=audio", "--sample_rate_hz=8000", "--label_regex=(?:^|/)([^/._]+)[^/]*$",
            f"--group_regex={TOKEN}",
        ),
        ("Which part of the path is the label?", "Do these belong together"),
    ),
    "speech_commands": Layout(
        write_speech_commands,
        ("--source=audio", "--label_regex=^([^/]+)/", "--group_regex=(?:^|/)([^/._]+)[^/]*$"),
        ("Do these belong together",),
    ),
    "esc50": Layout(
        _esc50,
        ("--source=audio", "--id_column=filename", "--label_column=target"),
        ("Which column is the label?",),
    ),
    "dcase": Layout(
        _dcase, ("--source=audio", "--id_column=filename", "--label_column=scene_label")
    ),
    "hugging_face": Layout(
        _hugging_face,
        ("--source=audio", "--split_regex=^(?:(?P<train>train)|(?P<test>test))/"),
    ),
    "sleep_edf": Layout(
        _sleep_edf,
        (
            "--source=edf", "--channels=EEG Fpz-Cz,EOG", "--annotation_suffix=-Hypnogram.edf",
            "--label_key=annotations", "--window_secs=30",
        ),
        ("Which channels?",),
    ),
    "bids": Layout(
        _bids,
        ("--source=edf", "--group_regex=sub[-_ ]?\\d+", "--label_column=diagnosis"),
        ("Which channels?",),
    ),
    "bids_events": Layout(
        _bids_events,
        ("--source=edf", "--events_suffix=_events.tsv", "--window_secs=0.5"),
        ("Which channels?",),
    ),
    "dcase_strong": Layout(
        _dcase_strong,
        ("--source=audio", "--window_secs=1", "--sample_rate_hz=100"),
        ("How long is a step",),
    ),
    "rates": Layout(
        _rates,
        ("--source=signals", "--rate_key=fs", "--resample_hz=100", "--group_key=subject"),
        ("Which rate shall all have?",),
    ),
    "mit_bih": Layout(
        _mit_bih,
        ("--source=wfdb", "--label_key=atr", "--window_secs=10", "--sample_rate_hz=100"),
        ("How long is a step",),
    ),
    "har": Layout(
        _har,
        (
            "--source=tables", r"--group_regex=user[-_ ]?\d+",
            r"--label_regex=(?:^|/)([^/.\-]+)[^/]*$",
        ),
    ),
    "sensors": Layout(
        write_sensors,
        (
            "--source=tables", "--recording_column=session_id", "--group_key=user",
            "--time_column=timestamp", "--resample_hz=50", "--label_key=activity",
        ),
    ),
    "cinc": Layout(
        write_cinc, ("--source=wfdb", "--sample_rate_hz=100", "--id_column=0", "--label_column=1")
    ),
    "ucf101": Layout(
        _ucf101, ("--source=video", "--label_regex=^([^/]+)/")
    ),
}  # fmt: skip
