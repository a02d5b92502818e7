"""The predictions of run folders to compare, and whether they can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tfrecords_schema import DatasetError, LabelSpec, open_dataset
from tfrecords_schema.decoding import json_object
from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.storage import read
from trainer.evaluation.evaluation_table import of_split, warnings
from trainer.report.report_data import RunFiles
from trainer.report.run_shapes import Evaluation, RunsOfStudy, require, require_shown
from trainer.runs.asked import asked
from trainer.studies.pooled import Draw, Run, draws_of, run_name
from trainer.studies.scored import Scored
from trainer.studies.study_page import RESULT


class Predicted(NamedTuple):
    """What a run, or a cross-validation, predicted.

    Attributes:
      name: its folder.
      data: SHA-256 (hex) of each fold's dataset, by the number of the division; of a run by
        itself that of its own.
      label: what is predicted.
      draws: the records of each division and seed; of a run by itself one draw.
      warnings: why its figures are not to be believed.
    """

    name: str
    data: dict[int, list[str]]
    label: LabelSpec
    draws: dict[Draw, Scored]
    warnings: tuple[str, ...]


def read_predicted(run_dir: str, split: str, dataset: str) -> Predicted:
    """Reads what a run folder, or that of a cross-validation, holds.

    Args:
      run_dir: the folder.
      split: whose predictions, of a run by itself.
      dataset: folder of its dataset, if it is not where it was; of a run by itself.

    Raises:
      UserError: there are no such predictions, or their dataset is not there any more.
    """
    run_dir = run_dir.rstrip("/")
    content = read(join(run_dir, RESULT))
    if content is None:
        label, evaluation, scored = _of_run(run_dir, split, dataset)
        return Predicted(
            run_dir,
            {0: [evaluation["dataset_fingerprint"]]},
            label,
            {(0, 0): scored},
            tuple(warnings(evaluation)),
        )
    try:
        result = json_object(content)
        require(Evaluation, result)
        require(RunsOfStudy, result)
        require_shown(result, run_dir)
    except DatasetError as error:
        path = join(run_dir, RESULT)
        raise UserError(f"{path} is not what a study wrote ({error}); run it again") from error
    runs: list[Run] = []
    for one in result["runs"]:
        repeat, fold, seed = (one[name] for name in ("repeat", "fold", "seed"))
        place = join(run_dir, "runs", run_name(repeat, fold, seed))
        label, evaluation, scored = _of_run(place, "test", "")
        runs.append(Run(repeat, fold, seed, evaluation, scored))
    folds = sorted({(run.repeat, run.fold, run.evaluation["dataset_fingerprint"]) for run in runs})
    data = {repeat: [of for at, _, of in folds if at == repeat] for repeat, _, _ in folds}
    return Predicted(run_dir, data, label, draws_of(runs), tuple(warnings(result)))


def _of_run(run_dir: str, split: str, dataset: str) -> tuple[LabelSpec, dict[str, Any], Scored]:
    """What is predicted, the evaluation, and the predictions."""
    flags = ["--mode=evaluate", f"--run_dir={run_dir}"]
    command = asked([*flags, *([f"--dataset={dataset}"] if dataset else [])])
    run = RunFiles.read(run_dir)
    splits = dict.fromkeys(map(of_split, run.evaluations.values()))
    if split not in splits:
        there = f"it has {', '.join(map(str, splits))}; name one with --split" if splits else ""
        raise UserError(
            f"{run_dir} has no evaluation of split {split!r}; "
            + (there or "train to the end, or measure with --mode=evaluate")
        )
    found = open_dataset(command.run.dataset)
    evaluation = run.evaluated_on(found.manifest.fingerprint).get(split)
    if evaluation is None:
        raise DatasetError(
            f"{found.path} is not the dataset that {run_dir} was evaluated on; name that with "
            "--dataset, or measure again with --mode=evaluate"
        )
    require_shown(evaluation, run_dir)
    label = command.model.label(found.schema.input, found.schema.label)
    assert label is not None
    label = label.named(evaluation.get("label", ""))
    return label, evaluation, Scored.of_run(run_dir, found, evaluation["split"], evaluation)


def paired_draws(first: Predicted, second: Predicted) -> list[tuple[Scored, Scored]]:
    """The draws that both have, of the same records.

    Raises:
      UserError: they are of different data, or have no division with the same seed.
    """
    both = first.data.keys() & second.data.keys()
    is_other = first.label.as_stored != second.label.as_stored
    if is_other or any(first.data[at] != second.data[at] for at in both):
        raise UserError(
            f"{first.name} and {second.name} were evaluated on different data"
            f"{_folds_of(first, second)}, so a difference says nothing of the models; evaluate "
            "both on the same (--mode=evaluate --dataset=...), or divide both alike"
        )
    common = sorted(first.draws.keys() & second.draws.keys())
    if not common:
        seeds = (", ".join(str(seed) for _, seed in run.draws) for run in (first, second))
        raise UserError(
            "no division with the same seed: seeds {} and {}; give both the same --seeds".format(
                *seeds
            )
        )
    pairs = [(first.draws[draw], second.draws[draw]) for draw in common]
    for one, other in pairs:
        same = np.array_equal(one.predictions.label, other.predictions.label)
        if one.ids != other.ids or not same:
            raise UserError(
                f"{first.name} and {second.name} have predictions of different records; measure "
                "again with --mode=evaluate"
            )
    return pairs


def left_out_text(first: Predicted, second: Predicted, compared: int) -> str:
    """How many divisions and seeds the other one lacks; empty where both have the same."""
    counts = len(first.draws), len(second.draws)
    if counts == (compared, compared):
        return ""
    return (
        f"{second.name}: compared where both have a division and a seed, which is {compared} of "
        f"{counts[0]} of the first and {compared} of {counts[1]} of the second"
    )


def _folds_of(first: Predicted, second: Predicted) -> str:
    counts: Sequence[int] = [len(run.data[0]) for run in (first, second)]
    if counts == [1, 1]:
        return ""
    return f" ({counts[0]} and {counts[1]} folds)"
