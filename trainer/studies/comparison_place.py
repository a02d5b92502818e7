"""Where the page of a comparison goes, so that nothing else is overwritten."""

from __future__ import annotations

import html
import json
import posixpath
import re
from collections.abc import Sequence

from tfrecords_schema.errors import UserError
from tfrecords_schema.storage import read

NO_PAGE = "none"
_MOST_LETTERS = 60


def place_of_page(given: str, runs: Sequence[str], split: str) -> str:
    """Where the page goes; empty if there shall be none.

    Args:
      given: as asked for; else it is named after the runs, in this folder.
      runs: folders of the runs.
      split: that is compared.

    Raises:
      UserError: something is there that is no page of the same comparison.
    """
    if given == NO_PAGE:
        return ""
    names = "-".join(posixpath.basename(run.rstrip("/")) for run in runs)
    plain = re.sub(r"[^\w.-]+", "_", names)[:_MOST_LETTERS]
    path = posixpath.expanduser(given or f"comparison-{plain}.html")
    content = read(path)
    text = html.unescape((content or b"").decode("utf-8", "replace"))
    if content is not None and mark(runs, split) not in text:
        raise UserError(
            f"{path} is no page of this comparison, and is left as it is; name another place with "
            f"--page, or give --page={NO_PAGE}"
        )
    return path


def mark(runs: Sequence[str], split: str) -> str:
    """What a page says of the comparison that it is of."""
    places = [run if "://" in run else posixpath.abspath(run) for run in runs]
    return json.dumps([split, *places])
