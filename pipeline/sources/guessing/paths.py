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
_ASIDE = re.compile(r"(^|/)_[^/]*/")
_NUMBERED = re.compile(r"(.*?[^\d\-_ ])[-_ ]?\d+")
_CLASS = re.compile("|class|cls|c|label|category|cat|type|kind|stage|grade|level|state|task|word")
_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "eval": "test",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
}  # fmt: skip
_SEPARATORS = "_-. "
_MOSTLY = 0.9
_MAX_CLASSES = 400
_SHOWN = 6
_MIN_CODE, _MAX_SHARING, _MIN_SHARING = 3, 3, 1.5
_NO_LABEL = Reading((), "label: none")


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

    @property
    def is_numbered(self) -> bool:
        """Whether the values are numbers of one thing, as take1 and take2."""
        found = [_NUMBERED.fullmatch(value) for value in self.distinct]
        words = {match[1].lower() if match else "" for match in found}
        return len(words) == 1 and not _CLASS.fullmatch(words.pop())


def guess_from_paths(
    paths: Sequence[str], guess: Guess, *, needs_label: bool, needs_group: bool
) -> None:
    """Adds what the paths of the inputs say of splits and, if asked for, of labels and groups.

    Folders that begin with _, as of noise, are looked at only where there are few others.
    """
    plain = [path for path in paths if not _ASIDE.search(path)]
    is_plain = _MOSTLY * len(paths) < len(plain) < len(paths)
    paths = plain if is_plain else paths
    folders = _folders(paths, "[^/_][^/]*" if is_plain else "[^/]+")
    parts = [*folders, *_tokens(paths), *_names(paths)]
    people = _people(paths)
    splits = [part for part in parts if are_splits(part.distinct)]
    split = splits[0] if splits else None
    groups = [part for part in parts if _is_group(part)]
    repeated = [p for p in parts if _is_class(p, len(paths)) and p not in splits + groups]
    classes = [part for part in repeated if not split or not _is_within(part, split)]
    label = _guess_label(classes, guess) if needs_label else None
    if split:  # In an official division people are in one split, and classes in several.
        groups += [part for part in repeated if part not in classes]
        groups = [part for part in groups if _is_within(part, split)]
    if people and needs_group:
        guess.take("", [people])
    elif needs_group:
        others = [part for part in classes if label and part is not label and _mixes(part, label)]
        others = [part for part in others if not split]
        if not groups + others:
            others = _beginnings(paths)
        _guess_group(groups, others, guess)
    if split:
        guess.take("", [_split_reading(split)])


def _guess_label(classes: Sequence[Part], guess: Guess) -> Part | None:
    """Asks where several parts could be it, or where it may be a number of something."""
    likely = [part for part in classes if not part.is_numbered]
    folders = [part for part in likely if part.where.startswith("folder")]
    candidates = folders[-1:] or likely
    doubtful = [part for part in classes if part.is_numbered and not folders]
    if folders and all(map(str.isdigit, folders[-1].distinct)):  # Classes, or ids of something.
        doubtful = folders[:-1]
        readings = [*map(_label_reading, candidates + doubtful), _NO_LABEL]
    elif folders and folders[-1].inner != "[^/]+":
        every = folders[-1]._replace(inner="[^/]+", where=f"{folders[-1].where}, also with _")
        readings = [*map(_label_reading, [folders[-1], every])]
    elif candidates:
        readings = [*map(_label_reading, _words(candidates[0]) + candidates + doubtful)]
    else:
        readings = [_NO_LABEL, *map(_label_reading, doubtful)] if doubtful else []
    guess.take("Which part of the path is the label?", readings)
    return candidates[0] if candidates else None


def _words(part: Part) -> list[Part]:
    """Of walk_1, walk_2, run_1 the word."""
    words = [_NUMBERED.fullmatch(value) for value in part.values]
    found = [word[1] for word in words if word]
    if len(found) < len(words) or not 2 <= len({*found}) <= len(part.distinct) / 2:
        return []
    after = rf"[-_ ]?\d+{part.after}"
    return [Part(part.before, r"[^/]*?[^/\d\-_ ]", after, found, f"{part.where}, its word")]


def _guess_group(groups: Sequence[Part], others: Sequence[Part], guess: Guess) -> None:
    """People, or what else is repeated: there it is asked."""
    readings = [
        Reading((f"--group_regex={part.regex}",), f"group: {part.where} ({_shown(part)})")
        for part in [*groups, *others][:1]
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


def _folders(paths: Sequence[str], inner: str) -> list[Part]:
    """The names of the folders at each depth that all inputs have."""
    split = [posixpath.dirname(path).split("/") if "/" in path else [] for path in paths]
    depth = min(map(len, split), default=0)
    return [
        Part(
            f"^(?:[^/]+/){{{level}}}" if level else "^",
            inner,
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


def _names(paths: Sequence[str]) -> list[Part]:
    """The whole name, where it is repeated from folder to folder."""
    stems = [posixpath.splitext(posixpath.basename(path))[0] for path in paths]
    whole = Part("(?:^|/)", "[^/]+?", r"(?:\.[^/.]+)?$", stems, "the name")
    return [whole] if len(whole.distinct) < len(stems) else []


def _beginnings(paths: Sequence[str]) -> list[Part]:
    """Codes of one length, a few of which share all but their last letters: nights of a person."""
    codes = [re.split(r"[^A-Za-z0-9]", posixpath.basename(path))[0] for path in paths]
    lengths = {*map(len, codes)}
    for length in range(max(lengths) - 1, _MIN_CODE - 1, -1) if len(lengths) == 1 else ():
        values = [code[:length] for code in codes]
        counts = collections.Counter(values)
        is_few = max(counts.values()) <= _MAX_SHARING and len(values) >= _MIN_SHARING * len(counts)
        if is_few and len(counts) > 1 and all(value[-1].isdigit() for value in counts):
            where = f"the first {length} letters of the name"
            return [Part("(?:^|/)", f"[^/]{{{length}}}", "[^/]*$", values, where)]
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


def _is_within(part: Part, split: Part) -> bool:
    """Whether each value of a part is in one split alone."""
    met = {*zip(part.values, split.values, strict=True)}
    return len(met) == len(part.distinct)


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
