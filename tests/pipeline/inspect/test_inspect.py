"""`python -m pipeline.inspect`: what it says is what the records are, within 80 columns."""

import dataclasses
import json
import pathlib
import re
import types

import numpy as np
import pytest

from pipeline.inspect import tables, text
from pipeline.inspect.__main__ import main
from pipeline.inspect.facts import gather
from pipeline.inspect.text import notes
from pipeline.verification.verify import verify_dataset
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    SIGNAL_AND_CLASS,
    VALUE_PER_RECORD,
    VALUE_PER_STEP,
    VALUE_SEQUENCE,
    Record,
    random_records,
    toy_dataset,
    write_dataset,
)
from tests.forks.process import Process
from tfrecords_schema import InputSpec, LabelSpec, RecordSchema
from tfrecords_schema.manifest import sealed_json

_LABELS = [
    CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_RECORD, VALUE_PER_STEP, VALUE_SEQUENCE, None,
]  # fmt: skip
_LONG = "name_of_more_than_eighty_characters_" * 3


def _inspect(capsys, *flags):
    capsys.readouterr()
    try:
        code = main(flags)
    except SystemExit as error:  # argparse
        code = int(error.code)
    return code, *capsys.readouterr()


def _cells(text, first):
    """The cells of the line that begins with a text."""
    line = next(line for line in text.splitlines() if line.startswith(first))
    return re.split(r"\s{2,}", line)


@pytest.mark.parametrize("label", _LABELS, ids=lambda label: label and f"{label.per}-{label.kind}")
def test_splits_and_classes_are_counted(tmp_path, capsys, label):
    dataset, splits = toy_dataset(tmp_path, label=label)
    code, out, _ = _inspect(capsys, dataset.path, "--no_html")
    assert code == 0
    for name, records in splits.items():
        lengths = sorted(record.steps for record in records)
        middle = lengths[(len(lengths) - 1) // 2]
        groups = len({record.group for record in records})
        cells = [len(records), groups, sum(lengths), lengths[0], middle, lengths[-1]]
        assert _cells(out, f"{name} ")[1:7] == [str(cell) for cell in cells]
    if label is not None and label.kind == "class":
        values = np.concatenate([np.ravel(record.label) for record in splits["train"]])
        for index, name in enumerate(label.class_names):
            share = f"{np.sum(values == index)} ({np.mean(values == index):.1%})"
            assert _cells(out, f"{index} = {name}")[1] == share


def test_channels_are_those_of_the_training_split(tmp_path, capsys):
    dataset, splits = toy_dataset(tmp_path)
    _, out, _ = _inspect(capsys, dataset.path, "--no_html")
    values = np.concatenate([record.data for record in splits["train"]]).astype(float)
    table = out[out.index("channel of train") :]
    for channel, column in enumerate(values.T):
        figures = (column.mean(), column.std(), column.min(), column.max())
        assert _cells(table, f"{channel} ")[1:] == [f"{figure:.4g}" for figure in figures]


def test_padding_falls_with_the_number_of_buckets(tmp_path, capsys):
    lengths = [1, 1, 2, 5, 5, 6, 30, 31]
    schema = RecordSchema(InputSpec("signal", "float32", (2,)))
    dataset = write_dataset(tmp_path, {"train": random_records(lengths, schema)}, schema)
    rows = gather(dataset).lengths.buckets
    assert [len(row.boundaries) for row in rows] == [1, 2, 4, 6]
    for row in rows:
        padded = [min(b for b in row.boundaries if b >= length) for length in lengths]
        assert row.padding_share == pytest.approx(1 - sum(lengths) / sum(padded))
    assert rows[1].boundaries == (6, 31)
    _, out, _ = _inspect(capsys, dataset.path, "--no_html")
    assert re.search(r"\n +1 +67\.3%  31\n +2 +17\.3%  6, 31\n", out)
    assert re.search(r"\n +1 to 4  #+ 3\n +5 to 8  #+ 3\n +9 to 12  0\n", out)


def test_lengths_are_those_of_the_labels_where_every_input_is_one_step(tmp_path):
    schema = RecordSchema(InputSpec("signal", "float32", (4,)), VALUE_SEQUENCE)
    records = random_records([1] * 9, schema)
    lengths = gather(write_dataset(tmp_path, {"train": records}, schema)).lengths
    assert lengths.of_labels
    counted = {n: sum(len(r.label) == n for r in records) for n in lengths.histogram}
    assert lengths.histogram == counted


@pytest.mark.parametrize("kind", ["names", "splits", "classes", "channels", "lengths"])
def test_lines_fit_a_terminal_of_80_columns(tmp_path, capsys, kind):
    names = tuple(f"{_LONG}{i}" for i in range(90 if kind == "classes" else 2))
    label = LabelSpec("step", "class", class_names=names)
    step_shape = (50,) if kind == "channels" else (2,)
    schema = RecordSchema(InputSpec("signal", "float32", step_shape), label)
    lengths = [1, 3, 100_000] if kind == "lengths" else list(range(1, 60))
    splits = [f"train_{i}" for i in range(9)] if kind == "splits" else ["train", "test"]
    records = {split: random_records(lengths, schema, prefix=f"{_LONG}{split}") for split in splits}
    dataset = write_dataset(tmp_path, records, schema)
    reject = {"path": _LONG, "stage": "describe", "reason": f"{_LONG} cannot be read; repair it"}
    pathlib.Path(dataset.path, "rejects.jsonl").write_text(json.dumps(reject) + "\n")
    flags = ("--no_html", "--replicas=30", "--batch_size=3")
    code, out, _ = _inspect(capsys, dataset.path, *flags)
    assert code == 0
    words = [word for word in out.split() if len(word) <= 80]
    assert len(words) > 100
    # A single word that is longer than a line cannot be helped.
    assert [line for line in out.splitlines() if len(line) > 80 and _LONG not in line] == []
    tables = [line for line in out.splitlines() if "  " in line.strip()]
    assert max(map(len, tables)) <= 80


def test_an_empty_split_and_a_dataset_without_records_are_shown(tmp_path, capsys):
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), CLASS_PER_STEP)
    some = write_dataset(tmp_path / "a", {"train": random_records([3], schema), "test": []}, schema)
    none = write_dataset(tmp_path / "b", {"train": [], "test": []}, schema)
    for dataset, records in ((some, 1), (none, 0)):
        code, out, _ = _inspect(capsys, dataset.path, "--plan", f"--html={tmp_path}/p.html")
        assert code == 0
        assert f": {records} record" in out
        assert "split test is empty" in out


