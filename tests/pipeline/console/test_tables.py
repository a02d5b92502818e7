"""Tables: the same figures as text, which fits a terminal, and on a page."""

import re

import pytest

from pipeline.console.page import render
from pipeline.console.tables import COUNT, PERCENT, Part, Table, as_text, class_table

_COLUMNS = {"name": None, "records": COUNT, "steps": COUNT}


def _page(table: Table, tmp_path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A page with the table alone."""
    package = tmp_path / "a_room"
    (package / "templates").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "templates/one.html").write_text(
        '{% from "table.html" import section %}{{ section(table) }}'
    )
    monkeypatch.syspath_prepend(tmp_path)
    return render("a_room", "one.html", table=table)


def test_names_stand_to_the_left_and_figures_to_the_right() -> None:
    table = Table("Title", _COLUMNS, [("a", 1, 1000), ("bcd", 20, None)], note="so it is")
    assert as_text(table) == (
        "name  records  steps\n"
        "a           1  1,000\n"
        "bcd        20      -\n"
        "so it is"
    )  # fmt: skip
    assert as_text(Table("Title", _COLUMNS, [], note="so it is")) == ""


@pytest.mark.parametrize(("given", "total", "left"), [(7, 0, 5), (7, 9, 7), (2, 2, 0), (1, 4, 3)])
def test_rows_that_are_left_out_are_counted(given: int, total: int, left: int) -> None:
    table = Table("", _COLUMNS, [("a", 1, 1)] * given, of="groups", most=2, total=total)
    lines = as_text(table).splitlines()
    assert len(lines) == 1 + min(given, 2) + bool(left)
    assert (lines[-1] == f"and {left} more groups") == bool(left)


@pytest.mark.parametrize("name", ["x" * 200, "\u8a9e" * 100, "e\u0301" * 150])
def test_names_are_cut_where_a_line_is_too_long_and_figures_are_not(name: str) -> None:
    table = Table("", _COLUMNS, [(name, 123_456_789, 1), ("short", 1, 1)])
    header, first, second = as_text(table).splitlines()
    assert len(header) == len(second) == 80
    assert re.fullmatch(r"(x|\u8a9e|e\u0301)+ ?\.\.\.  123,456,789      1", first)


def test_a_name_is_no_line_of_its_own() -> None:
    table = Table("", {"class": None, "a\nb": COUNT}, [("up\nerror: none", 1), ("down", 2)])
    assert as_text(table).splitlines() == [
        "class            a\\nb", "up\\nerror: none     1", "down                2"
    ]  # fmt: skip


def test_wide_letters_take_two_columns() -> None:
    table = Table("", _COLUMNS, [("\u65e5\u672c", 1, 1), ("abcd", 1, 1), ("cafe\u0301", 1, 1)])
    header, *rows = as_text(table).splitlines()
    assert [len(row) for row in rows] == [len(header) - 2, len(header), len(header) + 1]


def test_last_columns_are_left_out_where_there_are_too_many() -> None:
    many = {"name": None, **dict.fromkeys([f"split_{i}" for i in range(30)], COUNT)}
    header, row = as_text(Table("", many, [("x" * 50, *range(30))])).splitlines()
    assert header.split() == ["name", *(f"split_{i}" for i in range(8))]
    assert row.split() == ["xxxxx...", *map(str, range(8))]
    assert len(header) <= 80


def test_classes_have_counts_and_shares() -> None:
    table = class_table(["a", "b"], {"train": {"b": 3, "a": 1}, "test": {}})
    assert [line.split("  ")[0] for line in as_text(table).splitlines()[1:]] == ["0 = a", "1 = b"]
    assert as_text(table).splitlines()[2].split() == ["1", "=", "b", "3", "(75.0%)", "0", "(0.0%)"]


def test_a_page_has_what_the_text_has(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"<name>": None, "share": lambda part: PERCENT(part.share)}
    rows = [("<b>", Part(1, 0.25)), ("c", Part(4, 1)), ("d", Part(2, 0.5)), ("e", Part(2, 0.5))]
    table = Table("<Title>", columns, rows, "names", "a note", most=1, chosen=1, is_key=True)
    page = _page(table, tmp_path, monkeypatch)
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", page)
    texts = [re.sub(r"<[^>]*>", "", cell) for cell in cells]
    assert texts == ["&lt;name&gt;", "share", "&lt;b&gt;", "25.0%", "c", "100.0%", "d", "50.0%"]
    assert "<h2>&lt;Title&gt;</h2>" in page
    assert "And 1 more names." in page
    assert "A note." in page
    assert page.index("<tr>", page.index("<tbody>")) < page.index('<tr class="chosen">')
    assert re.findall(r"--share: ([\d.]+)", page) == ["0.2500", "1.0000", "0.5000"]
    assert len(set(re.findall(r'chip" style="background: (#\w+)', page))) == 3
    assert render("a_room", "one.html", table=Table("Title", columns, [])).strip() == ""
