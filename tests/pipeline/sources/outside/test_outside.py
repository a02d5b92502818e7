"""Labels, groups and splits from a table or the path, in front of any kind of folder."""

import unicodedata
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source
from pipeline.sources.kinds.audio import AudioOptions
from pipeline.sources.kinds.image_folders import ImageFolderOptions
from pipeline.sources.kinds.signals import SignalOptions
from pipeline.sources.source import Source
from tests.optional import optional_library
from tests.pipeline.conversions import Converter, Folders, read_records, rejects, write_npz
from tests.pipeline.sources.made import inputs_of
from tfrecords_schema.left_out import LeftOut

_X = np.zeros((4, 2), np.float32)


def _source(folders: Folders, kind: Any = SignalOptions, **options: Any) -> Source:
    return make_source(kind(str(folders.inputs), "", "test", **options), GFiles())


def _table(folders: Folders, content: str, name: str = "labels.csv") -> str:
    path = folders.inputs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return str(path)


@pytest.mark.parametrize("key", ["s1/a.npz", "./s1/a.npz", "s1\\a.npz", "s1/a", "a.npz", "a"])
def test_a_row_is_found_by_path_id_or_name(folders: Folders, key: str) -> None:
    write_npz(folders, "s1/a", signal=_X, label=3)
    labels = _table(folders, f"file_name,label,who,part\n{key},dog,Z\u00e9,test\n")
    source = _source(
        folders, labels=labels, signal_key="signal", group_column="who", split_column="part"
    )
    found, raw = source.describe("s1/a.npz"), source.read("s1/a.npz")
    assert (found.labels[0].classes, found.group, found.split) == (("dog",), "Z\u00e9", "test")
    assert raw.labels[0].tolist() == "dog"
    assert raw.checksum == found.checksum
    assert [file.path for file in inputs_of(source)] == ["s1/a.npz"]


def test_missing_and_surplus_rows_are_named(converter: Converter) -> None:
    folders = converter.folders
    for name in "abcdefgh":
        write_npz(folders, name, signal=_X)
    rows = "".join(f"{name},{number % 2}\n" for number, name in enumerate("bcdefghxy"))
    labels = f"--labels={_table(folders, 'id,label' + chr(10) + rows)}"
    dataset = converter.dataset(labels, "--max_rejected_fraction=0.125", "--splits=train=1")
    found = {
        record["id"].decode(): int(record["label"]) for record in read_records(dataset).values()
    }
    assert found == {name: number % 2 for number, name in enumerate("bcdefgh")}
    assert {(r["path"], r["reason"]) for r in rejects(dataset)} == {
        (
            "a.npz",
            "no row in labels.csv for its path, id or file name; add it, or remove the input; "
            "--unlabelled=keep keeps such recordings for prediction, drop leaves them out",
        ),
    }
    why = "of labels.csv, for no input; remove them, or add the files"
    assert LeftOut("row", why, 2, "x") in dataset.manifest.left_out
    assert dataset.manifest.options["labels"] == "table"


def test_a_row_is_for_one_input_and_an_input_has_one_row(folders: Folders) -> None:
    for name in ("s1/a", "s2/a", "b"):
        write_npz(folders, name, signal=_X)
    labels = _table(folders, "id,label\na,x\nb,x\nb,y\n")
    source = _source(folders, labels=labels)
    problems = {file.path: file.problem for file in inputs_of(source)}
    assert "also that of s2/a.npz" in problems["s1/a.npz"]
    assert "also that of s1/a.npz" in problems["s2/a.npz"]
    with pytest.raises(RejectedInputError, match=r"rows 2 and 3 of labels\.csv are both for it"):
        source.describe("b.npz")


def test_a_row_may_be_for_all_inputs_of_a_group(folders: Folders) -> None:
    for name in ("sub-01_a", "sub-01_b", "sub-02_a"):
        write_npz(folders, name, signal=_X)
    table = _table(folders, "participant_id\tdiagnosis\nsub-01\tALS\nsub-02\tno\n", "people.tsv")
    source = _source(folders, labels=table, group_regex=r"(ses-)?sub-\d+")
    assert not any(file.problem for file in inputs_of(source))
    labels = [source.read(f"{name}.npz").labels[0].tolist() for name in ("sub-01_a", "sub-01_b")]
    assert labels == ["ALS", "ALS"]


def test_groups_alone_leave_the_label_where_it_is(folders: Folders) -> None:
    write_npz(folders, "a", signal=_X, label=3)
    table = _table(folders, "id,who\na,7\n")
    source = _source(folders, labels=table, group_column="who")
    assert (source.describe("a.npz").group, source.read("a.npz").labels[0]) == ("7", 3)


def test_a_row_without_a_group_is_rejected_and_not_a_group_of_its_own(folders: Folders) -> None:
    write_npz(folders, "a", signal=_X, label=3)
    source = _source(folders, labels=_table(folders, "id,who\na,\n"), group_column="who")
    with pytest.raises(RejectedInputError, match="has no group; fill it in"):
        source.describe("a.npz")


