"""`--stratify` and `--splits_from`: which group is where, and what `--dry_run` says beforehand."""

import pathlib
import random
import re

import numpy as np
import pytest

from pipeline.sources.division import group_splits
from pipeline.sources.division.group_splits import (
    add_group_counts,
    count_groups,
    decide_splits,
    refuse_splits,
)
from pipeline.sources.division.split_table import SplitTable
from pipeline.sources.kinds.signals import SignalOptions
from pipeline.sources.splits import stable_hash
from tests.pipeline.conversions import Converter, Folders, hashes, write_npz
from tfrecords_schema import Dataset, read_rows

_SPLITS = "--splits=train=0.6,validation=0.2,test=0.2"
_PEOPLE = r"--group_regex=subject_\d+"


def _write(folders: Folders, people: range, label: str = "step", takes: int = 1) -> None:
    """Recordings of people; only every fifth person has the class `rare`, twice in each."""
    for person in people:
        for take in range(takes):
            rng = np.random.default_rng([person, take])
            steps = int(rng.integers(5, 9))
            labels = rng.choice(["a", "b"], steps).astype("U4")
            labels[:2] = "rare" if person % 5 == 0 else "a"
            write_npz(
                folders,
                f"subject_{person:02d}_{take}",
                signal=rng.normal(size=(steps, 1)).astype(np.float32),
                label=labels if label == "step" else labels[0],
            )


def _split_of(dataset: Dataset) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in read_rows(f"{dataset.path}/index.parquet"):
        assert found.setdefault(row.group, row.split) == row.split
    return found


def _worth_a_look(text: str) -> str:
    return (
        text.partition("worth a look:")[2]
        .partition(" nothing was written")[0]
        .partition(" dataset:")[0]
        .strip()
    )


def test_every_split_has_its_share_of_every_class_and_no_group_moves_later(
    folders: Folders, converter: Converter
) -> None:
    _write(folders, range(25))
    shown = converter.run("--stratify", _SPLITS, _PEOPLE, "--dry_run").text
    first = converter.dataset("--stratify", _SPLITS, _PEOPLE)
    bytes_of = hashes(folders.dataset)
    workers = ("--direct_num_workers=3", "--direct_running_mode=multi_threading")
    converter.dataset("--stratify", _SPLITS, _PEOPLE, "--overwrite", *workers)
    assert hashes(folders.dataset) == bytes_of
    before, counts = _split_of(first), first.manifest.splits
    for name, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        assert counts[name].class_counts["rare"] == 2 * round(share * 5)
        assert counts[name].records == pytest.approx(share * 25, abs=1)
        row = f"{name} {counts[name].records} {counts[name].groups} {counts[name].steps}"
        assert row in " ".join(shown.split())
    assert first.manifest.options["stratify"] is True
    assert "--splits_from=OUTPUT_DIR/test/1.0.0" in shown
    shown_counts = re.findall(r"2 = rare (\d+) \S+ (\d+) \S+ (\d+)", shown)
    assert shown_counts == [("2", "6", "2")]

    _write(folders, range(25, 32))
    later = ("--dataset_version=1.1.0", f"--splits_from={first.path}")
    said = converter.run("--stratify", _SPLITS, _PEOPLE, *later).text
    assert "25 groups: in the splits that they have in test 1.0.0 (--splits_from)" in said
    folder = pathlib.Path(first.path).parent / "1.1.0"
    after = _split_of(Dataset(str(folder), first.manifest))
    assert {group: after[group] for group in before} == before
    assert len(after) == 32


@pytest.mark.parametrize("label", ["step", "record"])
def test_a_dry_run_says_the_doubts_of_the_conversion(
    folders: Folders, converter: Converter, label: str
) -> None:
    _write(folders, range(6), label, takes=4)
    flags = ("--splits=train=0.5,test=0.5", "--split_seed=3")
    flags = (_PEOPLE, *flags) if label == "step" else flags
    dry, real = converter.run(*flags, "--dry_run").text, converter.run(*flags).text
    assert _worth_a_look(dry) == _worth_a_look(real)
    if label == "step":
        assert "no label of class rare; convert with --stratify" in dry
    else:
        assert "--group_regex='subject_\\d+'" in dry


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--splits=test=2,train=rest",), "--stratify divides by shares, got --splits=test=2"),
        (("--splits=train=1",), "--stratify has no effect: what has no official split is all in"),
        (("--label_kind=none",), "--stratify divides by classes, and the labels are none at all"),
        (("--splits=a=0.4,b=0.3,c=0.3",), "split 'c' has no group: 2 groups divided by --splits="),
        (("--splits_from={inputs}",), "has no manifest.json, so it is not a dataset folder"),
        (("--splits_from={dataset}",), "would be replaced; keep it, and give another --dataset_v"),
    ],
)
def test_what_cannot_be_divided_so_is_refused(
    folders: Folders, converter: Converter, flags: tuple[str, ...], message: str
) -> None:
    _write(folders, range(2))
    folders.dataset.mkdir(parents=True)
    places = {"inputs": folders.inputs, "dataset": folders.dataset}
    given = [flag.format(**places) for flag in flags]
    outcome = converter.run("--stratify", "--dry_run", _PEOPLE, *given)
    assert outcome.code
    assert message in outcome.text


