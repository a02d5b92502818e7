"""What the runs of all folds and seeds come to: every record predicted by models that never saw it.

Folds of one division and one seed together predict every record once; that is a draw. A figure is
formed of a draw as a whole, then averaged over draws. How it varies is told apart: over groups
(other people), folds (other training records), seeds and divisions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfrecords_schema import LabelSpec
from trainer.evaluation.evaluation_table import group_count
from trainer.evaluation.group_sums import RESAMPLES, Figures, GroupSums, interval
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.predictions import Predictions
from trainer.metrics.table import limits
from trainer.studies.scored import Scored
from trainer.studies.spread import spread

Draw = tuple[int, int]
"""Number of the division, and seed."""

_WORST = 60


@dataclasses.dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
      repeat: number of the division into folds.
      fold: number of the fold in it.
      seed: of the training.
      evaluation: of the fold's own test records.
      scored: what it predicted of them.
    """

    repeat: int
    fold: int
    seed: int
    evaluation: dict[str, Any]
    scored: Scored


def run_name(repeat: int, fold: int, seed: int) -> str:
    """Of a run's folder."""
    return f"repeat_{repeat}_fold_{fold}_seed_{seed}"


def draws_of(runs: Sequence[Run]) -> dict[Draw, Scored]:
    """The records of all folds, for each division and seed."""
    parts: dict[Draw, list[Scored]] = {}
    for run in runs:
        parts.setdefault((run.repeat, run.seed), []).append(run.scored)
    return {draw: Scored.joined(found) for draw, found in parts.items()}


