"""Labels that are not known: which classes stand for that, and which look as if they did."""

import re
import shlex
from collections.abc import Iterable

from pipeline.console.errors import UsageError
from pipeline.console.texts import listed
from pipeline.sources.names import normal

# Names of a class, in small letters, that in most sets is none.
_LIKE_NONE = {
    "?", "n/a", "na", "nan", "not scored", "null", "missing", "undefined", "unknown", "unlabeled",
    "unlabelled", "unscored",
}  # fmt: skip


def ignored(ignore_label: Iterable[str], form: str) -> tuple[int, ...] | tuple[str, ...]:
    """The classes of a source that `--ignore_label` names.

    Args:
      ignore_label: as given.
      form: `integer` or `text`.
    """
    if form == "integer":
        return tuple(int(text) for text in ignore_label if re.fullmatch(r"[+-]?\d{1,18}", text))
    return tuple(map(normal, ignore_label))


VALUES = "values; store NaN where one is not known, or name --label_kind"
ROWS = "rows of 0 and 1; store NaN (or of any number of classes -1) where none is known"


def require_none(ignore_label: Iterable[str], labels: str) -> None:
    """Refuses `--ignore_label` where labels are no classes as numbers or texts.

    Args:
      ignore_label: as given.
      labels: what they are, and what to do: `VALUES` or `ROWS`.

    Raises:
      UsageError: it is given.
    """
    if given := ",".join(ignore_label):
        raise UsageError(
            f"--ignore_label={given} is for classes as numbers or texts, and the labels are "
            f"{labels}"
        )


def nothing_known(ignore_label: Iterable[str]) -> str:
    """What is wrong where no recording has a label."""
    given = ",".join(ignore_label)
    why = f", as --ignore_label={given} is all there is" if given else ": all are NaN"
    return (
        f"not one label is known{why}; correct that, or convert without: --label_kind=none, or of "
        "several labels leave this one out of --label_key"
    )


def said(classes: Iterable[int | str], ignore_label: Iterable[str], has_missing: bool) -> str:
    """What is said of classes that look as if they were none, or are named and not there."""
    given = ",".join(ignore_label)
    if given:
        return "" if has_missing else f"--ignore_label={given} is the label of no recording"
    found = {*classes}
    names = sorted(one for one in found if isinstance(one, str) and one.lower() in _LIKE_NONE)
    numbers = [one for one in found if isinstance(one, int)]
    names += ["-1"] * (-1 in numbers and min(numbers) == -1 < max(numbers))
    if not names:
        return ""
    what = "class" if len(names) == 1 else "the classes"
    return (
        f"{what} {listed(names)} may stand for what is not labelled; if so, "
        f"--ignore_label={shlex.quote(','.join(names))} gives that no weight"
    )
