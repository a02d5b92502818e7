"""Short trials that decide what no number of a manifest tells, such as how values are normalized.

Random convolutions with a ridge take seconds, and their closed form predicts every group of records
from all others. So each candidate is tried on the training split alone, without a part held out.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from trainer.batch_trials import batch_steps
from trainer.distribution import cluster
from trainer.models.family import ChosenModel, families
from trainer.options.automatic import Choice
from trainer.options.options import AUTO_STEPS
from trainer.runs.asked import Asked
from trainer.session import Data, open_data

_LABELS = 1024
# MultiROCKET takes as long again, and ranks what suits itself: networks do not follow it.
_WITHOUT = {"rocket_biases": Choice("rocket_biases", 0, "")}
_FAMILY = "hydra"


def settle(asked: Asked, data: Data, strategy: tf.distribute.Strategy) -> tuple[Asked, Data]:
    """The command with what the rules left open decided by trials, and its data.

    Each choice says how it was made. Workers must agree, and small differences between machines
    could part them: so the first one tries, and tells the others the losses.
    """
    settled: dict[str, Choice] = {}
    is_chief = cluster.this_worker(strategy).is_chief

    def loss(choice: Choice, value: str) -> float:
        tried = asked.again({**settled, **_WITHOUT, choice.name: Choice(choice.name, value, "")})
        return cluster.total(strategy, _loss(tried, data) if is_chief else 0.0)

    while left := [choice for choice in asked.choices if choice.candidates]:
        settled[left[0].name] = _least(left[0], loss)
        asked = asked.again(settled)
    data = open_data(asked) if settled else data
    if asked.data.batch_steps == AUTO_STEPS:
        settled["batch_steps"] = batch_steps(asked, data, strategy)
        asked = asked.again(settled)
        data = open_data(asked)
    return asked, data


def _least(choice: Choice, loss: Callable[[Choice, str], float]) -> Choice:
    """The candidate of the least loss."""
    losses = {value: loss(choice, value) for value in choice.candidates}
    best = min(losses, key=lambda value: losses[value])
    said = ", ".join(f"{value} {found:.3f}" for value, found in losses.items())
    return Choice(choice.name, best, f"loss on training groups left out: {said}")


def _loss(asked: Asked, data: Data) -> float:
    """Mean loss of random convolutions on training groups, each predicted from all others.

    Args:
      asked: with the options that are tried.
      data: has the training split.
    """
    assert data.train is not None
    family = families()[_FAMILY]
    options = tuple(
        next((group for group in asked.model.options if isinstance(group, kind)), kind())
        for kind in family.options
    )
    built = ChosenModel(family, options).build(data.learnt.spec(data.label))
    assert built.fit is not None
    batches = data.train.grouped(data.train.plan(seed=asked.run.seed))
    return built.fit(batches, _LABELS)