def mean_of(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of each metric over some figures of it."""
    return {name: np.mean([one[name] for one in figures], axis=0) for name in figures[0]}


def resampled_mean(sums: Sequence[GroupSums]) -> Figures:
    """The mean over draws of each metric, in every resample of the groups."""
    drawn = [one.resampled() for one in sums]
    return mean_of(drawn) if drawn[0] else {}


def summarize(runs: Sequence[Run], label: LabelSpec, *, untrained_folds: int = 1) -> dict[str, Any]:
    """All figures, as `cross_validation.json` has them.

    Has what `evaluation-<split>.json` has, so that its tables show it, and `spread`: for each
    metric how it varies over groups, folds, seeds and divisions.

    Args:
      runs: all of them.
      label: what they predict.
      untrained_folds: of a division, those that a run is not trained on.
    """
    draws = draws_of(runs)
    sums = {draw: scored.sums(label) for draw, scored in draws.items()}
    totals = {draw: one.total() for draw, one in sums.items()}
    first = next(iter(draws.values()))
    metrics = {name: float(value) for name, value in mean_of([*totals.values()]).items()}
    intervals = {
        name: [*interval(values)] for name, values in resampled_mean([*sums.values()]).items()
    }
    per_group = _per_group([*sums.values()])
    baselines = _baselines(runs)
    return {
        "split": "all folds",
        "file": "cross_validation",
        "records": len(first.ids),
        "labels": len(first.predictions.label),
        "draws": len(draws),
        "metrics": metrics,
        "intervals": intervals,
        "bootstrap_resamples": RESAMPLES,
        "spread": {
            name: _spread(name, runs, totals, per_group, intervals.get(name), untrained_folds)
            for name in metrics
        },
        "groups": per_group,
        "trained_on": _seen(runs),
        "baselines": baselines,
        "baseline": next(iter(baselines), {}),
        **_details([*draws.values()], label),
        "worst": worst_records([*draws.values()], label)[:_WORST],
        "runs": [
            {
                "repeat": run.repeat,
                "fold": run.fold,
                "seed": run.seed,
                "records": run.evaluation["records"],
                "metrics": run.evaluation["metrics"],
            }
            for run in runs
        ],
    }


def _spread(
    name: str,
    runs: Sequence[Run],
    totals: Mapping[Draw, Mapping[str, float]],
    per_group: Mapping[str, Mapping[str, float]],
    of_groups: list[float] | None,
    untrained_folds: int,
) -> dict[str, Any]:
    """How one metric varies: over groups, folds, seeds and divisions, each by itself."""
    groups = spread([figures[name] for figures in per_group.values()])
    del groups["mean"]  # Of groups that count alike, whatever their size: another figure.
    groups.pop("interval", None)
    by_fold: dict[tuple[int, int], list[float]] = {}
    for run in runs:
        by_fold.setdefault((run.repeat, run.fold), []).append(run.evaluation["metrics"][name])
    folds = len({run.fold for run in runs})
    seeds, repeats = (sorted({draw[axis] for draw in totals}) for axis in (1, 0))
    return {
        "groups": {**groups, **({"interval": of_groups} if of_groups else {})},
        "folds": spread(
            [float(np.mean(found)) for found in by_fold.values()],
            1 / (folds - untrained_folds),
            limits(name),
        ),
        "seeds": spread(_along(name, totals, 1, seeds), limits=limits(name)),
        "repeats": spread(_along(name, totals, 0, repeats), limits=limits(name)),
    }


def _along(
    name: str, totals: Mapping[Draw, Mapping[str, float]], axis: int, values: Sequence[int]
) -> list[float]:
    """Mean figure of the draws with each value of one of their numbers."""
    return [
        float(np.mean([found[name] for draw, found in totals.items() if draw[axis] == value]))
        for value in values
    ]


def _per_group(sums: Sequence[GroupSums]) -> dict[str, dict[str, float]]:
    found = [one.per_group() for one in sums]
    means = {group: mean_of([one[group] for one in found]) for group in found[0]}
    return {
        group: {
            **{name: float(value) for name, value in figures.items()},
            "labels": found[0][group]["labels"],
        }
        for group, figures in means.items()
    }


def _seen(runs: Sequence[Run]) -> dict[str, int]:
    """Records of other folds that are also among the training records, as `TrainedOn.seen`."""
    draw = (runs[0].repeat, runs[0].seed)
    of_draw = [run.evaluation for run in runs if (run.repeat, run.seed) == draw]
    found = [evaluation.get("trained_on") or {} for evaluation in of_draw]
    seen = {what: sum(one.get(what, 0) for one in found) for what in ("groups", "records")}
    if not any(seen.values()):
        return {}
    groups = sum(map(group_count, of_draw))
    return {**seen, "of_groups": groups, "of_records": sum(e["records"] for e in of_draw)}


def _baselines(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Mean over labels of what could be guessed from each fold's own training records."""
    if not all(run.evaluation["baselines"] for run in runs):
        return []
    weights = [run.evaluation["labels"] for run in runs]
    guesses = [run.evaluation["baseline"] for run in runs]
    names = [name for name, value in guesses[0].items() if isinstance(value, float)]
    figures = {
        name: float(np.average([guess[name] for guess in guesses], weights=weights))
        for name in names
    }
    return [{"name": guesses[0]["name"], **figures}]


def _details(draws: Sequence[Scored], label: LabelSpec) -> dict[str, Any]:
    """Per class with the confusion, or per component: of the labels of all draws."""
    found = Predictions.joined([scored.predictions for scored in draws])
    return scored_kind(label.kind).units(found, label)[0]


def worst_records(draws: Sequence[Scored], label: LabelSpec) -> list[dict[str, Any]]:
    """The records that are predicted worst, on the mean of all draws, the worst first.

    By the probability of their true classes, or by their RMSE.
    """
    first, mean = draws[0], averaged(draws, label)
    kind = scored_kind(label.kind)
    certainty = kind.certainty(mean.predictions)
    figures = np.mean([scored.per_record(label) for scored in draws], axis=0)
    found = []
    for at in np.argsort(certainty, kind="stable").tolist():
        if not np.isfinite(certainty[at]):
            continue
        truth, answers = mean.predictions.of(at)[0], mean.predictions.answers_of(at)
        about = {"id": first.ids[at], "group": first.groups[at], "source": first.sources[at]}
        said = kind.described(truth, answers, float(certainty[at]), float(figures[at]), label)
        found.append({**about, **said})
    return found


def averaged(draws: Sequence[Scored], label: LabelSpec) -> Scored:
    """Each record's mean prediction; where thresholds decide, the class that most of them state."""
    found = [scored.predictions for scored in draws]
    mean = np.asarray(np.mean([one.prediction for one in found], axis=0, dtype=np.float64))
    answer = scored_kind(label.kind).agreed(mean, found)
    predictions = dataclasses.replace(
        found[0], prediction=mean.astype(found[0].prediction.dtype), answer=answer
    )
    return dataclasses.replace(draws[0], predictions=predictions)
