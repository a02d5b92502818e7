"""A conversion ends with what was left out or changed, and why; names are compared in one form."""

import os
import re
import unicodedata
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from pipeline.conversion.shard_plan import count_sizes
from pipeline.sources.division.group_splits import count_groups, divide, refuse_splits, spec_of
from pipeline.sources.division.split_table import SplitTable
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.signals import SignalOptions, SignalSource
from pipeline.sources.label_kinds import plan_labels
from pipeline.sources.labels.fits import fit_of
from pipeline.sources.labels.label import Label
from pipeline.sources.source import Description
from tests.pipeline.conversions import (
    Converter,
    Folders,
    hashes,
    read_records,
    rejects,
    write_npz,
    write_recordings,
)
from tfrecords_schema import DatasetError, open_dataset
from tfrecords_schema.left_out import LeftOut

_TRAIN = "--splits=train=1"
_TAILS = "at the ends of recordings, less than a window of 10; --tail=pad keeps them"


def test_all_that_is_left_out_is_counted_with_its_reason_and_an_example(
    folders: Folders, converter: Converter
) -> None:
    random = np.random.default_rng(0)
    for number in range(6):
        signal = random.normal(size=(20 + number, 2))
        write_npz(folders, f"r{number}", signal=signal, label=number % 2, rate=100, note="x")
    write_npz(folders, "odd", signal=np.float32([[np.nan, 1]] * 10), label=0)
    for name in ("a.txt", "b.TXT", "c.csv", "._r0.npz", "no_ending"):
        (folders.inputs / name).touch()
    (folders.inputs / "empty.npz").touch()
    (folders.inputs / ".git").mkdir()
    flags = (
        _TRAIN, "--window_samples=10", "--non_finite=zero", "--num_shards=3",
        "--max_rejected_fraction=0.5",
    )  # fmt: skip
    dry = converter.run(*flags, "--dry_run")
    dataset = converter.dataset(*flags)
    assert [*dataset.manifest.left_out] == [
        LeftOut("sample", _TAILS, 15, "r1.npz"),
        LeftOut("value", "NaN or infinity, 0 now (--non_finite=zero)", 10, "odd.npz"),
        LeftOut("recording", "arrays 'note', 'rate' not used", 6, "r0.npz"),
        LeftOut("recording", "signal float64, stored as float32", 6, "r0.npz"),
        LeftOut("file", "ending in .txt, no npz file", 2, "a.txt"),
        LeftOut("file", "ending in .csv, no npz file", 1, "c.csv"),
        LeftOut("file", "hidden, its name begins with a dot", 1, "._r0.npz"),
        LeftOut("file", "without an ending, no npz file", 1, "no_ending"),
        LeftOut("folder", "its name begins with a dot", 1, ".git"),
    ]  # fmt: skip
    written = hashes(folders.dataset)
    again = converter.run(
        *flags, "--overwrite", "--direct_num_workers=2", "--direct_running_mode=multi_threading"
    )
    assert hashes(folders.dataset) == written
    said = again.text.partition("left out or changed: ")[2].partition(" worth a look: ")[0]
    assert "6 recordings: arrays 'note', 'rate' not used (as r0.npz) " in said
    # A dry run reads no data, so it does not know of the values.
    assert re.sub(r"10 values: .*?npz\) ", "", said) in dry.text


def test_without_labels_the_arrays_that_might_be_some_are_named(folders: Folders) -> None:
    write_npz(folders, "a", x=np.ones((3, 2), np.float32), target=7)
    options = SignalOptions(str(folders.inputs), "", "test")
    (row,) = SignalSource(options, GFiles()).describe("a.npz").left_out
    assert row.reason == (
        "array 'target' not used; if the label is among them, name it with --label_key"
    )


def test_files_of_another_kind_are_named_where_there_are_no_others(
    folders: Folders, converter: Converter
) -> None:
    for number in range(3):
        np.save(folders.inputs / f"{number}.npy", np.ones(3))
    for flags in ((), ("--dry_run",)):
        outcome = converter.run(*flags)
        assert outcome.code == 1
        assert "no npz file under --input_dir=" in outcome.text
        assert "3 files: ending in .npy, no npz file (as 0.npy)" in outcome.text


def _guess(label: Label, count: int, classes: int, kind: str = "auto") -> str:
    """What is said of so many records with such a label each, of 7 steps."""
    fit = fit_of(label, Description("r", "", "r", "", "", "uint8", 7, (1,)))
    assert fit is not None
    found = {fit: range(classes)}
    return plan_labels({fit: count}, found, kind=kind, class_names=()).guess


