"""The page of a comparison: what it shows, and that it overwrites nothing else."""

import os
import re

import numpy as np
import pytest

from tests.datasets import CLASS_PER_RECORD, VALUE_PER_STEP
from tests.trainer.studies.random_runs import random_runs
from tfrecords_schema.errors import UserError
from trainer.metrics.table import headline
from trainer.studies.compared_runs import Predicted, left_out_text, paired_draws
from trainer.studies.comparison_page import write_page
from trainer.studies.comparison_place import place_of_page
from trainer.studies.paired import compare
from trainer.studies.paired_figures import difference_pictures, group_picture
from trainer.studies.pooled import draws_of


def _comparison(label):
    runs = random_runs(label, seeds=(0, 1))
    draws = draws_of(runs)
    return compare([draws[0, 0]], [draws[0, 1]], label)


def _page(tmp_path, label, **others):
    found = _comparison(label)
    runs = ["runs/a", "runs/b", *others]
    path = str(tmp_path / "new" / "page.html")
    said = write_page(path, runs, "test", ["a: not to be trusted"], {"b": found, **others}, "svg")
    assert said == f"{path}, as files in {tmp_path / 'new' / 'page_paper'}"
    return (tmp_path / "new" / "page.html").read_text(), found, tmp_path / "new" / "page_paper"


@pytest.mark.parametrize("label", [CLASS_PER_RECORD, VALUE_PER_STEP], ids=lambda label: label.kind)
def test_the_page_has_what_the_terminal_has_and_a_picture(tmp_path, label):
    page, found, folder = _page(tmp_path, label)
    one = found.metrics[headline(found.metrics)]
    for text in (f"{one.value:+.3f}", f"p {one.p_value:.4f}", "A: not to be trusted."):
        assert text in page
    assert "{:+.3f} to {:+.3f}".format(*one.interval) in page
    figures = {path.name for path in (folder / "figures").iterdir()}
    metrics = [f"difference-of-{name.replace('_', '-')}.svg" for name in found.metrics]
    names = ["differences.svg"] if label.kind == "class" else metrics
    assert figures == {*names, f"{headline(found.metrics)}-of-each-group.svg"}
    tables = {path.stem for path in (folder / "tables").iterdir()}
    recalls = {"recall-of-classes"} if label.kind == "class" else set()
    assert tables == {"differences", "groups", "records", "what-was-compared"} | recalls


def test_tables_of_several_runs_say_of_which(tmp_path):
    page, _, folder = _page(tmp_path, CLASS_PER_RECORD, c=_comparison(CLASS_PER_RECORD))
    assert {path.name for path in (folder / "tables").glob("groups*.csv")} == {
        "groups-b.csv", "groups-c.csv",
    }  # fmt: skip
    assert page.count("Second: ") == 2


def test_differences_and_intervals_are_drawn_where_they_are(monkeypatch):
    drawn = []
    monkeypatch.setattr("trainer.studies.paired_figures.svg", lambda draw, size: drawn.append(draw))
    found = _comparison(CLASS_PER_RECORD)
    difference_pictures(found)
    group_picture(found)
    from matplotlib.figure import Figure

    rows, groups = (Figure().add_subplot() for _ in range(2))
    drawn[0](rows)
    drawn[1](groups)
    every = [*found.metrics.values(), *found.classes.values()]
    *lines, zero = rows.lines
    assert set(zero.get_xdata()) == {0}
    points = [line.get_xdata()[0] for line in lines if len(line.get_xdata()) == 1]
    assert points == [one.value for one in every]
    ends = [tuple(line.get_xdata()) for line in lines if len(line.get_xdata()) == 2]
    assert ends == [one.interval for one in every if one.interval]
    first, second = (line.get_xdata() for line in groups.lines)
    names = [text.get_text() for text in groups.get_yticklabels()]
    assert len(names) == len(found.per_group)
    assert sorted(zip(first, second, strict=True)) == sorted(found.per_group.values())
    assert np.all(np.diff(second - first) >= 0)  # The one that lost most stands at the top.


def test_a_page_of_another_comparison_or_any_other_file_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place_of_page("", ["x/a", "y/b/"], "test") == "comparison-a-b.html"
    assert place_of_page("none", ["x/a", "y/b"], "test") == ""
    found = {"y/b": _comparison(CLASS_PER_RECORD)}
    write_page("comparison-a-b.html", ["x/a", "y/b"], "test", [], found, "none")
    again = place_of_page("", [os.path.abspath("x/a"), "y/b"], "test")
    assert again == "comparison-a-b.html"  # Its own page is written anew.
    for runs, split in ((["z/a", "y/b"], "test"), (["x/a", "y/b"], "validation")):
        other = place_of_page("", runs, split)
        assert re.fullmatch("comparison-a-b-[0-9a-f]{8}.html", other)
        (tmp_path / other).write_text("mine")
        with pytest.raises(UserError, match="is no page of this comparison, and is left as it is"):
            place_of_page("", runs, split)
    (tmp_path / "report.html").write_bytes(b"\xff mine")
    for place in ("report.html", ".", "report.html/page.html"):
        with pytest.raises(UserError, match="name another place with --page, or give --page=none"):
            place_of_page(place, ["x/a", "y/b"], "test")


def _study(name, seeds, repeats=1):
    runs = random_runs(CLASS_PER_RECORD, seeds=seeds, repeats=repeats)
    data = {repeat: [f"fold {repeat}"] for repeat in range(repeats)}
    return Predicted(name, data, CLASS_PER_RECORD, draws_of(runs), ())


@pytest.mark.parametrize(
    ("seeds", "repeats", "compared"), [((0, 1), 2, 4), ((0,), 1, 1), ((1, 2, 3), 3, 2)]
)
def test_studies_with_more_seeds_or_divisions_are_compared_by_what_both_have(
    seeds, repeats, compared
):
    first, second = _study("one", (0, 1), 2), _study("other", seeds, repeats)
    pairs = len(paired_draws(first, second))
    assert pairs == compared
    said = left_out_text(first, second, pairs)
    if (seeds, repeats) == ((0, 1), 2):
        assert said == ""
    else:
        assert said == (
            f"other: compared where both have a division and a seed, which is {compared} of 4 of "
            f"the first and {compared} of {len(seeds) * repeats} of the second"
        )


def test_studies_without_a_common_seed_are_told_both():
    with pytest.raises(UserError, match="no division with the same seed: seeds 0, 1 and 2; give"):
        paired_draws(_study("one", (0, 1)), _study("other", (2,)))
