"""Tables of events as labels of steps, beside recordings or one for all, for any kind of them."""

import pathlib
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.outside.event_table import EventColumns, read_events
from pipeline.sources.source import InputFile, Source
from tests.optional import optional_library
from tests.pipeline.conversions import Converter, Folders, read_records, rejects, write_npz
from tests.pipeline.sources.made import inputs_of, source_of
from tfrecords_schema.left_out import LeftOut
from trainer.data.raw_batches import RawFolder

_HZ = 10


def _npz(folder: pathlib.Path, name: str) -> str:
    np.savez(folder / f"{name}.npz", x=np.zeros((60, 2)), fs=_HZ)
    return f"{name}.npz"


def _csv(folder: pathlib.Path, name: str) -> str:
    (folder / f"{name}.csv").write_text("t,x\n" + "".join(f"{i / _HZ},0\n" for i in range(60)))
    return f"{name}.csv"


def _wav(folder: pathlib.Path, name: str) -> str:
    path = folder / f"{name}.wav"
    optional_library("soundfile").write(path, np.zeros(60, np.int16), _HZ)
    return path.name


def _edf(folder: pathlib.Path, name: str) -> str:
    edfio = optional_library("edfio")
    edfio.Edf([edfio.EdfSignal(np.arange(60.0), _HZ)]).write(folder / f"{name}.edf")
    return f"{name}.edf"


_KINDS = {
    "signals": (_npz, {"signal_key": "x", "rate_key": "fs"}),
    "tables": (_csv, {"time_column": "t"}),
    "audio": (_wav, {}),
    "edf": (_edf, {}),
}


def _source(folders: Folders, kind: str, **options: Any) -> Source:
    own = {"window_samples": _HZ, **_KINDS[kind][1], **options}
    return source_of(kind, folders.inputs, **own)


@pytest.mark.parametrize("kind", _KINDS)
def test_tables_beside_recordings_are_those_of_bids(folders: Folders, kind: str) -> None:
    for run in ("1", "2"):
        _KINDS[kind][0](folders.inputs, f"sub-01_run-{run}_eeg")
    path = _KINDS[kind][0](folders.inputs, "sub-02_run-1_eeg")
    for name, rows in {
        "sub-01_run-1": "1.0\t2.5\tgo\n3.2\tn/a\tstop\n",
        "sub-01_run-2": "0\t6\tstop\n",
        "sub-02_run-1": "n/a\tn/a\tn/a\n",
    }.items():
        text = f"onset\tduration\ttrial_type\n{rows}"
        (folders.inputs / f"{name}_events.tsv").write_text(text)
    source = _source(folders, kind, events_suffix="_events.tsv", unannotated="rest")
    files = [file.path for file in inputs_of(source)]
    assert len(files) == 3
    labels = {path[:12]: source.read(path).labels[0].tolist() for path in files}
    assert labels == {
        "sub-01_run-1": ["rest", "go", "go", "go", "rest", "rest"],
        "sub-01_run-2": ["stop"] * 6,
        "sub-02_run-1": ["rest"] * 6,
    }
    any_ = _source(folders, kind, events_suffix="_events.tsv", window_label="any", from_secs=0.5)
    found = any_.read(path.replace("sub-02", "sub-01")).labels[0].tolist()
    assert found == ["go", "go", "go", "none", "none"]
    described = source.describe(path)
    assert (described.labels[0].shape, described.labels[0].classes) == ((6,), ("rest",))
    assert described.checksum == source.read(path).checksum


def test_a_table_beside_one_that_cannot_be_read_rejects_that_one(folders: Folders) -> None:
    for name in "ab":
        _npz(folders.inputs, name)
    (folders.inputs / "a_events.tsv").write_text("onset\ttrial_type\n1\tx\n")
    (folders.inputs / "b_events.tsv").write_text("onset\ttrial_type\n1\n")
    source = _source(folders, "signals", events_suffix="_events.tsv")
    assert source.read("a.npz").labels[0].tolist() == ["none", "x", *["none"] * 4]
    with pytest.raises(RejectedInputError, match="line 2 has 1 cells"):
        source.describe("b.npz")


