"""`python -m trainer.cross_validate --folds=5 ...`: folds of whole groups, seeds, one result.

Flags that are not its own are the trainer's. Each run is an ordinary run folder below --run_dir.
"""

# ruff: noqa: E402
import json
import signal
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.console import quiet, utf8
from pipeline.console.command import Command, with_help
from pipeline.console.options import Effect, fields_of, read, value_text
from trainer.studies.options import FoldOptions

COMMAND = Command(
    "python -m trainer.cross_validate",
    "Trains and evaluates on folds of whole groups: every record is predicted by models that never "
    "saw its group. Takes any flag of python -m trainer; --dataset and --run_dir are needed.",
    (FoldOptions,),
    passes_on=True,
)

if __name__ == "__main__":
    utf8.start()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during imports: no traceback.
    COMMAND.answer(sys.argv[1:])  # At once: TensorFlow takes seconds to import.
    quiet.start(gpu=True)

from pipeline.console.errors import UsageError
from pipeline.console.run import run_command
from pipeline.console.tables import as_text
from pipeline.console.terminal import say
from tfrecords_schema import Dataset, LabelSpec, open_dataset
from tfrecords_schema.decoding import json_object
from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write, make_folder
from tfrecords_schema.storage import read as read_file
from trainer.__main__ import main as train
from trainer.distribution.strategy import configure
from trainer.options.options import DataOptions, RunOptions
from trainer.report.report_data import with_label
from trainer.runs import asked
from trainer.studies import study_page
from trainer.studies.fold_datasets import (
    TEST,
    TRAIN,
    VALIDATION,
    Fold,
    fold_table,
    plan_folds,
    read_facts,
    splits_to_divide,
    write_fold,
)
from trainer.studies.many_runs import Job, run_all
from trainer.studies.pooled import Run, run_name, summarize
from trainer.studies.scored import Scored
from trainer.studies.study_tables import study_text

_CAN_GO_ON = "give the same command again; runs that are done are kept"
_STUDY = "study.json"


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
    run, data, flags = _of_trainer(given.rest)
    configure(run)
    dataset = open_dataset(run.dataset)
    splits = splits_to_divide(dataset, options, data.test_split)
    study = _study(run.run_dir, options, dataset, splits, flags)
    facts = read_facts(dataset, splits, options)
    folds = plan_folds(facts, options)
    table = fold_table(folds, facts, dataset.schema.label)
    say(f"{len(facts):,} groups of {', '.join(splits)}, in folds:\n{as_text(table)}\n")
    if run.dry_run:
        return say("--dry_run: nothing was trained, nothing was written")
    atomic_write(
        join(make_folder(run.run_dir), _STUDY), (json.dumps(study, indent=1) + "\n").encode()
    )
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
        divided = with_label(dataset, label)
        page = study_page.write_page(run.run_dir, result, table, places, run.paper, divided)
        say(f"report: {page}")


def _of_trainer(argv: Sequence[str]) -> tuple[RunOptions, DataOptions, dict[str, str]]:
    """What the trainer is asked for, and every flag given that has an effect on what comes out.

    Raises:
      UsageError: it makes no sense.
    """
    values = asked.COMMAND.parse(argv).values
    run = read(RunOptions, values)
    if run.mode != "train":
        raise UsageError(
            with_help(f"--mode={run.mode}: folds are trained; leave it out", COMMAND.prog)
        )
    own = ("run_dir", "seed", "train_split", "validation_split", "test_split")
    flags = {
        field.name: value_text(values[field.name].value)
        for kind in asked.RECORDED
        for field, _ in fields_of(kind)
        if values[field.name].present
        and field.name not in own
        and field.metadata["effect"] not in (Effect.NONE, Effect.PLACE)
    }
    return run, read(DataOptions, values), flags


def _study(
    run_dir: str,
    options: FoldOptions,
    dataset: Dataset,
    splits: Sequence[str],
    flags: dict[str, str],
) -> dict[str, Any]:
    """What all runs have in common, to be written down.

    Raises:
      UserError: the folder holds another cross-validation.
    """
    found: dict[str, Any] = {
        "dataset": dataset.manifest.fingerprint,
        "fold_splits": [*splits],
        **{
            name: value_text(getattr(options, name))
            for name in ("folds", "fold_seed", "fold_validation")
        },
        **flags,
    }
    content = read_file(join(run_dir, _STUDY))
    before = found if content is None else json_object(content)
    changed = [
        f"--{name} was {before.get(name)!r} and is {found.get(name)!r}"
        for name in sorted(found.keys() | before.keys())
        if found.get(name) != before.get(name)
    ]
    if changed:
        raise UserError(
            f"{run_dir} holds a cross-validation with other options: {'; '.join(changed)}; give "
            "another --run_dir, or the same options (--seeds and --repeats may grow)"
        )
    return found


def _planned(
    argv: Sequence[str], run: RunOptions, fold: Fold, dataset: Dataset, seed: int
) -> _Planned:
    name = run_name(fold.repeat, fold.number, seed)
    run_dir = join(run.run_dir, "runs", name)
    own = {
        "dataset": dataset.path,
        "run_dir": run_dir,
        "seed": seed,
        "train_split": TRAIN,
        "validation_split": VALIDATION if fold.groups(VALIDATION) else "",
        "test_split": TEST,
        "paper": "none",  # Of all runs together, not of each.
    }
    flags = (f"--{flag}={value}" for flag, value in own.items())
    job = Job(name, run_dir, (*argv, *flags), dataset.manifest.fingerprint)
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
    scored = Scored.of_run(planned.job.run_dir, planned.dataset, TEST)
    return Run(planned.fold.repeat, planned.fold.number, planned.seed, evaluation, scored)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # In order with stderr.
    sys.exit(main(sys.argv[1:]))
