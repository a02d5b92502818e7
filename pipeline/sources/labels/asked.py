"""What flags say of each label: one, or several side by side."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.console.errors import UsageError
from pipeline.sources.names import parts

_KIND = re.compile(r"--label_kind=((?:step|record|sample)_\w+)")
_KEY_FLAGS = "--label_key and --label_column"


class AskedLabel(NamedTuple):
    """One label.

    Attributes:
      key: the array, field or column that has it; empty where that goes without saying.
      column: the same in the table of `--labels`.
      kind: `--label_kind` of it.
      class_names: `--class_names` of it, in the order of their index; empty if not given.
      name: of its head; empty of a label that is the only one.
    """

    key: str
    column: str
    kind: str
    class_names: tuple[str, ...] = ()
    name: str = ""

    def has_names(self, separator: str) -> bool:
        """Whether texts are any number of classes each, with `--label_separator` between them."""
        return bool(separator) if self.kind == "auto" else self.kind.endswith("_classes")


def said_of(at: int, asked: Sequence[AskedLabel], text: str) -> str:
    """What is said of a label; of several its name in front, and `--label_kind` as for all."""
    if not asked[at].name:
        return text
    kinds = [one.kind for one in asked]
    before, behind = "".join(f"{kind}," for kind in kinds[:at]), kinds[at + 1 :]
    flag = rf"--label_kind={before}\1" + "".join(f",{kind}" for kind in behind)
    return f"{asked[at].name}: {_KIND.sub(flag, text)}"


def asked_labels(
    label_key: str, label_column: str, label_kind: str, class_names: tuple[str, ...]
) -> tuple[AskedLabel, ...]:
    """What flags of these names ask for: in the files first, then in the table.

    Raises:
      UsageError: they do not go together.
    """
    if label_kind == "none":
        return ()
    keys, columns = parts(label_key), parts(label_column)
    if len(keys) + len(columns) < 2:
        _require_one_kind(label_kind)
        return (AskedLabel(label_key, label_column, label_kind, class_names),)
    if "" in (*keys, *columns):
        raise UsageError(f"{_KEY_FLAGS}: a name is empty; name labels with commas between")
    kinds, names = _kinds(label_kind, [*keys, *columns]), _names([*keys, *columns])
    classes = _class_names(",".join(class_names), names)
    places = [*((key, "") for key in keys), *(("", column) for column in columns)]
    return tuple(
        AskedLabel(*place, kind, classes.get(name, ()), name)
        for place, kind, name in zip(places, kinds, names, strict=True)
    )


def _require_one_kind(label_kind: str) -> None:
    if "," in label_kind:
        raise UsageError(
            f"--label_kind={label_kind} is of several labels; name them in {_KEY_FLAGS}, or give "
            "one kind"
        )


def _kinds(label_kind: str, keys: Sequence[str]) -> list[str]:
    kinds = label_kind.split(",")
    if len(kinds) not in (1, len(keys)):
        raise UsageError(
            f"--label_kind has {len(kinds)} kinds, the labels are {', '.join(keys)}; give one for "
            "each, in this order, or one for all"
        )
    for kind in kinds:
        if kind == "none" or kind.startswith("sequence_"):
            raise UsageError(
                f"--label_kind={kind} is not for one of several labels, which are of steps or of "
                f"recordings; leave that label out of {_KEY_FLAGS}"
            )
    return kinds if len(kinds) > 1 else kinds * len(keys)


def _names(keys: Sequence[str]) -> list[str]:
    """The names of heads, which stand in files and flags: letters, digits, `_` and `-`."""
    names = [_name(key) for key in keys]
    for at, name in enumerate(names):
        if (first := names.index(name)) < at:
            raise UsageError(
                f"{_KEY_FLAGS}: {keys[first]!r} and {keys[at]!r} would both be called {name}; "
                "name each label once, and rename one if they are two"
            )
    return names


def _name(key: str) -> str:
    name = "".join(one if one == "-" or f"_{one}".isidentifier() else "_" for one in key)
    return name if name.replace("-", "_").isidentifier() else f"_{name}"


def _class_names(text: str, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Of `stage=W,N1;apnea=no,yes` the classes of each label."""
    found: dict[str, tuple[str, ...]] = {}
    for part in filter(None, text.split(";")):
        name, equals, classes = part.partition("=")
        if not equals or name.strip() not in names or name.strip() in found:
            raise UsageError(
                f"--class_names={text}: expected the classes of each of several labels, once, as "
                f"in {names[0]}=a,b;{names[1]}=c,d; the labels are {', '.join(names)}"
            )
        found[name.strip()] = tuple(one.strip() for one in classes.split(","))
    return found
