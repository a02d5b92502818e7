"""Layouts that people have, with what their commands must have and what is asked."""

import itertools
import pathlib
import shutil

import numpy as np

from tests.optional import optional_library
from tests.pipeline.sources.guessing.public_layouts import (
    Layout,
    write_cinc,
    write_edf,
    write_speech_commands,
    write_video,
    write_wav,
)

h5py = optional_library("h5py")
scipy_io = optional_library("scipy.io")


def _csv(path: pathlib.Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


def _classes_in_splits(folder: pathlib.Path) -> None:
    for number in range(20):
        split, kind = ("train", "train", "test")[number % 3], ("cat", "dog")[number // 3 % 2]
        write_wav(folder / split / kind / f"clip{number}.wav")


def _speakers_in_splits(folder: pathlib.Path) -> None:
    for number, take in itertools.product(range(9), range(3)):
        split, region = ("TRAIN", "TEST")[number % 3 == 0], f"DR{number // 3}"
        write_wav(folder / split / region / f"{'FM'[number % 2]}AB{number}" / f"SX{take}.WAV")


def _takes(folder: pathlib.Path) -> None:
    for number in range(12):
        write_wav(folder / f"spk{number // 4}_take{number % 4}.wav")


def _numbered_folders(folder: pathlib.Path) -> None:
    for number in range(12):
        write_wav(folder / f"{80 + number // 4}" / f"{number}.wav")


def _noise_aside(folder: pathlib.Path) -> None:
    write_speech_commands(folder)
    write_wav(folder / "_noise_" / "of_a_fan.wav")


def _class_as_name(folder: pathlib.Path) -> None:
    """With numbers of rows, and times in milliseconds since 1970 with jitter."""
    for number in range(12):
        rows: list[list[object]] = [
            [row, 1_424_696_633_908 + 10 * row + row % 2, row / 7, 0.5] for row in range(30)
        ]
        path = folder / f"user{number // 3}" / f"{('walk', 'sit', 'run')[number % 3]}.csv"
        _csv(path, "index,Arrival_Time,x,y", rows)


def _numbered_trials(folder: pathlib.Path) -> None:
    for trial, person in itertools.product(("dws_1", "dws_2", "jog_9", "jog_16"), range(4)):
        _csv(folder / trial / f"sub_{person}.csv", "x,y", [[row, 0.5] for row in range(9)])


def _units_in_names(folder: pathlib.Path) -> None:
    for number in range(12):
        path = folder / f"subject{number // 3}_{('walk', 'sit')[number % 2]}_{number}.csv"
        _csv(path, "time [ms],force (N)", [[20 * row, row / 7] for row in range(30)])


def _doubtful_times(folder: pathlib.Path) -> None:
    for number in range(3):
        _csv(folder / f"{number}.csv", "time,force", [[20 * row, row / 7] for row in range(30)])


def _groups_of_hdf5(folder: pathlib.Path) -> None:
    folder.mkdir()
    with h5py.File(folder / "all.h5", "w") as file:
        for number in range(12):
            group = file.create_group(f"person{number // 2}/trial{number}")
            group["eeg"] = np.zeros((20 + number, 3), np.float32)
            group.attrs["label"] = number % 2


def _mat(folder: pathlib.Path) -> None:
    folder.mkdir()
    for number in range(12):
        arrays = {"EEG": np.zeros((4, 50 + number)), "fs": 250.0, "label": float(number % 2)}
        scipy_io.savemat(folder / f"S{number:02}.mat", arrays)


def _table_beside(folder: pathlib.Path) -> None:
    rows: list[list[object]] = []
    for number in range(12):
        (folder / "recordings").mkdir(parents=True, exist_ok=True)
        np.savez(folder / "recordings" / f"r{number}.npz", x=np.zeros((20 + number, 2)))
        rows.append([f"r{number}", "ab"[number % 2], f"p{number // 2}", number % 5])
    _csv(folder / "labels.csv", "id,label,subject,fold", rows)


def _parquet(folder: pathlib.Path) -> None:
    import pyarrow
    import pyarrow.parquet

    folder.mkdir()
    of = np.repeat(np.arange(12), 20)
    table = {"trial": of, "user": of // 2, "time": np.tile(np.arange(20) / 20, 12)}
    table |= {"ax": np.zeros(240), "label": of % 2}
    pyarrow.parquet.write_table(pyarrow.table(table), folder / "all.parquet")


def _nights(folder: pathlib.Path) -> None:
    for person, night in itertools.product(range(5), (1, 2)):
        write_edf(folder / f"ST7{person:02}{night}J0-PSG.edf")
        stages = [(0, 30, "Sleep stage W"), (30, 30, "Sleep stage 2")]
        write_edf(folder / f"ST7{person:02}{night}JP-Hypnogram.edf", stages)


def _headers_with_labels(folder: pathlib.Path) -> None:
    write_cinc(folder)
    (folder / "REFERENCE.csv").unlink()
    for number, path in enumerate(sorted(folder.glob("*.hea"))):
        text = f"# Age: {50 + number % 2}\n# Dx: {('426783006', '164889003')[number % 3 % 2]}\n"
        path.write_text(path.read_text() + text)


def _unlike_sizes(folder: pathlib.Path) -> None:
    folder.mkdir()
    for number in range(4):
        write_video(folder / f"{number}.avi", 16 + 16 * (number % 2))


def _mixed(folder: pathlib.Path) -> None:
    for number in range(6):
        write_wav(folder / "audio" / f"{number}.wav")
    (folder / "arrays").mkdir()
    np.savez(folder / "arrays" / "a.npz", x=np.zeros((9, 2)))
    shutil.copy(folder / "arrays" / "a.npz", folder / "arrays" / "b.npz")


_LABEL, _GROUP = "Which part of the path is the label?", "Do these belong together"
_STEP = "How long is a step"
OTHER = {
    "classes_in_splits": Layout(
        _classes_in_splits,
        (
            "--label_regex=^(?:[^/]+/){1}([^/]+)/",
            "--split_regex=^(?:(?P<train>train)|(?P<test>test))/",
        ),
    ),
    "speakers_in_splits": Layout(
        _speakers_in_splits,
        (
            "--group_regex=^(?:[^/]+/){2}([^/]+)/",
            "--split_regex=^(?:(?P<train>TRAIN)|(?P<test>TEST))/",
        ),
        (_LABEL,),
    ),
    "takes": Layout(_takes, (r"--group_regex=spk[-_ ]?\d+",), (_LABEL,)),
    "numbered_folders": Layout(_numbered_folders, ("--label_regex=^([^/]+)/",), (_LABEL,)),
    "noise_aside": Layout(
        _noise_aside,
        ("--label_regex=^([^/_][^/]*)/", "--group_regex=(?:^|/)([^/._]+)[^/]*$"),
        (_LABEL, _GROUP),
        has_problems=True,
    ),
    "class_as_name": Layout(
        _class_as_name,
        (
            "--time_column=Arrival_Time", "--time_unit=ms", "--resample_hz=100", "--channels=x,y",
            r"--label_regex=(?:^|/)([^/]+?)(?:\.[^/.]+)?$", r"--group_regex=user[-_ ]?\d+",
        ),
    ),
    "numbered_trials": Layout(
        _numbered_trials,
        (r"--label_regex=^([^/]*?[^/\d\-_ ])[-_ ]?\d+/", r"--group_regex=sub[-_ ]?\d+"),
        (_LABEL,),
    ),
    "units_in_names": Layout(
        _units_in_names,
        ("--time_column=time [ms]", "--time_unit=ms", r"--group_regex=subject[-_ ]?\d+"),
    ),
    "doubtful_times": Layout(
        _doubtful_times, ("--time_column=time", "--time_unit=ms"), ("Which unit has the time?",)
    ),
    "groups_of_hdf5": Layout(
        _groups_of_hdf5,
        ("--many_per_file", "--signal_key=eeg", r"--group_regex=person[-_ ]?\d+"),
    ),
    "mat": Layout(
        _mat,
        ("--time_axis=1", "--sample_rate_hz=250", "--label_kind=record_class"),
        ("Are the whole numbers classes or values?",),
    ),
    "table_beside": Layout(
        _table_beside, ("--id_column=id", "--label_column=label", "--group_column=subject")
    ),
    "parquet": Layout(
        _parquet,
        (
            "--recording_column=trial", "--group_key=user", "--time_column=time",
            "--label_key=label", "--label_kind=record_class",
        ),
        ("Which kind of label is it?",),
    ),
    "nights": Layout(
        _nights,
        ("--group_regex=(?:^|/)([^/]{5})[^/]*$", "--annotation_suffix=-Hypnogram.edf"),
        ("Which channels?", _GROUP),
    ),
    "headers_with_labels": Layout(_headers_with_labels, ("--label_key=Dx",)),
    "unlike_sizes": Layout(
        _unlike_sizes, ("--resize=16x16",), ("Which size shall all frames have?",)
    ),
    "mixed": Layout(_mixed, ("--source=audio",), ("Which files are the recordings?",)),
}  # fmt: skip
