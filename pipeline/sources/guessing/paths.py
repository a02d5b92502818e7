"""Labels, groups and splits that stand in paths: in the names of folders, and in parts of names."""

import collections
import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pipeline.sources.guessing.readings import Guess, Reading

PEOPLE = re.compile(
    r"(?i)(?<![a-z])(subject|subj|sub|speaker|spk|patient|participant|person|user|volunteer)"
    r"[-_ ]?\d+"
)
_GROUP_NAME = re.compile(r"(?i)(s|p|pt|id|g|sub|subj|ses)[-_]?\d+")
_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "eval": "test",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
}  # fmt: skip
_SEPARATORS = "_-. "
_MOSTLY = 0.9
_MAX_CLASSES = 400
_SHOWN = 6


class Part(NamedTuple):
    """A part that all paths have.

    Attributes:
      before: expression for what is before it in a path.
      inner: for itself.
      after: for what is behind it.
      values: what it is in each path.
      where: which part it is, for people.
    """

    before: str
    inner: str
    after: str
    values: list[str]
    where: str

    @property
    def regex(self) -> str:
        """Finds it as group 1."""
        return f"{self.before}({self.inner}){self.after}"

    @property
    def distinct(self) -> collections.Counter[str]:
        """How often each value occurs."""
        return collections.Counter(self.values)


def guess_from_paths(paths: Sequence[str], guess: Guess, *, needs_label: bool) -> None:
    """Adds what the paths of the inputs say of groups, splits and, if it is asked for, labels."""
    parts = [*_folders(paths), *_tokens(paths)]
    people = _people(paths)
    splits = [part for part in parts if are_splits(part.distinct)]
    groups = [part for part in parts if _is_group(part)]
    classes = [p for p in parts if _is_class(p, len(paths)) and p not in splits + groups]
    folders = [part for part in classes if part.where.startswith("folder")]
    label = None
    if needs_label and classes:
        candidates = folders[-1:] or classes
        label = candidates[0]
        guess.take("Which part of the path is the label?", [*map(_label_reading, candidates)])
    if people:
        guess.take("", [people])
    elif groups or label:
        _guess_group(groups, classes, label, guess)
    if splits:
        guess.take("", [_split_reading(splits[0])])


def _guess_group(
    groups: Sequence[Part], classes: Sequence[Part], label: Part | None, guess: Guess
) -> None:
    """People, or what else is named with letters and meets with several classes."""
    found = [*groups]
    if label is not None:
        found += [part for part in classes if part is not label and _mixes(part, label)]
    readings = [
        Reading((f"--group_regex={part.regex}",), f"group: {part.where} ({_shown(part)})")
        for part in found[:1]
    ]
    if readings and not groups:
        readings.append(Reading((), "no group: every input for itself"))
    guess.take("Do these belong together, as recordings of one person do?", readings)


def _people(paths: Sequence[str]) -> Reading | None:
    found = [PEOPLE.search(path) for path in paths]
    names = collections.Counter(match[1] for match in found if match)
    if not names or names.total() < _MOSTLY * len(paths):
        return None
    word = names.most_common(1)[0][0]
    distinct = len({match[0] for match in found if match})
    if distinct < 2:
        return None
    regex = rf"{re.escape(word)}[-_ ]?\d+"
    why = f"group: {word} in the path ({distinct} of them)"
    return Reading((f"--group_regex={regex}",), why)


def _folders(paths: Sequence[str]) -> list[Part]:
    """The names of the folders at each depth that all inputs have."""
    split = [posixpath.dirname(path).split("/") if "/" in path else [] for path in paths]
    depth = min(map(len, split), default=0)
    return [
        Part(
            f"^(?:[^/]+/){{{level}}}" if level else "^",
            "[^/]+",
            "/",
            [names[level] for names in split],
            f"folder {level + 1}",
        )
        for level in range(depth)
    ]


def _tokens(paths: Sequence[str]) -> list[Part]:
    """The parts of names between the sign that divides all of them in as many."""
    stems = [posixpath.splitext(posixpath.basename(path))[0] for path in paths]
    for sign in _SEPARATORS:
        split = [stem.split(sign) for stem in stems]
        count, often = collections.Counter(map(len, split)).most_common(1)[0]
        if count < 2 or often < len(stems):
            continue
        escaped = re.escape(sign)
        inside = f"[^/{escaped}]"
        return [
            Part(
                f"(?:^|/)(?:{inside}*{escaped}){{{place}}}" if place else "(?:^|/)",
                f"[^/.{escaped}]+",
                "[^/]*$",
                [tokens[place] for tokens in split],
                f"part {place + 1} of the name",
            )
            for place in range(count)
        ]
    return []


def are_splits(names: Iterable[Any]) -> bool:
    """Whether these are names of splits, two or more."""
    lower = {str(name).lower() for name in names}
    return len(lower) > 1 and lower <= _SPLITS.keys()


def _is_group(part: Part) -> bool:
    names = part.distinct
    return len(names) > 1 and all(
        _GROUP_NAME.fullmatch(name) or PEOPLE.fullmatch(name) for name in names
    )


def _is_class(part: Part, total: int) -> bool:
    names = part.distinct
    is_repeated = 2 <= len(names) <= min(_MAX_CLASSES, total / 3)
    return is_repeated and min(names.values()) > 1


def _mixes(part: Part, label: Part) -> bool:
    """Whether most values meet with several classes, and are no mere numbers."""
    if all(name.isdigit() for name in part.distinct):
        return False
    met = collections.defaultdict(set)
    for name, of_class in zip(part.values, label.values, strict=True):
        met[name].add(of_class)
    return sum(len(classes) > 1 for classes in met.values()) > len(met) / 2


def _label_reading(part: Part) -> Reading:
    return Reading(
        (f"--label_regex={part.regex}",),
        f"label: {part.where}, one of {len(part.distinct)} ({_shown(part)})",
    )


def _split_reading(part: Part) -> Reading:
    names: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for name in sorted(part.distinct):
        names[_SPLITS[name.lower()]].append(re.escape(name))
    inner = "|".join(f"(?P<{split}>{'|'.join(found)})" for split, found in names.items() if found)
    regex = f"{part.before}(?:{inner}){part.after}"
    return Reading((f"--split_regex={regex}",), f"split: {part.where} ({_shown(part)})")


def _shown(part: Part) -> str:
    names = sorted(part.distinct)
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