def test_rejects_are_grouped_by_reason(tmp_path, capsys):
    dataset, _ = toy_dataset(tmp_path)
    lines = [
        {"path": f"{i}.npz", "stage": "read", "reason": f"cut short at byte {i}"} for i in range(7)
    ]
    lines.append({"path": "x.npz", "stage": "describe", "reason": "no array"})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    pathlib.Path(dataset.path, "rejects.jsonl").write_text(text)
    page = tmp_path / "page.html"
    _, out, _ = _inspect(capsys, dataset.path, f"--html={page}")
    assert "rejected 8 of 40 inputs" in out
    assert "7 at read: cut short at byte 0\n      0.npz, 1.npz, 2.npz, ...\n" in out
    assert "1 at describe: no array" in out
    assert "cut short at byte 0" in page.read_text()


def test_a_reject_may_have_a_line_break_of_unicode_in_its_name(tmp_path, capsys):
    dataset, _ = toy_dataset(tmp_path)
    reject = {"path": "a\u2028b.npz", "stage": "read", "reason": "no array"}
    text = json.dumps(reject, ensure_ascii=False) + "\n"
    pathlib.Path(dataset.path, "rejects.jsonl").write_text(text)
    code, out, _ = _inspect(capsys, dataset.path, "--no_html")
    assert code == 0
    assert "1 at read: no array" in out


@pytest.mark.parametrize("content", [None, "{", '{"path": "a"}', "7"])
def test_rejects_that_cannot_be_read_are_named(tmp_path, capsys, content):
    dataset, _ = toy_dataset(tmp_path)
    path = pathlib.Path(dataset.path, "rejects.jsonl")
    path.unlink() if content is None else path.write_text(content)
    code, out, err = _inspect(capsys, dataset.path, "--no_html")
    assert (code, out) == (1, "")
    assert f"error: {path} cannot be read (" in err


def test_a_dataset_that_is_fine_gives_no_notes(tmp_path):
    schema = SIGNAL_AND_CLASS
    splits = {
        split: [
            Record(f"{split}{i}", record.data, i % 3, record.group)
            for i, record in enumerate(random_records([4] * 12, schema, prefix=split))
        ]
        for split in ("train", "test")
    }
    assert notes(gather(write_dataset(tmp_path, splits, schema))) == []


def test_what_is_worth_a_look_is_named(tmp_path):
    schema = SIGNAL_AND_CLASS
    data = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32) * [1, 0]
    data = data.astype(np.float32)
    train = [Record(f"r{i}", data, int(i == 0), f"g{i}") for i in range(9)]
    train.append(Record("long", np.tile(data, (9, 1)), 0, "shared"))
    splits = {"train": train, "test": [Record("t", data, 0, "shared")], "validation": []}
    found = "\n".join(notes(gather(write_dataset(tmp_path, splits, schema))))
    assert "1 of 10 groups have records in more than one split" in found
    assert "train has no label of class fall" in found
    assert "test has no label of the classes move, fall" in found
    assert "split validation is empty" in found
    assert "90.0% of the labels of train are rest" in found
    assert "channel 1 never changes" in found
    assert "the longest record of train is 9 times as long as the median" in found


