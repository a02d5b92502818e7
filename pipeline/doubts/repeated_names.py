"""What in the paths of recordings looks like a person's number, where no grouping is given."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_MOST_PATHS = 2_000
_NUMBERED = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]+[ _-]?)([0-9]+)(?![0-9])")
_PEOPLE = re.compile(
    "(sub|subj|subject|s|p|pat|patient|pt|person|participant|proband|user|speaker|spk|id|case)"
    "[ _-]?",
    re.IGNORECASE,
)


class RepeatedName(NamedTuple):
    """Something that several paths have in common, and others have with another number.

    Attributes:
      regex: finds it in a path, for `--group_regex`.
      names: how many different ones there are.
      commonest: the one in most paths.
      paths: so many have that.
    """

    regex: str
    names: int
    commonest: str
    paths: int


def repeated_name(paths: Sequence[str], labels: Sequence[str]) -> RepeatedName | None:
    """Finds what most likely names a person or a session; None where nothing repeats.

    That is a word with a number that is in every path, such as `subject_07` or `S7`, or the first
    folder, each with fewer different values than half of the paths. What goes with the label alone
    may be the class's own name, so that counts only for words that people are numbered by.

    Args:
      paths: of the recordings, relative.
      labels: of each, as text; empty texts where there are none.
    """
    paths, labels = paths[:_MOST_PATHS], labels[:_MOST_PATHS]
    found: dict[str, list[str]] = {}
    for path in paths:
        firsts: dict[str, str] = {}
        for match in _NUMBERED.finditer(path):
            firsts.setdefault(match[1], match[0])
        for prefix, name in firsts.items():
            found.setdefault(prefix, []).append(name)
    candidates = [
        (not _PEOPLE.fullmatch(prefix), prefix, names)
        for prefix, names in found.items()
        if _repeats(names, len(paths))
        and (_PEOPLE.fullmatch(prefix) or not _goes_with(names, labels))
    ]
    if candidates:
        _, prefix, names = min(candidates, key=lambda one: (one[0], len({*one[2]}), one[1]))
        plain = rf"{re.escape(prefix)}\d+"
        alone = rf"(?<![A-Za-z0-9]){plain}"  # Else the s1 of class1 is found first.
        is_plain = all(_first(plain, path) == _first(alone, path) for path in paths)
        return _named(plain if is_plain else alone, names)
    folders = [path.partition("/")[0] for path in paths if "/" in path]
    if _repeats(folders, len(paths)) and not _goes_with(folders, labels):
        return _named("^[^/]+", folders)
    return None


def _repeats(names: Sequence[str], paths: int) -> bool:
    """Whether every path has one of a few names."""
    return len(names) == paths and 2 <= len({*names}) <= paths / 2


def _goes_with(names: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether the name says the label, so that it may be that of the class."""
    pairs = {*zip(names, labels, strict=True)}
    return len({*labels}) > 1 and len(pairs) == len({*names})


def _first(regex: str, path: str) -> str | None:
    found = re.search(regex, path)
    return found and found[0]


def _named(regex: str, names: Sequence[str]) -> RepeatedName:
    counts = Counter(names)
    commonest = min(counts, key=lambda name: (-counts[name], name))
    return RepeatedName(regex, len(counts), commonest, counts[commonest])
