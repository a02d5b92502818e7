"""What an evaluation says of temperature and threshold, on its own split."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.console.tables import Table
from tfrecords_schema import LabelSpec
from trainer.evaluation.group_sums import one_group
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.probability_figures import reliability
from trainer.evaluation.temperature import without_temperature
from trainer.evaluation.threshold import figures_of
from trainer.metrics.table import of_kind
from trainer.runs.calibration import Calibration

_FIGURE = "{:.3f}".format


def of_probabilities(label: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The metrics that read probabilities themselves, of labels `[n]` and `[n, classes]`."""
    found = one_group("class", label, probabilities).total()
    return {m.name: found[m.name] for m in of_kind("class") if m.of_probabilities}


def calibration_figures(
    calibration: Calibration, predictions: Predictions, label: LabelSpec
) -> dict[str, Any]:
    """What was chosen, and `here`, of these predictions: `before`, `after` and `decision`, too.

    `reliability_before` are the bins of `reliability` without the temperature.
    """
    truth, probabilities = predictions.label, predictions.prediction
    here: dict[str, Any] = {}
    if calibration.before:
        before = without_temperature(probabilities, calibration.temperature)
        here["before"] = of_probabilities(truth, before)
        here["after"] = of_probabilities(truth, probabilities)
        here["reliability_before"] = reliability(truth, before)
    if calibration.threshold is not None:
        number = label.class_names.index(calibration.asked["positive_class"])
        here["decision"] = figures_of(truth, predictions.answers, number)
    if calibration.thresholds:
        here["decisions"] = {
            name: figures_of(truth[known, at], predictions.answers[known, at], 1)
            for at, name in enumerate(label.class_names)
            if (known := truth[:, at] >= 0).any()
        }
    return {**dataclasses.asdict(calibration), "here": here}


def calibration_notes(result: Mapping[str, Any]) -> list[str]:
    """Why what was asked for was not chosen."""
    notes: list[str] = (result.get("calibration") or {}).get("notes", [])
    return notes


def calibration_tables(result: Mapping[str, Any]) -> list[Table]:
    """Temperature and threshold with their figures on the split; nothing where none was chosen."""
    found = result.get("calibration") or {}
    here, split = found.get("here", {}), result["split"]
    if not here:
        return []
    of_it = f"chosen on {found['labels']:,} labels of split {found['split']!r}"
    if found["split"] == split:
        of_it += ", which is this one: others tell more"
    tables = []
    if "before" in here:
        columns = {"probabilities": None, "without": _FIGURE, "with the temperature": _FIGURE}
        after = here.get("after", {})
        rows = [
            (name, here["before"][name], after[name]) for name in here["before"] if name in after
        ]
        note = f"temperature {found['temperature']:.4g}, {of_it}; it changes no class"
        tables.append(Table(f"Probabilities of {split}", columns, rows, note=note))
    if "decisions" in here:
        figures = ("sensitivity", "specificity", "precision", "f1")
        columns = {"class": None, "threshold": "{:.4g}".format, **dict.fromkeys(figures, _FIGURE)}
        thresholds, aim = found.get("thresholds", {}), found["asked"].get("decide_by", "")
        each = [
            (name, thresholds.get(name, 0.5), *map(of.get, figures))
            for name, of in here["decisions"].items()
            if of.keys() >= {*figures}
        ]
        note = f"a class is stated from its threshold on, by {aim}, {of_it}"
        table = Table(f"Decisions of {split}", columns, each, of="classes", most=30, note=note)
        tables.append(table)
    if "decision" in here and found["threshold"] is not None:
        name, aim = (found["asked"].get(key, "") for key in ("positive_class", "decide_by"))
        by_split = {found["split"]: found["decision"], split: here["decision"]}
        columns = {name: None, **{f"on {one}": _FIGURE for one in by_split}}
        known = [n for n in here["decision"] if all(n in of for of in by_split.values())]
        pairs = [(n, *(of[n] for of in by_split.values())) for n in known]
        note = f"stated from probability {found['threshold']:.4g} on, by {aim}, {of_it}"
        tables.append(Table(f"Decisions of {split}", columns, pairs, note=note))
    return tables
