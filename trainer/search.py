"""`python -m trainer.search --space=...`: options that do better than the default, if there are.

Flags that are not its own are the trainer's. The records of the test split are not looked at.
"""

# ruff: noqa: E402
import contextlib
import io
from collections.abc import Sequence
from typing import Any

from pipeline.console import program
from pipeline.console.command import Command
from pipeline.console.options import read, value_text
from trainer.studies.options import EACH_GROUP, SearchOptions

COMMAND = Command(
    "python -m trainer.search",
    "Searches options of the trainer for what predicts best on folds of whole groups, and says "
    "whether that is better than the default. The test split stays unseen. Takes any flag of "
    "python -m trainer; --dataset, --run_dir and --space are needed.",
    (SearchOptions,),
    passes_on=True,
)

if __name__ == "__main__":
    program.begin(COMMAND, gpu=True)

from pipeline.console.errors import UsageError
from pipeline.console.near_misses import not_one_of
from pipeline.console.run import run_command
from pipeline.console.tables import as_text
from pipeline.console.terminal import say
from tfrecords_schema import Dataset, DatasetError, LabelSpec, open_dataset
from tfrecords_schema.locks import Lock
from tfrecords_schema.names import join
from trainer.__main__ import main as train
from trainer.distribution.strategy import configure
from trainer.metrics.table import better_mode, evaluated, headline
from trainer.runs.asked import asked
from trainer.studies.asked_study import (
    OfTrainer,
    earlier_study,
    of_trainer,
    require_one_label,
    require_same,
    write_study,
)
from trainer.studies.fold_datasets import (
    fold_table,
    plan_folds,
    read_facts,
    splits_to_divide,
    write_fold,
)
from trainer.studies.many_runs import Ended, run_chains
from trainer.studies.search import page, result
from trainer.studies.search.space import Dimension, read_space
from trainer.studies.search.storage import Storage, optuna
from trainer.studies.search.trials import Plan, Trials

_KIND = ("search", "--trials and --search_minutes")  # Of study, and what of it may grow.
_CAN_GO_ON = "give the same command again; trials that are done are kept"
# Of the time of a search, what its trainings may take; the rest is for what is around them.
_SHARE = 0.6
_EACH = "minutes of each training"
_LENGTHS = ("epochs", "max_minutes")  # Of a training; one that is given stays.


def main(argv: Sequence[str]) -> int:
    """Searches, and writes what it comes to; returns the exit status."""
    return run_command(_search, argv, goes_on=_CAN_GO_ON)


def _search(argv: Sequence[str]) -> None:
    given = COMMAND.parse(argv)
    options = read(SearchOptions, given.values)
    optuna()  # Whether it is there is said before anything is read.
    of_run = of_trainer(given.rest, COMMAND.prog)
    run = of_run.run
    configure(run)
    dataset = open_dataset(run.dataset)
    require_one_label(dataset, of_run.given)
    model = asked(given.rest).model
    space = read_space(options.space, of_run.given, model.family.name)
    label = model.label(dataset.schema.input, dataset.schema.label)
    objective = _objective(options, label)
    splits = splits_to_divide(dataset, options.division, of_run.data.test_split)
    study = _study(options, dataset, splits, objective, space, of_run)
    require_same(run.run_dir, study, *_KIND)
    facts = read_facts(dataset, splits, options.division)
    folds = plan_folds(facts, options.division)
    table = fold_table(folds, facts, dataset.schema.label)
    say(f"{len(facts):,} groups of {', '.join(splits)}, in folds:\n{as_text(table)}\n")
    minutes = study[_EACH]
    if minutes:
        say(f"--max_minutes={minutes} for each training, so that all end in --search_minutes\n")
    if run.dry_run:
        return say("--dry_run: nothing was trained, nothing was written")
    with Lock(run.run_dir, f"searching in {run.run_dir}"):
        write_study(run.run_dir, study, *_KIND)
        place = join(run.run_dir, "folds")
        plan = Plan(
            run.run_dir,
            (*given.rest, *([f"--max_minutes={minutes}"] if minutes else [])),
            [(fold, write_fold(place, fold, dataset, splits, facts)) for fold in folds],
            space, model.family.name, objective, options,
        )  # fmt: skip
        storage = Storage(
            run.run_dir,
            is_better_higher=better_mode(objective) == "max",
            seed=run.seed,
            parallel=options.parallel,
        )
        trials = Trials(plan, storage)
        try:
            run_chains(trials.chains(), options.parallel, _quietly)
        finally:
            storage.spent(trials.secs)
        found = {
            "dataset": f"{dataset.manifest.name} {dataset.manifest.version}",
            "about": {name: _shown(value) for name, value in study.items()},
            **result.summarize(plan, storage),
        }
        result.write_result(run.run_dir, found, of_run.given)
        say(f"\n{result.search_text(found, space)}")
        if run.report:
            say(f"report: {page.write_page(run.run_dir, found, space, table, run.paper)}")


def _objective(options: SearchOptions, label: LabelSpec | None) -> str:
    """Name of the metric.

    Raises:
      UsageError: there is none of that name for such labels.
      DatasetError: there are no labels.
    """
    if label is None:
        raise DatasetError("the dataset has no labels; convert it with --label_key")
    names = evaluated(label.kind)
    if options.objective and options.objective not in names:
        raise UsageError(f"--objective={options.objective}: {not_one_of(options.objective, names)}")
    return options.objective or headline(names)


def _study(
    options: SearchOptions,
    dataset: Dataset,
    splits: Sequence[str],
    objective: str,
    space: Sequence[Dimension],
    of_run: OfTrainer,
) -> dict[str, Any]:
    """What all trials have in common, to be written down.

    How long a training may take stays as it was when the search began: trials of other lengths
    would be compared.
    """
    known = {*of_run.given, *(one.name for one in space)}
    groups = {group for split in splits for group in dataset.split(split).each_group()}
    folds = len(groups) if options.folds == EACH_GROUP else int(options.folds)
    minutes = 0.0
    if known.isdisjoint(_LENGTHS):
        minutes = float(f"{_SHARE * options.search_minutes / options.trials / folds:.3g}")
    return {
        "dataset": dataset.manifest.fingerprint,
        "splits": [*splits],
        "folds": options.folds,
        "space": {one.name: one.text for one in space},
        "objective": objective,
        "pruning": options.pruning,
        _EACH: earlier_study(of_run.run.run_dir).get(_EACH, minutes),
        "seed": of_run.run.seed,
        **of_run.decisive,
    }


def _shown(value: Any) -> str:
    """A value of the study for people, a space as it is given."""
    if isinstance(value, dict):
        return " ".join(f"{name}={text}" for name, text in value.items())
    return ", ".join(value) if isinstance(value, list) else value_text(value)


def _quietly(argv: Sequence[str]) -> Ended:
    """Trains without a word; what is said of trials says enough."""
    with (
        io.StringIO() as output,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        return Ended(train(argv), output.getvalue())


if __name__ == "__main__":
    program.run(main)