def test_labels_that_may_be_meant_otherwise_are_told():
    number = Label("integer", "int64", ())
    said = "whole numbers taken for 30 classes, in 40 recordings; --label_kind=record_value makes"
    assert said in _guess(number, 40, 30)
    for count, classes, kind in ((40, 30, "record_class"), (90, 30, "auto"), (9, 8, "auto")):
        assert not _guess(number, count, classes, kind)
    said = "labels of shape [7] taken as one per step, and not as one per record, which fits as"
    assert said in _guess(Label("value", "float32", (7,)), 5, 0)
    assert not _guess(Label("value", "float32", (7,)), 5, 0, "step_value")
    assert not _guess(Label("value", "float32", (7, 2)), 5, 0, "step_value")
    assert not _guess(Label("integer", "int64", (7,)), 5, 3)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_compared_in_one_form(folders: Folders, converter: Converter, form: Any) -> None:
    other = "NFD" if form == "NFC" else "NFC"
    targets = folders._replace(inputs=folders.inputs.parent / "targets")
    for number, person in enumerate(["Jos\u00e9", "Ana", "Bob", "Bj\u00f6rn"]):
        for take in range(2):
            folder, label = f"{person}/{take}", ["caf\u00e9", "th\u00e9"][take]
            written = unicodedata.normalize([other, form][number % 2], folder)
            looked_for = unicodedata.normalize([form, other][number % 2], folder)
            x = np.full((3, 2), number, np.float32)
            write_npz(folders, written, **{unicodedata.normalize(other, "gr\u00f6\u00dfe"): x})
            label = unicodedata.normalize([form, other][number % 2], label)
            write_npz(targets, looked_for, label=np.array(label))
    typed = (
        "--group_regex=^[^/]+", "--split_regex=^(?P<test>Jos\u00e9|Ana)/",
        "--class_names=th\u00e9,caf\u00e9", "--signal_key=gr\u00f6\u00dfe",
        f"--target_dir={targets.inputs}",
    )  # fmt: skip
    dataset = converter.dataset(*(unicodedata.normalize(form, flag) for flag in typed))
    assert {*dataset.split("test").groups()} == {"Jos\u00e9", "Ana"}
    assert {*dataset.split("train").groups()} == {"Bob", "Bj\u00f6rn"}
    assert dataset.schema.label is not None
    assert dataset.schema.label.class_names == ("th\u00e9", "caf\u00e9")
    labels = {name: int(record["label"]) for name, record in read_records(dataset).items()}
    assert labels == {name: 1 - int(name[-1]) for name in labels}
    assert len(labels) == 8


def test_few_people_are_divided_and_it_is_said(folders: Folders, converter: Converter) -> None:
    write_recordings(folders, 10, group_size=2)
    groups = r"--group_regex=^g\d+"
    outcome = converter.run(groups)
    said = "so they are divided by --splits=test=1,validation=1,train=rest; more groups may"
    assert said in outcome.text
    splits = open_dataset(str(folders.dataset)).manifest.splits
    found = {name: (entry.groups, entry.records) for name, entry in splits.items()}
    assert found == {"test": (1, 2), "train": (3, 6), "validation": (1, 2)}
    asked = converter.run(
        groups, "--splits=test=1,validation=1,train=rest", "--dry_run", "--overwrite"
    )
    for name, (groups_of, records) in found.items():
        assert f"{name} {records} {groups_of}" in asked.text
    assert "left out" not in asked.text


def test_one_person_gets_an_advice_that_helps_and_a_folder_that_says_so(
    folders: Folders, converter: Converter
) -> None:
    write_recordings(folders, 4)
    one = "--group_regex=^g"
    outcome = converter.run(one)
    assert outcome.code == 1
    assert (
        "1 group divided by --splits=train=0.8,validation=0.1,test=0.1; use --splits=train=1,"
        in (outcome.text)
    )
    with pytest.raises(DatasetError, match=r"committed nothing, as split 'validation' has no"):
        open_dataset(str(folders.dataset))
    assert len(converter.dataset(one, _TRAIN).split("train")) == 4


@hypothesis.settings(deadline=None)
@hypothesis.given(
    st.integers(1, 40),
    st.sampled_from(
        ["", "train=0.5,test=0.5", "a=0.9,b=0.05,c=0.05", "test=3,train=rest", "a=2,b=2,c=rest"]
    ),
    st.integers(0, 20),
)
def test_what_a_refusal_of_splits_advises_is_not_refused(count, splits, seed):
    found = [Description(f"r{i}", "", f"g{i}", "", "", "uint8", 1, (1,)) for i in range(count)]

    def refused(splits: str) -> str:
        options = SignalOptions("", "", "test", splits=splits, split_seed=seed)
        groups = count_groups(((one.group, "", "", ()) for one in found), options, SplitTable(), 0)
        return refuse_splits(count_sizes(divide(found, groups, options)).records, groups, options)

    refusal = refused(splits)
    if not splits and count > 1:
        assert not refusal
    if refusal:
        advice = re.search(r"use (?:counts \()?--splits=(\S+?)\)?, or", refusal)
        assert advice
        assert not refused(advice[1])


def test_shares_that_were_asked_for_are_never_changed():
    options = SignalOptions("", "", "test", splits="train=0.8,validation=0.1,test=0.1")
    groups = count_groups([("a", "", "x", ()), ("b", "", "y", ())], options, SplitTable(), 0)
    assert spec_of(groups, options) == options.split_spec


def test_an_input_that_the_file_system_refuses_is_a_reject(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(folders, 4)
    read = {"describe": SignalSource.describe, "read": SignalSource.read}
    for stage, path in (("describe", "g000_0000.npz"), ("read", "g001_0001.npz")):

        def denied(source: Any, found: str, stage: str = stage, path: str = path) -> Any:
            if found == path:
                raise PermissionError(13, os.strerror(13), path)
            return read[stage](source, found)

        monkeypatch.setattr(SignalSource, stage, denied)
    dataset = converter.dataset(_TRAIN, "--max_rejected_fraction=0.5")
    assert [(one["path"], one["stage"], one["reason"]) for one in rejects(dataset)] == [
        (path, stage, "cannot be read (Permission denied); make it readable, or copy it again")
        for path, stage in (("g000_0000.npz", "describe"), ("g001_0001.npz", "write"))
    ]
