"""A cross-validation in words, for the methods of a paper; see `methods.py` of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.console.texts import counted
from pipeline.sources.rejects import left_out_line
from tfrecords_schema import Dataset
from trainer.metrics.table import headline
from trainer.report.methods import (
    about_data,
    about_figures,
    about_model,
    about_software,
    about_training,
    written,
)
from trainer.report.report_data import RunFiles

_OF_EACH_RUN = {"dataset", "run_dir", "seed", "mode", "paper", "report"}


def study_methods(
    result: Mapping[str, Any], runs: Sequence[RunFiles], dataset: Dataset
) -> dict[str, str]:
    """The paragraphs about all runs together, by their titles.

    Args:
      result: see `summarize`.
      runs: the files of all of them.
      dataset: that was divided, described with the label that is predicted.
    """
    return written(
        {
            "Data": [*about_data(dataset), *_about_left_out(dataset)],
            "Division": _about_division(result, dataset),
            "Model": [*about_model(runs[0]), *_about_unlike(runs)],
            "Training": ["Of each run:", *about_training(runs)],
            "Figures": [*_about_means(result), *about_figures(result), *_about_folds(result)],
            "Software": about_software(runs[0], dataset),
        }
    )


def _about_left_out(dataset: Dataset) -> list[str]:
    found, rejects = dataset.manifest.left_out, dataset.manifest.rejects
    lines = [f"{counted(rejects, 'input')} rejected by the conversion."] if rejects else []
    if found:
        lines.append(f"Left out or changed: {'; '.join(map(left_out_line, found))}.")
    return lines or ["No input was rejected."]


def _about_division(result: Mapping[str, Any], dataset: Dataset) -> list[str]:
    about = result["about"]
    apart = [
        f"{name} ({counted(entry.records, 'recording')} of {counted(entry.groups, 'group')})"
        for name, entry in dataset.manifest.splits.items()
        if entry.records and name not in about["splits"].split(", ")
    ]
    folds = len({run["fold"] for run in result["runs"]})
    lines = [
        f"{counted(result['records'], 'recording')} of {counted(len(result['groups']), 'group')} "
        f"(split {about['splits']}) in {folds} folds of whole groups, "
        f"{counted(about['repeats'], 'division')}, seeds {about['seeds']}: "
        f"{counted(len(result['runs']), 'run')}, validated on {about['validated on']}."
    ]
    return lines + ([f"Not divided and not used: {'; '.join(apart)}."] if apart else [])


def _about_unlike(runs: Sequence[RunFiles]) -> list[str]:
    """Options that are not the same in all runs: some are decided from a fold's own records."""
    found = []
    for name in runs[0].options.keys() - _OF_EACH_RUN:
        values = sorted({run.options.get(name, "") for run in runs})
        if len(values) > 1:
            found.append(f"{name} ({' or '.join(values)})")
    if not found:
        return []
    return [f"This is the first run; not the same in all are {', '.join(sorted(found))}."]


def _about_means(result: Mapping[str, Any]) -> list[str]:
    means = (
        f", then averaged over {counted(result['draws'], 'pair')} of division and seed"
        if result["draws"] > 1
        else ""
    )
    return [
        "Every recording is predicted by models that were not trained on its group; a figure is "
        f"formed of the predictions of all folds of a division together{means}."
    ]


def _about_folds(result: Mapping[str, Any]) -> list[str]:
    """How far the metric that people read first varies."""
    metric = headline(result["metrics"])
    folds = result["spread"][metric]["folds"]
    if "interval" not in folds:
        return []
    return [
        f"Over {folds['number']} folds {metric} has mean {folds['mean']:.3f} and standard "
        f"deviation {folds['deviation']:.3f}; 95% interval of the mean "
        "{:.3f} to {:.3f} (Student's t, with the variance corrected for ".format(*folds["interval"])
        + "the training records that folds share, Nadeau and Bengio 2003)."
    ]
