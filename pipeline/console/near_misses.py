"""Words that are none of a few known ones, and the one that was probably meant."""

import difflib
from collections.abc import Collection, Iterable, Sequence


def nearest(text: str, choices: Iterable[str], cutoff: float = 0.75) -> str:
    """The choice that was probably meant; empty if none is near.

    Of choices such as `stage/accuracy` the first whose last part it is.
    """
    choices = [*choices]
    if of_one := [choice for choice in choices if choice.endswith(f"/{text}")]:
        return of_one[0]
    return next(iter(difflib.get_close_matches(text, choices, n=1, cutoff=cutoff)), "")


def not_one_of(text: str, choices: Iterable[str]) -> str:
    """The message for a word that is none of the choices."""
    near = nearest(text, choices)
    hint = f"; did you mean {near}?" if near else ""
    return f"{text!r} is none of {', '.join(choices)}{hint}"


def near_flag(argv: Sequence[str], flags: Collection[str]) -> str:
    """A message about the first flag that is unknown and near a known one; empty without one."""
    for name in (arg.partition("=")[0] for arg in argv if arg.startswith("--")):
        if name not in flags and (near := nearest(name, flags)):
            return f"unknown flag {name}; did you mean {near}?"
    return ""
