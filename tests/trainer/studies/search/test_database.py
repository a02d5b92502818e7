"""A search that somebody hands on harms nothing: no link is followed, nothing else is removed."""

import contextlib
import os
import pathlib
import shutil
import sqlite3
import struct
from collections.abc import Callable

import pytest

from tests.optional import optional_library
from tfrecords_schema.errors import UserError
from trainer.studies.search.storage import Storage

optional_library("optuna")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of a search with one trial."""
    folder = tmp_path_factory.mktemp("search")
    storage = _open(folder)
    storage.add({"rate": 0.25})
    storage.study.tell(storage.ask()[1], 1)
    return folder


def _open(folder: pathlib.Path) -> Storage:
    return Storage(str(folder), is_better_higher=True, seed=0, parallel=1)


def _super_journal(path: pathlib.Path, victim: pathlib.Path) -> None:
    """A hot journal as SQLite leaves it when power fails, of a transaction over several files."""
    page, name, magic = (
        path.read_bytes()[:4096],
        os.fsencode(victim),
        bytes.fromhex("d9d505f920a163d7"),
    )
    checksum = 1 + sum(page[place] for place in range(4096 - 200, 0, -200))
    pages = path.stat().st_size // 4096
    head = (magic + struct.pack(">5I", 1, 1, pages, 512, 4096)).ljust(512, b"\0")
    record = struct.pack(">I", 1) + page + struct.pack(">I", checksum)
    end = (
        struct.pack(">I", 0x40000000 // 4096 + 1) + name + struct.pack(">2I", len(name), sum(name))
    )
    path.with_name(path.name + "-journal").write_bytes(head + record + end + magic)


def _sql(text: str) -> Callable[[pathlib.Path, pathlib.Path], None]:
    def make(path: pathlib.Path, _: pathlib.Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute(text)

    return make


def _link(ending: str) -> Callable[[pathlib.Path, pathlib.Path], None]:
    def make(path: pathlib.Path, victim: pathlib.Path) -> None:
        place = path.with_name(path.name + ending)
        place.unlink(missing_ok=True)
        place.symlink_to(victim)

    return make


_HARM = {
    "super-journal": (_super_journal, "search.sqlite3-journal names another file, which SQLite"),
    "link": (_link(""), "search.sqlite3 is a link or no file"),
    "link of a journal": (_link("-journal"), "search.sqlite3-journal is a link or no file"),
    "link of a log": (_link("-wal"), "search.sqlite3-wal is a link or no file"),
    "trigger": (
        _sql("CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM trials; END"),
        "search.sqlite3 has 't', which is no plain table",
    ),
    "view": (_sql("CREATE VIEW v AS SELECT 1"), "has 'v', which is no plain table"),
    "no database": (lambda path, _: path.write_text("x" * 5000), "cannot be read .file is not a"),
    "version": (_sql("UPDATE alembic_version SET version_num = 'v9'"), "cannot be gone on from"),
    "no JSON": (_sql("UPDATE trial_user_attributes SET value_json = '{'"), "cannot be gone on"),
    "number": (
        _sql("UPDATE trial_user_attributes SET value_json = '[0]' WHERE key = 'trial'"),
        "gone on from .trial: got .0., expected a whole number",
    ),
    "seconds": (
        _sql("INSERT INTO study_user_attributes VALUES (9, 1, 'seconds', '\"x\"')"),
        "gone on from .seconds: got 'x', expected a number",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _HARM)
def test_what_is_no_search_is_refused(
    search: pathlib.Path, tmp_path: pathlib.Path, name: str
) -> None:
    folder, victim = tmp_path / "handed", tmp_path / "precious"
    shutil.copytree(search, folder)
    victim.write_bytes(b"precious")
    make, message = _HARM[name]
    make(folder / "search.sqlite3", victim)
    with pytest.raises(UserError, match=message):
        _open(folder)
    assert victim.read_bytes() == b"precious"


def test_a_journal_that_a_kill_left_is_gone_on_from(
    search: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / "killed"
    shutil.copytree(search, folder)
    path = folder / "search.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN")
        database.execute("UPDATE trials SET state = 'FAIL'")
        database.execute("CREATE TABLE much AS SELECT zeroblob(4096) FROM trials, version_info")
        shutil.copytree(folder, tmp_path / "copy")  # As a kill would leave it.
        database.rollback()
    assert (tmp_path / "copy/search.sqlite3-journal").stat().st_size
    (trial,) = _open(tmp_path / "copy").newest().values()
    assert trial.value == 1
