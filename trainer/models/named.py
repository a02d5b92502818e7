"""A family by what `--model` calls it: one of this room, or a function of one's own."""

from __future__ import annotations

from pipeline.console.options import Options, declarations, names_of
from trainer.models.family import Family, families, option_kinds
from trainer.models.parts.own_model import is_path, own_family


def family_named(name: str) -> Family:
    """The family of that name.

    Raises:
      UserError: there is no such function of one's own, or it is none that makes a model.
    """
    return own_family(name) if is_path(name) else families()[name]


def kinds_beside(name: str) -> tuple[type[Options], ...]:
    """The options of a family and, so that they are known and refused, of all others.

    Where a function of one's own has an option that is called as one of theirs, it is its own.

    Raises:
      UserError: like `family_named`.
    """
    kinds = family_named(name).options
    shared = declarations(option_kinds())
    added = [kind for kind in declarations(kinds) if kind not in shared]
    own = {field.name for kind in added for field, _ in declarations(kinds)[kind]}
    others = (kind for kind in option_kinds() if own.isdisjoint(names_of((kind,))))
    return tuple(dict.fromkeys((*kinds, *others)))


def names_for_rules(name: str) -> set[str]:
    """The options of a family that the rules know the meaning of."""
    family, shared = family_named(name), declarations(option_kinds())
    declared = declarations(family.options)
    return {field.name for kind in declared if kind in shared for field, _ in declared[kind]}
