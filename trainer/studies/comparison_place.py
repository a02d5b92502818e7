"""Where the page of a comparison goes, so that nothing else is overwritten."""

from __future__ import annotations

import hashlib
import html
import json
import posixpath
import re
from collections.abc import Sequence

from tfrecords_schema.errors import DatasetError, UserError
from tfrecords_schema.storage import read

NO_PAGE = "none"
_MOST_LETTERS = 60


def place_of_page(given: str, runs: Sequence[str], split: str) -> str:
    """Where the page goes; empty if there shall be none.

    Args:
      given: as asked for; else it is named after the runs, in this folder, with a number where
        runs of the same names have been compared already.
      runs: folders of the runs.
      split: that is compared.

    Raises:
      UserError: something is there that is no page of the same comparison.
    """
    if given == NO_PAGE:
        return ""
    names = "-".join(posixpath.basename(run.rstrip("/")) for run in runs)
    plain = re.sub(r"[^\w.-]+", "_", names)[:_MOST_LETTERS]
    own = mark(runs, split)
    number = hashlib.sha256(own.encode()).hexdigest()[:8]
    usual = (f"comparison-{plain}.html", f"comparison-{plain}-{number}.html")
    places = (posixpath.expanduser(given),) if given else usual
    for path in places:
        if _may_be_written(path, own):
            return path
    raise UserError(
        f"{places[-1]} is no page of this comparison, and is left as it is; name another place "
        f"with --page, or give --page={NO_PAGE}"
    )


def _may_be_written(path: str, own: str) -> bool:
    """Whether nothing is there, or an earlier page of the same comparison."""
    try:
        content = read(path)
    except DatasetError:  # A folder, or below what is none.
        return False
    return content is None or own in html.unescape(content.decode("utf-8", "replace"))


def mark(runs: Sequence[str], split: str) -> str:
    """What a page says of the comparison that it is of."""
    places = [run if "://" in run else posixpath.abspath(run) for run in runs]
    return json.dumps([split, *places])