def _inputs(
    count: int, groups: int = 40
) -> list[tuple[str, str, str, tuple[tuple[int, int], ...]]]:
    rng = random.Random(0)
    return [
        (f"g{n % groups}", "", f"{n}", ((rng.randrange(3), rng.randrange(1, 9)),))
        for n in range(count)
    ]


def test_parts_of_the_groups_add_up_in_any_order() -> None:
    options = SignalOptions("", "", "test", stratify=True)
    rows, none = _inputs(200), SplitTable()
    whole = decide_splits(count_groups(rows, options, none, 3), options, none)
    rng = random.Random(1)
    for _ in range(5):
        rng.shuffle(rows)
        parts = [
            count_groups([row for row in rows if int(row[0][1:]) % 4 == part], options, none, 3)
            for part in rng.sample(range(4), 4)
        ]
        some = add_group_counts(parts[:2], options)
        total = add_group_counts([some, *parts[2:]], options)
        decided = decide_splits(total, options, none).decided
        assert decided.hashes.tolist() == whole.decided.hashes.tolist()
        assert decided.numbers.tolist() == whole.decided.numbers.tolist()
    assert len(whole.decided.hashes) == 40


@pytest.mark.parametrize("stratify", [True, False])
def test_groups_stay_where_they_were_and_would_not_by_themselves(stratify: bool) -> None:
    options, none = SignalOptions("", "", "test", stratify=True), SplitTable()
    later = SignalOptions("", "", "test", stratify=stratify, splits_from="before")
    earlier = decide_splits(count_groups(_inputs(200), options, none, 3), options, none).decided
    rows = _inputs(300, groups=60)
    found = decide_splits(count_groups(rows, later, earlier, 3), later, earlier)
    assert found.kept == 40
    numbers = found.decided.numbers_of(earlier.hashes)
    assert [found.decided.names[n] for n in numbers] == [earlier.names[n] for n in earlier.numbers]
    assert len(found.decided.hashes) == (60 if stratify else 40)  # The others by their names.
    anew = decide_splits(count_groups(rows, options, none, 3), options, none).decided
    assert anew.numbers_of(earlier.hashes).tolist() != earlier.numbers.tolist()


def test_an_official_split_may_not_move_a_group_that_was_elsewhere() -> None:
    options = SignalOptions("", "", "test", splits_from="before")
    hashed = np.array([stable_hash(0, "g")], np.uint64)
    earlier = SplitTable(hashed, np.zeros(1, np.int32), ("train",), "old 1.0.0")
    groups = count_groups([("g", "test", "x.npz", ())], options, earlier, 0)
    said = refuse_splits({"train": 1, "validation": 1, "test": 1}, groups, options)
    assert "group 'g' has x.npz in 'test', is in 'train' of old 1.0.0" in said
    same = count_groups([("g", "train", "x.npz", ())], options, earlier, 0)
    assert not same.conflicts


def test_splits_that_differ_in_case_alone_are_refused() -> None:
    options = SignalOptions("", "", "test", splits="Train=0.5,train=0.5")
    groups = count_groups([("g", "", "x.npz", ())], options, SplitTable(), 0)
    said = refuse_splits({"Train": 1, "train": 1}, groups, options)
    assert said.startswith("splits 'Train' and 'train' differ in upper and lower case alone")
    assert "differ" not in refuse_splits({"Train": 1, "test": 1}, groups, options)


def test_a_table_that_would_take_too_much_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_splits, "_MOST_CELLS", 100)
    options, none = SignalOptions("", "", "test", stratify=True), SplitTable()
    groups = decide_splits(count_groups(_inputs(200), options, none, 3), options, none)
    assert not len(groups.hashes)
    assert "--stratify: 40 groups of 3 classes are too many" in refuse_splits({}, groups, options)
