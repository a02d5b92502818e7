"""`python -m trainer.cross_validate --folds=5 ...`: folds of whole groups, seeds, one result.

Flags that are not its own are the trainer's. Each run is an ordinary run folder below --run_dir.
"""

# ruff: noqa: E402
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.console import program
from pipeline.console.command import Command
from pipeline.console.options import read, value_text
from trainer.studies.options import FoldOptions

COMMAND = Command(
    "python -m trainer.cross_validate",
    "Trains and evaluates on folds of whole groups: every record is predicted by models that never "
    "saw its group. Takes any flag of python -m trainer; --dataset and --run_dir are needed.",
    (FoldOptions,),
    passes_on=True,
)

if __name__ == "__main__":
    program.begin(COMMAND, gpu=True)

from pipeline.console.run import run_command
from pipeline.console.tables import as_text
from pipeline.console.terminal import say
from tfrecords_schema import Dataset, LabelSpec, open_dataset
from tfrecords_schema.errors import UserError
from tfrecords_schema.locks import Lock
from tfrecords_schema.names import join
from trainer.__main__ import main as train
from trainer.data.heads import described
from trainer.distribution.strategy import configure
from trainer.options.options import RunOptions
from trainer.report.report_data import with_label
from trainer.runs import asked
from trainer.studies import study_page
from trainer.studies.asked_study import of_trainer, require_one_label, require_same, write_study
from trainer.studies.fold_datasets import (
    TEST,
    Fold,
    fold_table,
    plan_folds,
    read_facts,
    splits_to_divide,
    write_fold,
)
from trainer.studies.fold_jobs import fold_job
from trainer.studies.many_runs import Job, run_all
from trainer.studies.pooled import Run, run_name, summarize
from trainer.studies.scored import Scored
from trainer.studies.study_tables import study_text

_KIND = ("cross-validation", "--seeds and --repeats")  # Of study, and what of it may grow.
_CAN_GO_ON = "give the same command again; runs that are done are kept"


class _Planned(NamedTuple):
    """One run to come: its fold with its dataset, its seed, and what to start."""

    fold: Fold
    dataset: Dataset
    seed: int
    job: Job


def main(argv: Sequence[str]) -> int:
    """Runs all folds and seeds, and writes what they come to; returns the exit status."""
    return run_command(_cross_validate, argv, goes_on=_CAN_GO_ON)


def _cross_validate(argv: Sequence[str]) -> None:
    given = COMMAND.parse(argv)
    options = read(FoldOptions, given.values)
    run, data, _, flags = of_trainer(given.rest, COMMAND.prog)
    configure(run)
    dataset = open_dataset(run.dataset)
    require_one_label(dataset, flags)
    splits = splits_to_divide(dataset, options, data.test_split)
    study = _study(options, dataset, splits, flags)
    require_same(run.run_dir, study, *_KIND)
    facts = read_facts(dataset, splits, options)
    folds = plan_folds(facts, options)
    table = fold_table(folds, facts, dataset.schema.label)
    say(f"{len(facts):,} groups of {', '.join(splits)}, in folds:\n{as_text(table)}\n")
    if run.dry_run:
        return say("--dry_run: nothing was trained, nothing was written")
    with Lock(run.run_dir, f"cross-validating in {run.run_dir}"):
        write_study(run.run_dir, study, *_KIND)
        written = {
            fold.name: write_fold(join(run.run_dir, "folds"), fold, dataset, splits, facts)
            for fold in folds
        }
        seeds = options.seeds or (run.seed,)
        planned = [
            _planned(given.rest, run, fold, written[fold.name], seed)
            for fold in folds
            for seed in seeds
        ]
        run_all([one.job for one in planned], options.parallel, train)
        label = _label(planned[0])
        runs = [_finished(one) for one in planned]
        result = {
            "dataset": f"{dataset.manifest.name} {dataset.manifest.version}",
            "about": {
                "dataset SHA-256": dataset.manifest.fingerprint,
                "splits": ", ".join(splits),
                "folds": options.folds,
                "repeats": options.repeats,
                "seeds": value_text(seeds),
                "validated on": f"{options.fold_validation} fold".replace("none fold", "nothing"),
            },
            **summarize(runs, label, untrained_folds=1 + (options.fold_validation == "next")),
        }
        study_page.write_result(run.run_dir, result)
        study_page.write_predictions(run.run_dir, runs, label)
        say(f"\n{study_text(result)}")
        if run.report:
            places = [one.job.run_dir for one in planned]
            divided = with_label(described(dataset, flags.get("label", "")), label)
            page = study_page.write_page(run.run_dir, result, table, places, run.paper, divided)
            say(f"report: {page}")


def _study(
    options: FoldOptions, dataset: Dataset, splits: Sequence[str], flags: dict[str, str]
) -> dict[str, Any]:
    """What all runs have in common, to be written down."""
    return {
        "dataset": dataset.manifest.fingerprint,
        "fold_splits": [*splits],
        **{
            name: value_text(getattr(options, name))
            for name in ("folds", "fold_seed", "fold_validation")
        },
        **flags,
    }


def _planned(
    argv: Sequence[str], run: RunOptions, fold: Fold, dataset: Dataset, seed: int
) -> _Planned:
    name = run_name(fold.repeat, fold.number, seed)
    path, flag = f"runs/{name}", f"--seed={seed}"
    job = fold_job(run.run_dir, path, argv, fold, dataset, flag, has_report=run.report)
    return _Planned(fold, dataset, seed, job)


def _label(planned: _Planned) -> LabelSpec:
    """What the runs predict, which may not be the label of the records."""
    done = asked.asked(["--mode=evaluate", f"--run_dir={planned.job.run_dir}"])
    schema = planned.dataset.schema
    label = done.model.label(schema.input, schema.label)
    assert label is not None
    return label


def _finished(planned: _Planned) -> Run:
    evaluation = planned.job.result()
    if evaluation is None:
        raise UserError(
            f"{planned.job.run_dir} has no evaluation of its test split; remove it, and give the "
            "same command again"
        )
    scored = Scored.of_run(planned.job.run_dir, planned.dataset, TEST, evaluation)
    return Run(planned.fold.repeat, planned.fold.number, planned.seed, evaluation, scored)


if __name__ == "__main__":
    program.run(main)
