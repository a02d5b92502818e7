"""Whether an SQLite file, which may be handed on with its folder, is one of ours.

SQLite goes through links, does what triggers and views in a file say, and at a journal that ends
with the name of another one ("super-journal", of a transaction over several files) removes what has
that name: https://www.sqlite.org/atomiccommit.html, 5.5. Ours is a single file of plain tables.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat

from pipeline.console.output_problems import output_problem
from tfrecords_schema.errors import UserError

_BESIDE = ("-journal", "-wal", "-shm")
_END_OF_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
_MOST_BYTES = 1 << 30  # A trial takes some kB.


def require_own(path: str) -> None:
    """Refuses to open a file that may do harm; one that is not there does none.

    Raises:
      UserError: it, or a file of SQLite beside it, is a link or no file, or is of a transaction
        over other files; it is too large, no database, or has more than plain tables.
    """
    for place in (path, *(path + ending for ending in _BESIDE)):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(place).st_mode):
                raise _refusal(place, "is a link or no file")
    if not os.path.exists(path):
        return
    if os.path.getsize(path) > _MOST_BYTES:
        raise _refusal(path, f"has more than {_MOST_BYTES:,} bytes")
    journal = path + _BESIDE[0]
    if os.path.exists(journal) and _end(journal) == _END_OF_SUPER_JOURNAL:
        raise _refusal(journal, "names another file, which SQLite would remove")
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            query = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
            virtual = " OR sql LIKE 'CREATE VIRTUAL%' LIMIT 1"
            if found := database.execute(query + virtual).fetchone():
                raise _refusal(path, f"has {found[0]!r}, which is no plain table")
    except sqlite3.DatabaseError as error:
        if output_problem(error):
            raise
        raise _refusal(path, f"cannot be read ({error})") from error


def _end(path: str) -> bytes:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - len(_END_OF_SUPER_JOURNAL)))
        return file.read()


def _refusal(path: str, why: str) -> UserError:
    return UserError(
        f"{path} {why}, so it is not what a search wrote there; give another --run_dir, or remove "
        "that folder"
    )
