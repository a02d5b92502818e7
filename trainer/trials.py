"""Short trials that decide what no number of a manifest tells, such as how values are normalized.

Random convolutions with a ridge take seconds, and their closed form predicts every group of records
from all others. So each candidate is tried on the training split alone, without a part held out.
"""

from __future__ import annotations

import tensorflow as tf

from trainer.distribution import cluster
from trainer.models.family import ChosenModel, families
from trainer.options.automatic import Choice
from trainer.runs.asked import Asked
from trainer.session import Data, open_data

_LABELS = 1024
_FAMILY = "hydra"


def settle(asked: Asked, data: Data, strategy: tf.distribute.Strategy) -> tuple[Asked, Data]:
    """The command with what the rules left open decided by trials, and its data.

    Each choice says how it was made. Workers must agree, and small differences between machines
    could part them: so the first one tries, and tells the others the losses.
    """
    settled: dict[str, Choice] = {}
    is_chief = cluster.this_worker(strategy).is_chief
    while left := [choice for choice in asked.choices if choice.candidates]:
        name, losses = left[0].name, {}
        for value in left[0].candidates:
            tried = asked.again({**settled, name: Choice(name, value, "")})
            losses[value] = cluster.total(strategy, _loss(tried, data) if is_chief else 0.0)
        best = min(losses, key=lambda value: losses[value])
        said = ", ".join(f"{value} {loss:.3f}" for value, loss in losses.items())
        settled[name] = Choice(name, best, f"loss on training groups left out: {said}")
        asked = asked.again(settled)
    return asked, open_data(asked) if settled else data


def _loss(asked: Asked, data: Data) -> float:
    """Mean loss of random convolutions on training groups, each predicted from all others."""
    assert data.train is not None
    family = families()[_FAMILY]
    options = tuple(
        next((group for group in asked.model.options if isinstance(group, kind)), kind())
        for kind in family.options
    )
    built = ChosenModel(family, options).build(data.learnt.spec(data.label))
    assert built.fit is not None
    return built.fit(data.train.grouped(data.train.plan(seed=asked.run.seed)), _LABELS)
