"""Chooses temperature and threshold on the validation split, once the weights are."""

import dataclasses
from collections.abc import Iterable, Mapping

import keras

from pipeline.console.terminal import say
from trainer.data.split_data import SplitData
from trainer.evaluation.evaluation import require_finite
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.predictions import predict_split
from trainer.options.reading import ReadingOptions
from trainer.runs.calibration import Calibration, hash_of_weights
from trainer.step.steps import Steps


def not_to_choose_on(
    split: str, others: Iterable[str], seen: Mapping[str, int], other_data: str
) -> str:
    """Why no temperature or threshold may be chosen on a split; empty if it may.

    Args:
      split: the one for validation; empty without one.
      others: those that are trained or tested on.
      seen: see `TrainedOn.seen`.
      other_data: see `run_folder.other_data`.
    """
    if other_data:
        return "the dataset is not the one of the training"
    if split and split in others:
        return f"split {split!r} is validated on, and trained on or tested on as well"
    return f"the model was trained on records of split {split!r}" if seen.get("records") else ""


def calibrated(
    steps: Steps,
    model: keras.Model,
    validation: SplitData | None,
    options: ReadingOptions,
    *,
    run_dir: str,
    fingerprint: str,
    problem: str,
) -> tuple[Steps, Calibration | None]:
    """The same steps with predictions read as the options ask, and what was chosen for that.

    Args:
      steps: hold the trained model.
      model: the whole of it.
      validation: the split to choose on.
      options: what to choose.
      run_dir: folder of the run, which keeps it.
      fingerprint: of the dataset of the recordings.
      problem: why that split is not to be chosen on; empty if it may be.
    """
    if not options.is_asked:
        return steps, None
    weights, kept = hash_of_weights(model), Calibration.read(run_dir)
    if validation is None:
        problem = problem or "there is no validation split"
    if problem and kept and kept.is_for(weights, options):
        found = kept
    elif problem or validation is None:
        note = f"--calibrate and --decide_by choose nothing: {problem}"
        found = Calibration(weights, dataclasses.asdict(options), notes=[note])
    else:
        found = _chosen(steps, validation, options, weights, fingerprint)
    if not (problem and kept):  # What was chosen for other options stays.
        found.write(run_dir)
    for note in found.notes:
        say(f"WARNING: {note}")
    reading = found.reading(steps.task.label)
    return steps.with_task(dataclasses.replace(steps.task, reading=reading)), found


def _chosen(
    steps: Steps, split: SplitData, options: ReadingOptions, weights: str, fingerprint: str
) -> Calibration:
    """What is best on a split."""
    task = steps.task
    as_logits = steps.with_task(dataclasses.replace(task, activation="none"))
    predictions = predict_split(as_logits, split, task.label, with_prefixes=False)
    require_finite(predictions, split.name, split.index.ids())
    found = Calibration(
        weights, dataclasses.asdict(options), split.name, fingerprint, len(predictions.label)
    )
    return scored_kind(task.label.kind).choose(found, options, task, predictions)
