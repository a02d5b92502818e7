"""What reaches a terminal: no name can move its cursor, and no locale ends a command."""

import ast
import io
import logging
import os
import subprocess
import sys
import unicodedata
import warnings

import hypothesis
import hypothesis.strategies as st
import pytest

from pipeline.console.terminal import print_error, redraw, say, show_warnings, shown
from tests.repository import REPOSITORY

_MARKS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)


@hypothesis.given(_ANY_TEXT, st.sampled_from(["utf-8", "iso8859-1", "ascii", "cp1252"]))
def test_what_is_shown_can_be_encoded_and_obeys_nothing(text, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    found = shown(text, stream)
    found.encode(encoding)
    assert not {c for c in found if unicodedata.category(c) == "Cc"} - {"\n", "\t"}
    assert not {c for c in found if unicodedata.bidirectional(c) in _MARKS}
    if text.isascii() and text.isprintable():
        assert found == text


def test_escapes_of_names_are_told_by_everything_that_speaks(capsys, monkeypatch):
    name = "a\x1b]0;owned\x07\u202etxt.npz"
    say(name)
    print_error(name)
    redraw(name, sys.stderr)
    out, err = capsys.readouterr()
    assert out == "a\\x1b]0;owned\\x07\\u202etxt.npz\n"
    assert err == f"error: {out}\r\x1b[K{out.strip()}"


@pytest.mark.parametrize("package", ["pipeline", "trainer", "tfrecords_schema"])
def test_nothing_is_printed_past_it(package):
    for path in (REPOSITORY / package).rglob("*.py"):
        calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]
        assert not [call for call in calls if ast.unparse(call.func) == "print"], path


def test_in_another_locale_names_are_utf_8_and_what_cannot_be_shown_is_escaped(tmp_path):
    (tmp_path / "\u0431\u0435\u0433").mkdir()
    program = (
        "import os, sys; from pipeline.console import terminal, utf8; utf8.start();"
        "[name] = os.listdir(sys.argv[1]); terminal.say(name);"
        "terminal.say([name.encode() == b'\\xd0\\xb1\\xd0\\xb5\\xd0\\xb3', sys.stdout.encoding])"
    )
    locale = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONPATH": str(REPOSITORY),
    }
    found = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONIOENCODING"}, **locale},
        capture_output=True,
        check=True,
    )
    assert found.stdout == b"\\u0431\\u0435\\u0433\n[True, 'ascii']\n"
    assert not found.stderr


def test_every_entry_point_begins_with_it():
    entries = [
        path
        for package in ("pipeline", "trainer")
        for path in (REPOSITORY / package).rglob("*.py")
        if '__name__ == "__main__"' in path.read_text() and path.stem != "worker"
    ]
    assert len(entries) > 5
    begins = ("utf8.start()", "program.begin(")
    assert not [path for path in entries if not any(b in path.read_text() for b in begins)]


def test_an_error_takes_a_few_pages_at_most(capsys):
    print_error("name" * 1_000_000)
    said = capsys.readouterr().err
    assert len(said) < 11_000
    assert said.endswith("more letters\n")


@pytest.fixture
def warned_of(monkeypatch):
    """Warnings and logs as programs show them; afterwards as they were."""
    factory = logging.getLogRecordFactory()
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    show_warnings()
    yield
    logging.setLogRecordFactory(factory)


def test_names_that_are_logged_are_shown(warned_of, caplog):
    logging.getLogger("anyone").warning("%s; trying another", "a\x1b[2J\u202e.npz")
    assert caplog.messages == ["a\\x1b[2J\\u202e.npz; trying another"]


def test_names_that_a_library_warns_of_are_shown(warned_of):
    told = warnings.formatwarning("Glyph 27 (\x1b) is missing", UserWarning, "figures.py", 140, "")
    assert told == "figures.py:140: UserWarning: Glyph 27 (\\x1b) is missing\n"