def test_the_label_may_be_in_the_path_of_any_kind(folders: Folders) -> None:
    write_npz(folders, "walk/7_a", signal=_X, label=3)
    source = _source(folders, label_regex="^[^/]+", signal_key="signal")
    assert source.describe("walk/7_a.npz").labels[0].classes == ("walk",)
    assert source.read("walk/7_a.npz").labels[0].tolist() == "walk"
    value = _source(folders, label_regex=r"(\d+)_", signal_key="signal", label_kind="record_value")
    assert value.read("walk/7_a.npz").labels[0] == np.float32(7)
    with pytest.raises(RejectedInputError, match="does not match the path"):
        _source(folders, label_regex="run", signal_key="signal").describe("walk/7_a.npz")


def test_frames_may_have_their_label_in_a_table(folders: Folders) -> None:
    from PIL import Image

    (folders.inputs / "clips" / "one").mkdir(parents=True)
    Image.new("RGB", (4, 3)).save(folders.inputs / "clips" / "one" / "1.png")
    source = _source(folders, ImageFolderOptions, labels=_table(folders, "id,y\none,0.5\n"))
    assert source.read("clips/one").labels[0] == np.float32(0.5)


@pytest.fixture
def sounds(folders: Folders) -> Folders:
    soundfile = optional_library("soundfile")
    for name in ("train/a", "train/deep/b", "test/c", "d"):
        path = folders.inputs / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(8, np.int16), 8000)
    return folders


def test_metadata_beside_or_above_is_read_by_itself(sounds: Folders) -> None:
    _table(sounds, "file_name,label\na.wav,x\ndeep/b.wav,y\nz.wav,y\n", "train/metadata.csv")
    _table(sounds, '{"file_name": "c.wav", "label": 2}\n', "test/metadata.jsonl")
    source = _source(sounds, AudioOptions)
    found = {file.path: file.problem for file in inputs_of(source)}
    assert found == dict.fromkeys(("train/a.wav", "train/deep/b.wav", "test/c.wav", "d.wav"), "")
    (unused,) = (
        row for row in source.list_inputs() if isinstance(row, LeftOut) and row.what == "row"
    )
    assert unused.reason.startswith("of metadata.csv, for no input")
    assert unused.example == "z.wav"
    labels = [source.read(p).labels[0] for p in ("train/a.wav", "train/deep/b.wav", "test/c.wav")]
    assert [label.tolist() for label in labels] == ["x", "y", 2]
    assert source.read("d.wav").labels[0] is None


def test_an_input_is_listed_once_whether_a_table_is_for_it_or_not(sounds: Folders) -> None:
    for name in ("a/1.wav", "a/2.wav", "b/1.wav"):
        (sounds.inputs / name).parent.mkdir(exist_ok=True)
        (sounds.inputs / name).write_bytes(b"x")
    (sounds.inputs / "a" / "x.txt").write_bytes(b"x")
    _table(sounds, "file_name,label\n1.wav,x\n9.wav,y\n", "a/metadata.csv")
    source = _source(sounds, AudioOptions)
    assert sorted(f.path for f in inputs_of(source) if f.path[1] == "/") == [
        "a/1.wav", "a/2.wav", "b/1.wav",
    ]  # fmt: skip
    left_out = [f for f in source.list_inputs() if isinstance(f, LeftOut)]
    assert sum(f.example == "a/x.txt" for f in left_out) == 1
    assert [f.example for f in left_out if f.what == "row"] == ["9.wav"]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_pattern_of_labels_finds_a_letter_in_either_form(folders: Folders, forms: Any) -> None:
    in_name, typed = (unicodedata.normalize(form, "th\u00e9") for form in forms)
    path = write_npz(folders, f"{in_name}_1", signal=_X)
    source = _source(folders, label_regex=f"^({typed}|caf)_")
    assert source.read(path.name).labels[0].tolist() == "th\u00e9"


def test_metadata_is_not_read_where_labels_are_named(sounds: Folders) -> None:
    _table(sounds, "file_name,label\na.wav,x\n", "train/metadata.csv")
    source = _source(sounds, AudioOptions, label_regex=r"\w+$|(\w)\.wav")
    assert source.read("train/a.wav").labels[0].tolist() == "a"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_column": "who"}, "--group_column is of a table; name that with --labels"),
        ({"labels": "a.csv", "label_key": "x"}, "has no effect: the label is elsewhere"),
        ({"label_regex": "a", "label_key": "x"}, "give --label_key or --label_regex, not both"),
        (
            {"labels": "a.csv", "label_column": "y", "label_regex": "a"},
            "give --label_column or --label_regex",
        ),
        (
            {"labels": "a.csv", "group_column": "y", "group_regex": "a"},
            "give --group_regex or --group_column, not both",
        ),
        ({"label_regex": "("}, r"--label_regex=\(: not a regular expression"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    folders: Folders, options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _source(folders, **options)
