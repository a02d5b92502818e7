"""Short trials that decide what no number of a manifest tells, such as how values are normalized.

Random convolutions with a ridge take seconds, and their closed form predicts every group of records
from all others. So each candidate is tried on the training split alone, without a part held out.
"""

from __future__ import annotations

from trainer.distribution import cluster
from trainer.models.family import ChosenModel, DataSpec, families
from trainer.options.automatic import Choice
from trainer.runs.asked import Asked
from trainer.session import Data, open_data

_LABELS = 1024
_FAMILY = "hydra"


def settle(asked: Asked) -> Asked:
    """The command with what the rules left open decided by trials; each choice says how.

    Workers of a cluster must agree, and small differences between machines could part them: so
    they take the first candidate of each.
    """
    settled: dict[str, Choice] = {}
    is_alone = cluster.find_cluster() is None
    data: Data | None = None
    while left := [choice for choice in asked.choices if choice.candidates]:
        name, candidates = left[0].name, left[0].candidates
        if not is_alone:
            settled[name] = Choice(name, candidates[0], "no trials on several workers")
        else:
            data = data or open_data(asked)
            losses = {
                value: _loss(asked.again({**settled, name: Choice(name, value, "")}), data)
                for value in candidates
            }
            best = min(losses, key=lambda value: losses[value])
            tried = ", ".join(f"{value} {loss:.3f}" for value, loss in losses.items())
            settled[name] = Choice(name, best, f"loss on training groups left out: {tried}")
        asked = asked.again(settled)
    return asked


def _loss(asked: Asked, data: Data) -> float:
    """Mean loss of random convolutions on training groups, each predicted from all others."""
    assert data.train is not None
    family = families()[_FAMILY]
    options = tuple(
        next((group for group in asked.model.options if isinstance(group, kind)), kind())
        for kind in family.options
    )
    spec = DataSpec(data.dataset.schema.input, data.label, data.learnt.statistics)
    built = ChosenModel(family, options).build(spec)
    assert built.fit is not None
    return built.fit(data.train.grouped(data.train.plan(seed=asked.run.seed)), _LABELS)
