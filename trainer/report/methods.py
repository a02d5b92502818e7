"""A run in words, for the methods of a paper: every number is from the files of the run.

What those do not say is not said.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.console.options import Options, names_of, value_text
from pipeline.console.texts import counted, duration_text, input_text, label_kind_text
from pipeline.inspect.samples import TimeAxis
from pipeline.sources.rejects import left_out_line
from tfrecords_schema import Dataset
from tfrecords_schema.errors import UserError
from tfrecords_schema.names import UNLABELLED, join
from tfrecords_schema.storage import atomic_write
from trainer.augmentation.augmentation import augmentations
from trainer.data.left_out import left_out
from trainer.evaluation.calibration_figures import calibration_tables
from trainer.evaluation.evaluation_table import group_count, measured, warnings
from trainer.evaluation.page_tables import over_groups_table
from trainer.metrics.table import headline
from trainer.models.named import family_named
from trainer.options.options import DataOptions, TrainingOptions
from trainer.options.start import StartOptions
from trainer.report.report_data import RunFiles

FILE = "methods.txt"
_DIVISION = (
    "group_regex", "group_key", "splits", "split_seed", "split_regex", "split_key", "stratify",
)  # fmt: skip
# What decides how the batches and the updates of a training are, beside what sentences say.
_BATCHES = ("batching", "num_buckets", "boundaries", "class_weights")
_NOT_UPDATES = (
    "epochs", "checkpoint_every_steps", "checkpoint_every_epochs", "keep_checkpoints",
)  # fmt: skip


def write_methods(run_dir: str, paragraphs: Mapping[str, str]) -> None:
    """Writes `methods.txt`, a line for each paragraph."""
    lines = (f"{title}. {text}\n" for title, text in paragraphs.items())
    atomic_write(join(run_dir, FILE), "\n".join(lines).encode("utf-8", "backslashreplace"))


def run_methods(
    run: RunFiles, dataset: Dataset, evaluations: Sequence[dict[str, Any]]
) -> dict[str, str]:
    """The paragraphs about a run by itself, by their titles.

    Args:
      run: its files.
      dataset: described with the label that is predicted.
      evaluations: of that dataset.
    """
    return written(
        {
            "Data": [
                *about_data(dataset),
                *_about_splits(dataset),
                *_about_left_out(dataset, run.options),
            ],
            "Model": about_model(run),
            "Training": about_training([run]),
            "Figures": [
                line for evaluation in evaluations for line in about_figures(evaluation)
            ],
            "Software": about_software(run, dataset),
        }
    )  # fmt: skip


def written(paragraphs: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Sentences as paragraphs; those without any are left out."""
    found = {title: " ".join(lines) for title, lines in paragraphs.items()}
    return {title: text for title, text in found.items() if text}


def about_data(dataset: Dataset) -> list[str]:
    """What a recording is, and what is predicted of it."""
    manifest, schema = dataset.manifest, dataset.schema
    axis, options = TimeAxis.of(dataset), manifest.options
    records = sum(entry.records for entry in manifest.splits.values())
    lines = [
        f"{manifest.name} {manifest.version} (SHA-256 {manifest.fingerprint}) has "
        f"{counted(records, 'recording')}, {input_text(schema.input)} each; predicted is "
        f"{label_kind_text(schema.label)}."
    ]
    if schema.label and schema.label.class_names:
        lines.append(f"Classes: {', '.join(schema.label.class_names)}.")
    if axis.step_secs:
        rate = f"{float(options['sample_rate_hz']):g} Hz"
        lines.append(f"A step takes {duration_text(axis.step_secs)}, at {rate}.")
    if axis.channels:
        lines.append(f"Channels: {'; '.join(axis.channels)}.")
    return lines


def _about_splits(dataset: Dataset) -> list[str]:
    """How the recordings are divided, and whether groups are."""
    splits = dataset.manifest.splits
    parts = [
        f"{name} {counted(entry.records, 'recording')} of {counted(entry.groups, 'group')} "
        f"({counted(entry.steps, 'step')})"
        for name, entry in splits.items()
        if entry.records
    ]
    labelled = [name for name, entry in splits.items() if entry.records and name != UNLABELLED]
    groups = [{*dataset.split(name).each_group()} for name in labelled]
    shared = sum(map(len, groups)) - len(set().union(*groups))
    line = "no group is in two splits" if not shared else f"{shared:,} groups are in two splits"
    return [
        f"Splits: {'; '.join(parts)}; {line}.",
        *_listed("Divided with", dataset.manifest.options, _DIVISION),
    ]


def _about_left_out(dataset: Dataset, options: Mapping[str, str]) -> list[str]:
    names = ("train_split", "validation_split", "test_split")
    given: dict[str, Any] = {name: options[name] for name in names if name in options}
    used = DataOptions(**given)
    rows = left_out(dataset, used)
    if not rows:
        return ["No input was rejected."]
    return [f"Left out or changed: {'; '.join(map(left_out_line, rows))}."]