def test_records_that_are_groups_of_their_own_are_noted(tmp_path):
    schema = RecordSchema(InputSpec("signal", "float32", (2,)))
    records = [Record(f"r{i}", r.data, None, f"g{i}") for i, r in enumerate(
        random_records([3, 4, 5], schema)
    )]  # fmt: skip
    (note,) = notes(gather(write_dataset(tmp_path, {"train": records}, schema)))
    assert "every record is a group of its own" in note


def test_nothing_is_written_into_the_dataset_folder(tmp_path, capsys, monkeypatch):
    dataset, _ = toy_dataset(tmp_path)
    inside = pathlib.Path(dataset.path)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, out, _ = _inspect(capsys, dataset.path)
    assert code == 0
    assert out.endswith("page: inspect-toy-1.0.0.html\n")
    assert [path.name for path in pathlib.Path().iterdir()] == ["inspect-toy-1.0.0.html"]
    monkeypatch.chdir(inside)
    for flags in ([], [f"--html={inside}/page.html"], ["--html=below/page.html"]):
        code, _, err = _inspect(capsys, ".", *flags)
        assert code == 1
        assert "name another place with --html" in err
    assert list(verify_dataset(dataset.path)) == []


@pytest.mark.parametrize(
    ("flag", "code", "message"),
    [
        ("--split=trian", 1, "no split 'trian', it has test, train, validation; did you mean"),
        ("--batch_size=0", 1, "batch_size is 0; it must be at least 1"),
        ("--batch_steps=1", 1, "set batch_steps to at least"),
        ("--boundaries=9,3", 1, "they must be positive and ascending"),
        ("--boundaries=a", 2, "--boundaries=a: expected whole numbers with commas between them"),
        ("--batchsize=3", 2, "unknown flag --batchsize; did you mean --batch_size?"),
        ("--replicas=0", 1, "num_replicas is 0; it must be at least 1"),
        (f"--batch_size={10**18}", 1, "it must be at most 2147483647"),
        (f"--batch_size={10**20}", 2, f"{10**20}: expected a number of fewer digits"),
        (f"--replicas={10**18}", 2, f"--replicas={10**18}: expected at most 100000"),
        ("--html=/proc/nowhere/page.html", 1, "cannot be written to /proc/nowhere/page.html"),
    ],
)
def test_a_mistake_is_named(tmp_path, capsys, flag, code, message):
    dataset, _ = toy_dataset(tmp_path, max_steps=12)
    found, _, err = _inspect(capsys, dataset.path, flag)
    assert found == code
    assert message in err


def test_where_nobody_reads_the_text_the_page_is_written_all_the_same(tmp_path):
    dataset, _ = toy_dataset(tmp_path)
    command = ("pipeline.inspect.__main__", dataset.path, f"--html={tmp_path}/page.html")
    process = Process(*command, log=tmp_path / "log", unread=True)
    assert (process.wait(), process.output()) == (0, "")
    assert (tmp_path / "page.html").is_file()


def test_a_fault_in_the_code_is_not_hidden(tmp_path, capsys, monkeypatch):
    def broken(*_):
        raise ValueError("a bug")

    dataset, _ = toy_dataset(tmp_path)
    monkeypatch.setattr("pipeline.inspect.__main__.gather", broken)
    with pytest.raises(ValueError, match="a bug"):
        _inspect(capsys, dataset.path, "--no_html")


def test_a_folder_that_is_no_dataset_is_refused(tmp_path, capsys):
    code, out, err = _inspect(capsys, str(tmp_path))
    assert (code, out) == (1, "")
    assert "is not a dataset folder" in err


def test_channels_are_named_where_their_names_are_known(tmp_path):
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 2})
    for names, expected in ((["x", "y", "age"], ["x", "y", "age"]), (["x"], [0, 1, 2])):
        manifest = dataclasses.replace(dataset.manifest, options={"channels": names})
        facts = types.SimpleNamespace(dataset=dataclasses.replace(dataset, manifest=manifest))
        assert [row[0] for row in tables.channels(facts).rows] == expected


def test_of_very_many_notes_the_first_are_told(monkeypatch):
    manifest = types.SimpleNamespace(statistics=None)
    facts = types.SimpleNamespace(
        dataset=types.SimpleNamespace(manifest=manifest), splits=[], shortcuts=[]
    )
    monkeypatch.setattr(text, "doubts", lambda _: [f"split s{n} is empty" for n in range(50_000)])
    found = text.all_notes(facts)
    assert len(found) == 101
    assert found[-1] == "and 49,900 more"


@pytest.mark.parametrize("histogram", [{}, {"3": 1}], ids=str)
def test_lengths_of_another_number_of_records_are_shown_as_they_are(histogram, tmp_path, capsys):
    dataset, _ = toy_dataset(tmp_path)
    path = pathlib.Path(dataset.path) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["splits"]["train"]["length_histogram"] = histogram
    path.write_text(sealed_json(manifest))
    code, _, error = _inspect(capsys, dataset.path, "--no_html")
    assert code == 0, error
    assert [*verify_dataset(dataset.path)]