@pytest.mark.parametrize("kind", _KINDS)
def test_one_table_for_all_is_that_of_dcase(folders: Folders, kind: str) -> None:
    paths = [_KINDS[kind][0](folders.inputs, name) for name in "abc"]
    rows = f"{paths[0]},0.0,1.2,dog\nb,2,4,dog\nb,3.5,5,cat\nelsewhere,1,2,dog\nd,,,\n"
    table = folders.inputs / "strong.csv"
    table.write_text(f"filename,onset,offset,event_label\n{rows}")
    options = {"window_label": "share", "class_names": ("cat", "dog")}
    source = _source(folders, kind, events=str(table), **options)
    listed = [*source.list_inputs()]
    assert sorted(file.path for file in listed if isinstance(file, InputFile)) == paths
    surplus = [left for left in listed if isinstance(left, LeftOut) and left.what == "recording"]
    assert [left.example for left in surplus] == ["d", "elsewhere"]
    raw = source.read(paths[1])
    expected = [[0, 0], [0, 0], [0, 1], [0.5, 1], [1, 0], [0, 0]]
    np.testing.assert_allclose(raw.labels[0], expected)
    assert source.describe(paths[1]).labels[0].shape == (6, 2)
    with pytest.raises(RejectedInputError, match=r"no row in strong\.csv for its path, id or file"):
        source.describe(paths[2])
    source = _source(folders, kind, events=str(table), missing_events="none")
    assert source.read(paths[2]).labels[0].tolist() == ["none"] * 6
    assert source.read(paths[0]).labels[0].tolist() == ["dog", *["none"] * 5]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a,onset\nx,1\n", {}, "no column with the name of an event; it has a, onset"),
        ("onset,label\n1,x\n", {}, "no column with the recording .* --event_file_column"),
        ("file,start,label\na,1,x\n", {"end": "stop"}, "no column 'stop' .--end_column"),
    ],
)
def test_a_table_without_its_columns_is_told(
    tmp_path: pathlib.Path, text: str, columns: dict[str, str], message: str
) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_events(GFiles(), str(tmp_path / "a.csv"), EventColumns(**columns), False)


def test_a_row_that_makes_no_sense_rejects_its_recording_alone(folders: Folders) -> None:
    for name in "abcd":
        _npz(folders.inputs, name)
    rows = "a,1,2,x\nb,3,2,x\nc,soon,2,x\nd,,2,x\n"
    (folders.inputs / "e.csv").write_text(f"file,start,stop,label\n{rows}")
    source = _source(folders, "signals", events=str(folders.inputs / "e.csv"))
    assert source.read("a.npz").labels[0].tolist() == ["none", "x", "none", "none", "none", "none"]
    for name, message in {
        "b": "row 2 of e.csv: an event ends 1 s before it begins",
        "c": "row 3 of e.csv: 'soon' is no start in seconds",
        "d": "row 4 of e.csv: 'None' is no start",
    }.items():
        with pytest.raises(RejectedInputError, match=message):
            source.read(f"{name}.npz")


def test_a_set_with_events_is_converted_and_predicted(converter: Converter) -> None:
    """With groups from a table of participants, split at gaps; recordings without events, too.

    The events have the index column that pandas writes, and a column that must be named.
    """
    folder, lines = converter.folders.inputs, [",recording,from,duration_s,stage"]
    for number in range(12):
        signal = np.full((40, 1), number, np.float32)
        signal[20] = np.nan
        write_npz(converter.folders, f"sub-{number:02}", x=signal)
        lines += [f"0,sub-{number:02},1,1,A", f"1,sub-{number:02},3,1,B"] if number else []
    (folder / "events.csv").write_text("\n".join(lines))
    people = [f"sub-{number:02},{'xy'[number % 2]}" for number in range(12)]
    (folder / "participants.csv").write_text("\n".join(["participant_id,site", *people]))
    dataset = converter.dataset(
        f"--events={folder}/events.csv", "--missing_events=none", "--sample_rate_hz=10",
        "--start_column=from",
        "--window_samples=10", "--non_finite=split", "--tail=pad", "--splits=train=1",
        f"--labels={folder}/participants.csv", "--group_column=site",
    )  # fmt: skip
    assert not rejects(dataset)
    assert dataset.schema.label.class_names == ("A", "B", "none")
    found = {name: record["label"].tolist() for name, record in read_records(dataset).items()}
    assert len(found) == 24
    assert (found["sub-00#0-20"], found["sub-00#21-40"]) == ([2, 2], [2, 2])
    assert (found["sub-07#0-20"], found["sub-07#21-40"]) == ([2, 0], [2, 1])
    raw = RawFolder(str(folder), dataset.schema.input, dataset.manifest.options)
    assert len(raw.paths) == 24


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"events": "e.csv", "events_suffix": "_e.csv"}, "give --events or --events_suffix"),
        ({"events": "e.csv", "label_key": "y"}, "give --events or --label_key: there is one"),
        ({"start_column": "a"}, "--start_column is of events; name them with --events"),
        ({"missing_events": "none"}, "--missing_events is of events"),
        ({"events_suffix": "_e", "missing_events": "none"}, "for one table of all recordings"),
        ({"events": "e", "end_column": "a", "duration_column": "b"}, "not both"),
    ],
)
def test_flags_that_contradict_are_refused(
    folders: Folders, options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _source(folders, "signals", **options)