def about_model(run: RunFiles) -> list[str]:
    """The family with all of its options, and how large it is."""
    name = run.options.get("model", "")
    lines = []
    with contextlib.suppress(KeyError, UserError):  # One's own may not be installed here.
        family = family_named(name)
        lines.append(": ".join(filter(None, (name, family.summary))))
        lines += _listed("Options:", run.options, sorted(names_of(family.options)))
    if "parameters" in run.versions:
        lines.append(
            f"It has {counted(run.versions['parameters'], 'parameter')}, "
            f"{run.versions['trainable_parameters']:,} of them trained by gradients."
        )
    if run.choices:
        decided = ", ".join(f"{one['name']} ({one['reason']})" for one in run.choices)
        lines.append(f"Options that were not given, and why they are as they are: {decided}.")
    return lines


def about_training(runs: Sequence[RunFiles]) -> list[str]:
    """How long, on which batches and by which updates was trained; of several runs the ends."""
    options, plan = runs[0].options, runs[0].plan
    accumulated = int(options.get("accumulate_batches", 1))
    epochs = [len(run.epochs) for run in runs if run.epochs]
    is_trained = bool(runs[0].versions.get("trainable_parameters"))
    updates = [
        number for run in runs if is_trained and (number := _updates(run.epochs, accumulated))
    ]
    lines = []
    if epochs:
        and_updates = f" and {_ends(updates, 'update')}" if updates else ""
        lines.append(
            f"{_ends(epochs, 'epoch')}{and_updates} on split {options.get('train_split')}."
        )
    steps, records = plan.get("batch_steps"), plan.get("batch_size")
    if (steps or records) and "padding_share" in plan:
        size = f"{steps:,} padded steps" if steps else counted(records or 0, "recording")
        lines.append(f"A batch has at most {size}; padding {plan['padding_share']:.1%}.")
    lines += _listed("Batches:", options, _BATCHES)
    if is_trained:
        unread = {*_NOT_UPDATES, *(() if options.get("optimizer") == "sgd" else ("momentum",))}
        names = [name for name in _fields(TrainingOptions) if name not in unread]
        lines += _listed("Updates:", options, names)
    changes = [name for kind in augmentations() for name in _changed(kind, options)]
    lines += _listed("Augmentation:", options, changes)
    if epochs and not changes and "mode" in options:
        lines.append("No augmentation.")
    lines += _listed("Start:", options, _changed(StartOptions, options))
    return lines + _listed("Besides:", options, ("seed", "precision", "deterministic"))


def _updates(epochs: Sequence[Mapping[str, Any]], accumulated: int) -> int:
    """Updates of the weights: each epoch ends with one."""
    ends = [0, *(line["step"] for line in epochs if "step" in line)]
    return sum(math.ceil((end - begin) / accumulated) for begin, end in itertools.pairwise(ends))


def _ends(numbers: Sequence[int], noun: str) -> str:
    least, most = min(numbers), max(numbers)
    return counted(most, noun) if least == most else f"{least:,} to {counted(most, noun)}"


def about_figures(result: Mapping[str, Any]) -> list[str]:
    """Every metric with its interval, how that was formed, and what anyone could guess."""
    intervals, groups = result["intervals"], group_count(result)
    figures = [
        f"{name} {value:.3f}"
        + (" ({:.3f} to {:.3f})".format(*intervals[name]) if name in intervals else "")
        for name, value in result["metrics"].items()
    ]
    lines = [
        f"On {measured(result)} ({counted(result['records'], 'recording')} of "
        f"{counted(groups, 'group')}, {counted(result['labels'], 'label')}): {', '.join(figures)}."
    ]
    if intervals:
        lines.append(
            "In brackets: 95% intervals, percentiles over "
            f"{result['bootstrap_resamples']:,} resamples of the groups with replacement."
        )
    rows = over_groups_table(result).rows
    if rows:
        means = ", ".join(f"{name} {mean:.3f} ({sd:.3f})" for name, mean, sd, *_ in rows)
        lines.append(f"Mean (standard deviation) over the groups, each counted once: {means}.")
    lines += [f"{table.title}: {table.note}." for table in calibration_tables(result)]
    metric = headline(result["metrics"])
    for guess in result["baselines"]:
        if metric in guess:
            lines.append(f"Without a model, {guess['name']}: {metric} {guess[metric]:.3f}.")
    return [*lines, *(f"Note: {line}." for line in warnings(result))]


def about_software(run: RunFiles, dataset: Dataset) -> list[str]:
    """Versions of what trained, and of what converted."""
    lines = []
    trained = {
        name: text
        for name, text in run.versions.items()
        if isinstance(text, str) and not name.startswith("dataset")
    }
    for what, versions in (("Trained", trained), ("Converted", dataset.manifest.versions)):
        if versions:
            texts = ", ".join(f"{name} {text}" for name, text in versions.items())
            lines.append(f"{what} with {texts}.")
    return lines


def _fields(kind: type[Options]) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _changed(kind: type[Options], options: Mapping[str, str]) -> list[str]:
    """Options that are not as they are by default."""
    defaults = {name: value_text(getattr(kind(), name)) for name in _fields(kind)}
    return [name for name, text in defaults.items() if options.get(name) not in (None, text)]


def _listed(before: str, options: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Options that have a value, as a sentence; none without any."""
    found = [f"{name} {options[name]}" for name in names if options.get(name) not in (None, "")]
    return [f"{before} {', '.join(found)}."] if found else []
