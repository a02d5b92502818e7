"""What a page shows, as files beside it: for any page, by its being there."""

import csv
import io
import re

import matplotlib
import numpy as np
import pytest

from pipeline.console import page
from pipeline.console.exhibits import folder_of
from pipeline.console.figures import png, svg
from pipeline.console.table_files import csv_text, latex_text
from pipeline.console.tables import COUNT, PERCENT, Part, Table
from tfrecords_schema.errors import UserError

_TEMPLATE = (
    '{% from "table.html" import section %}'
    '{{ section(table) }}<img src="{{ first }}" alt="R&amp;D: one/two">'
    '<img class="broad" src="{{ second }}" alt="{{ name }}">{{ section(again) }}'
)
_TABLE = Table("A title", {"name": None, "n": COUNT}, [("a", 1), ("b", 2000)], most=0)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a page with two pictures and two tables of one title into a folder."""
    package = tmp_path / "a_room_of_exhibits"
    (package / "templates").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "templates/one.html").write_text(_TEMPLATE)
    monkeypatch.syspath_prepend(tmp_path)
    first = svg(lambda axes: axes.plot([1, 2]), (2, 1))
    second = png(lambda figure: figure.add_subplot().plot([1, 2]), (2, 1))

    def _write(paper, name="../Ü b"):
        return page.write(
            str(tmp_path / "page.html"), "a_room_of_exhibits", "one.html", paper,
            table=_TABLE, again=_TABLE, first=first, second=second, name=name,
        )  # fmt: skip

    return _write


def _files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_all_that_a_page_shows_is_written_by_its_titles(write, tmp_path):
    said = write("svg,pdf")
    folder = tmp_path / "page_paper"
    assert said == f"{tmp_path / 'page.html'}, as files in {folder}"
    assert folder_of("runs/a.b/report.html") == "runs/a.b/report_paper"
    figures = {
        f"figures/{name}.{form}" for name in ("r-d-one-two", "ü-b") for form in ("svg", "pdf")
    }
    tables = {f"tables/a-title{n}.{form}" for n in ("", "-2") for form in ("csv", "tex")}
    assert _files(folder) == {"about.txt", *figures, *tables}
    for name in figures:
        start = {"svg": b"<?xml", "pdf": b"%PDF"}[name[-3:]]
        assert (folder / name).read_bytes().startswith(start)
    before = {name: (folder / name).read_bytes() for name in _files(folder)}
    write("svg,pdf")
    assert {name: (folder / name).read_bytes() for name in _files(folder)} == before


def test_no_file_of_an_earlier_page_stays(write, tmp_path):
    folder = tmp_path / "page_paper"
    write("svg", name="old")
    assert "figures/old.svg" in _files(folder)
    write("pdf", name="new")
    assert {name for name in _files(folder) if "figures" in name} == {
        "figures/r-d-one-two.pdf", "figures/new.pdf",
    }  # fmt: skip
    assert write("none") == str(tmp_path / "page.html")
    assert not folder.exists()
    assert not [*tmp_path.glob("*.tmp")]


def test_a_folder_of_somebody_else_is_left_alone(write, tmp_path):
    (tmp_path / "page_paper").mkdir()
    (tmp_path / "page_paper" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="something else is; move that away, or leave out --paper"):
        write("svg")
    write("none")
    assert _files(tmp_path / "page_paper") == {"thesis.tex"}


def test_csv_has_all_digits_and_a_column_for_each_number():
    table = Table(
        "",
        {"of": None, "x": "{:.1f}".format, "interval": "{0[0]:.1f}".format, "part": PERCENT},
        [("a", 1 / 3, (0.25, np.float64(1e-9)), Part(3, 0.5)), ("b", None, None, None)],
        most=1,
    )
    rows = [*csv.reader(io.StringIO(csv_text(table)))]
    assert rows == [
        ["of", "x", "interval, from", "interval, to", "part, number", "part, share"],
        ["a", repr(1 / 3), "0.25", "1e-09", "3", "0.5"],
        ["b", "", "", "", "", ""],
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-x", "'-x"), ("\t=1", "'\t=1"), (" =1", "' =1"), ("\uff1d1", "'\uff1d1"),
        ("-1.5", "-1.5"), ("+3", "+3"), ("a=1", "a=1"), ('a,"b"\nc', 'a,"b"\nc'), ("", ""),
    ],
)  # fmt: skip
def test_no_cell_of_a_csv_is_a_formula(text, written):
    table = Table("", {text or "-": None, "n": COUNT}, [(text, -5)])
    head, row = csv.reader(io.StringIO(csv_text(table), newline=""))
    assert row == [written, "-5"]
    assert head[0] == (written or "'-")


def test_latex_is_escaped_and_has_a_cell_for_each_column():
    names = ["a & b_c % $ # {x} ~ ^ \\ < >", "*", "[1]", "two\nlines", "plain-name-1"]
    table = Table("50% of\nall", {"na_me": None, "d": "{:+.2f}".format, "of": COUNT}, [
        *((name, -0.5, None) for name in names)
    ], note="100%")  # fmt: skip
    text = latex_text(table)
    lines = text.splitlines()
    assert lines[0] == "% 50% of all"
    assert lines[-1] == "% 100%"
    assert lines[1:4] == ["\\begin{tabular}{lrr}", "\\toprule", "na\\_me & d & of \\\\"]
    body = lines[5:-3]
    assert lines[4] == "\\midrule"
    assert lines[-3:-1] == ["\\bottomrule", "\\end{tabular}"]
    assert len(body) == len(names)
    for row in body:
        assert len(re.findall(r"(?<!\\)&", row)) == 2
        assert row.endswith(" & $-$0.50 & -- \\\\")
    cells = [row.split(" & $-$")[0] for row in body]
    assert cells[1:] == ["{}*", "{}[1]", "two lines", "plain-name-1"]
    unescaped = re.sub(r"\\text\w+\{\}", "", cells[0])
    assert not re.search(r"(?<!\\)[&%$#_{}~^<>]", unescaped)
    assert "\\textbackslash{}" in cells[0]


def test_text_of_a_pdf_is_truetype():
    picture = svg(lambda axes: axes.set_title("title"), (2, 1))
    assert b"/Type /Font" in picture.content("pdf")
    assert b"/Subtype /Type3" not in picture.content("pdf")
    assert matplotlib.rcParams["pdf.fonttype"] == 3  # Of everything else untouched.
