"""Short trials that decide what no number of a manifest tells: how values are normalized.

Random convolutions with a ridge take seconds, and their closed form predicts every record from all
others. So each way to normalize is tried on the training split alone, without a part held out.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

from trainer.models.family import ChosenModel, DataSpec, families
from trainer.options.automatic import Choice
from trainer.runs.asked import Asked
from trainer.session import Data

_RECORDS = 512
_FAMILY = "hydra"


def settle(asked: Asked, data: Data) -> Asked:
    """The command with what its choices left open decided; each choice says how."""
    for choice in [choice for choice in asked.choices if choice.candidates]:
        losses = {value: _loss(asked, data, {choice.name: value}) for value in choice.candidates}
        best = min(losses, key=lambda value: losses[value])
        tried = ", ".join(f"{value} {loss:.3f}" for value, loss in losses.items())
        decided = Choice(choice.name, best, f"loss on records left out: {tried}")
        asked = _with(asked, {choice.name: best}, [
            decided if each is choice else each for each in asked.choices
        ])  # fmt: skip
    return asked


def _loss(asked: Asked, data: Data, values: dict[str, Any]) -> float:
    """Mean loss of random convolutions on training records, each predicted from all others."""
    assert data.train is not None
    family = families()[_FAMILY]
    given = {kind: group for group in asked.recorded for kind in type(group).__mro__}
    options = tuple(
        _replaced(given[kind] if kind in given else kind(), values) for kind in family.options
    )
    spec = DataSpec(data.dataset.schema.input, data.label, data.learnt.statistics)
    built = ChosenModel(family, options).build(spec)
    assert built.fit is not None
    plan = data.train.plan(seed=asked.run.seed)
    batches = -(-_RECORDS // max(1, len(plan.records) // plan.num_steps))
    return built.fit(itertools.islice(data.train.read(plan), batches))


def _with(asked: Asked, values: dict[str, Any], choices: list[Choice]) -> Asked:
    model = ChosenModel(
        asked.model.family, tuple(_replaced(group, values) for group in asked.model.options)
    )
    recorded = tuple(_replaced(group, values) for group in asked.recorded)
    return asked._replace(model=model, recorded=recorded, choices=tuple(choices))


def _replaced(group: Any, values: dict[str, Any]) -> Any:
    names = {field.name for field in dataclasses.fields(group)} & values.keys()
    return dataclasses.replace(group, **{name: values[name] for name in names})
