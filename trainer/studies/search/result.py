"""What a search comes to: the best trials, whether one is better than the default, importances."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.console.tables import Table, as_text
from pipeline.console.texts import counted, wrapped
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write
from trainer.metrics.table import better_mode
from trainer.studies.search.space import Dimension
from trainer.studies.search.storage import Storage, optuna
from trainer.studies.search.trials import FIGURES, REASON, SAME, Plan
from trainer.studies.spread import spread

RESULT, FLAGS = "search.json", "best.flags"
_STATES = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}
_UNFINISHED = "begun"
_LEAST_FOR_IMPORTANCES = 8
_THOUSANDTHS = "{:.3f}".format


def summarize(plan: Plan, storage: Storage) -> dict[str, Any]:
    """All figures, as `search.json` has them.

    The best is compared with the default fold by fold: both were trained and tested on the same
    records. It is better where the 95% interval of the mean difference is (see `spread`).
    """
    higher = better_mode(plan.objective) == "max"
    trials = [_trial(number, found, plan) for number, found in storage.newest().items()]
    done = [trial for trial in trials if trial["state"] == "done"]
    result: dict[str, Any] = {
        "objective": plan.objective,
        "higher_is_better": higher,
        "folds": len(plan.folds),
        "asked_trials": plan.options.trials,
        "trials": trials,
        "importances": _importances(storage),
    }
    if not done or done[0]["trial"]:
        return {**result, "best": None, "is_better": False}
    default, sign = done[0], 1 if higher else -1
    best = max(done, key=lambda one: sign * one["value"])
    differences = sign * np.subtract(best["figures"], default["figures"])
    gain = spread(differences.tolist(), 1 / (len(plan.folds) - 1))
    return {
        **result,
        "best": best["trial"],
        "gain": gain,
        "is_better": best is not default and gain["interval"][0] > 0,
    }


def _trial(number: int, found: Any, plan: Plan) -> dict[str, Any]:
    figures = found.user_attrs.get(FIGURES, [])
    mean = float(np.mean(figures)) if figures else None
    options = {one.name: found.params[one.name] for one in plan.space if one.name in found.params}
    return {
        "trial": number,
        "state": _STATES.get(found.state.name, _UNFINISHED),
        "value": mean,
        "figures": figures,
        "options": options,
        **{name: found.user_attrs[name] for name in (SAME, REASON) if name in found.user_attrs},
    }


def _importances(storage: Storage) -> dict[str, float]:
    """Share of each option in what makes trials good; empty of few trials, or where all are alike.

    PED-ANOVA (Watanabe et al. 2023), which needs no other library.
    """
    done = storage.study.get_trials(states=(optuna().trial.TrialState.COMPLETE,))
    names = set.union(set(), *(trial.params.keys() for trial in done))
    whole = [trial for trial in done if trial.params.keys() == names]
    if len(whole) < _LEAST_FOR_IMPORTANCES or len({trial.value for trial in whole}) < 2:
        return {}
    study = optuna().create_study(direction=storage.study.direction)
    study.add_trials(whole)
    evaluator = optuna().importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That it is experimental, or that a share is 0.
        found = optuna().importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items() if np.isfinite(share)}


def verdict(result: Mapping[str, Any]) -> str:
    """Whether the best trial is better than the default, in a sentence."""
    if result["best"] is None:
        return "no figure of the default yet; give the same command with more --search_minutes"
    name, trials = result["objective"], {one["trial"]: one for one in result["trials"]}
    done = sum(one["state"] != _UNFINISHED for one in result["trials"])
    if not result["best"]:
        others = counted(done - 1, "other trial")
        return f"the default stands: none of {others} has a better {name}"
    best, gain = trials[result["best"]], result["gain"]
    low, high = gain["interval"]
    figures = (
        f"{name} {best['value']:.3f}, the default {trials[0]['value']:.3f}; better by "
        f"{gain['mean']:.3f} ({low:.3f} to {high:.3f}, 95% over {result['folds']} folds)"
    )
    if result["is_better"]:
        return f"trial {result['best']} is better than the default: {figures}"
    return f"the default stands, for folds do not tell trial {best['trial']} from it: {figures}"


def trial_table(result: Mapping[str, Any], space: Sequence[Dimension]) -> Table:
    """The trials, the best first; those that were pruned, failed or are only begun last."""
    sign = -1 if result["higher_is_better"] else 1
    rank = {"done": 0, "pruned": 1}
    order = sorted(
        result["trials"],
        key=lambda one: (rank.get(one["state"], 2), sign * (one["value"] or 0), one["trial"]),
    )
    rows = [
        (
            str(one["trial"] or "default"),
            one["value"],
            spread(one["figures"]).get("deviation") if one["figures"] else None,
            one["state"],
            *(one["options"].get(dimension.name) for dimension in space),
        )
        for one in order
    ]
    columns: dict[str, Any] = {"trial": None, result["objective"]: _THOUSANDTHS}
    columns |= {"deviation": _THOUSANDTHS, "": None}
    columns |= {dimension.name: _short for dimension in space}
    return Table("Trials", columns, rows, of="trials", most=10, note="deviation: over folds")


def failures_table(result: Mapping[str, Any]) -> Table:
    """Why trials failed."""
    rows = [(one["trial"], one[REASON]) for one in result["trials"] if REASON in one]
    return Table("Failed", {"failed trial": None, "why": None}, rows, of="failed trials")


def importance_table(result: Mapping[str, Any]) -> Table:
    """How much depends on each option."""
    rows = [*result["importances"].items()]
    columns: dict[str, Any] = {"importance of": None, "share": "{:.0%}".format}
    return Table("Importances", columns, rows, of="options")


def search_text(result: Mapping[str, Any], space: Sequence[Dimension]) -> str:
    """All tables, and the verdict."""
    tables = [trial_table(result, space), importance_table(result)]
    return "\n\n".join(filter(None, [*map(as_text, tables), wrapped(verdict(result))]))


def write_result(run_dir: str, result: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Writes `search.json` and, once there is a best trial, `best.flags`."""
    atomic_write(join(run_dir, RESULT), (json.dumps(result, indent=1) + "\n").encode())
    if result["best"] is None:
        return
    options = {one["trial"]: one["options"] for one in result["trials"]}[result["best"]]
    flags = {**given, **(options if result["best"] else {})}
    lines = [f"# {verdict(result)}", *(f"--{name}={value}" for name, value in flags.items())]
    atomic_write(join(run_dir, FLAGS), ("\n".join(lines) + "\n").encode())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
