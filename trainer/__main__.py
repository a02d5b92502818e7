"""`python -m trainer --flagfile=...`: options, data, model, loop, evaluation, report."""

from collections.abc import Sequence

from pipeline.console import program
from pipeline.console.options import value_text
from pipeline.console.terminal import say
from trainer.runs.asked import COMMAND, Asked

if __name__ == "__main__":
    program.begin(COMMAND, gpu=True)

import contextlib

import keras
import tensorflow as tf

from pipeline.sources.rejects import left_out_text
from tfrecords_schema.locks import Lock
from trainer import command_line
from trainer.data.left_out import left_out
from trainer.data.split_data import SplitData, load_split
from trainer.data.unchanged import Unchanged
from trainer.distribution import cluster
from trainer.distribution.strategy import configure, make_strategy
from trainer.distribution.threads import share_cores
from trainer.evaluation import evaluation
from trainer.evaluation.calibrate import calibrated, not_to_choose_on
from trainer.options.options import AFTER_TRAINING
from trainer.runs import identity, init_from, own_folder, run_folder, trained_on
from trainer.runs.calibration import hash_of_weights
from trainer.runs.checkpoints import load_trained
from trainer.runs.weights_bound import no_larger_than_weights
from trainer.serving import inference
from trainer.session import Data, Session, build, open_data, open_session, start_from
from trainer.training import dry_run, room, worth_a_look
from trainer.training.loop import Trainer
from trainer.trials import settle


def main(argv: Sequence[str]) -> int:
    """Trains, evaluates, predicts or exports as the flags say; returns the exit status."""
    return command_line.run(argv, _perform_in_own_process)


def _perform_in_own_process(asked: Asked) -> None:
    """Does what is asked in a process of its own: a notebook's other code has its threads."""
    line = share_cores(asked.model.side_by_side())
    if line and asked.run.mode == "train":
        say(line)
    perform(asked)


def perform(asked: Asked) -> None:
    """Does what is asked, and says what comes out.

    Raises:
      UserError: something that the user can mend.
    """
    configure(asked.run)
    if asked.run.mode in AFTER_TRAINING:
        return inference.run(asked)
    if asked.run.mode == "train":
        own_folder.require_no_other(asked.run.run_dir, own_folder.OF_RUN)
    data = open_data(asked)  # What this refuses ends every worker before one waits for others.
    strategy = make_strategy(asked.run)
    unchanged = Unchanged(data.dataset, data.splits)
    with contextlib.ExitStack() as held:
        is_training = asked.run.mode == "train" and not asked.run.dry_run
        if is_training and cluster.this_worker(strategy).is_chief:
            lock = Lock(asked.run.run_dir, f"training in {asked.run.run_dir}")
            unchanged.also(held.enter_context(lock).require)
        unchanged.require_written()
        _run_on(asked, data, strategy, unchanged)
    if not asked.run.dry_run:
        cluster.end_together(strategy)


def _run_on(
    asked: Asked, data: Data, strategy: tf.distribute.Strategy, unchanged: Unchanged
) -> None:
    asked, data = settle(asked, data, strategy)
    for choice in asked.choices:
        say(f"--{choice.name}={value_text(choice.value)}  ({choice.reason})")
    with _bound(asked, strategy):
        built = build(asked, data, strategy)
    start = start_from(asked, data, built) if asked.run.mode == "train" else None
    if start and cluster.this_worker(strategy).is_chief:
        say("\n".join(start.lines()))
    if asked.run.dry_run and data.train:
        notes = _against(asked, data, built.full)
        return say(
            dry_run.text(asked.recorded, data.dataset, built.full, data.train, strategy, notes)
        )
    session = open_session(asked, data, strategy, built)
    if asked.run.mode == "train":
        _train(asked, session, start, unchanged)
    if session.is_chief:
        rows = left_out(data.dataset, asked.data)
        if asked.run.mode == "train":  # Before the report, which has it.
            run_folder.write_left_out(asked.run.run_dir, rows)
        _evaluate(asked, session, unchanged)
        if asked.run.mode == "train" and rows:
            say(left_out_text(rows))


def _bound(
    asked: Asked, strategy: tf.distribute.Strategy
) -> contextlib.AbstractContextManager[None]:
    """What a network that is there already may take of memory; a new one what it needs."""
    if asked.run.mode == "train":
        return contextlib.nullcontext()
    return no_larger_than_weights(asked.run.run_dir, strategy.num_replicas_in_sync)


def _against(asked: Asked, data: Data, model: keras.Model) -> list[str]:
    """What can be said against a training before it begins."""
    assert data.train is not None
    of_data = (data.dataset, data.train, data.validation, asked.data.test_split)
    of_model = asked.model.family.doubts(model, data.learnt.spec(data.label))
    return [*of_model, *worth_a_look.notes(asked.training, *of_data, model)]


def _train(
    asked: Asked, session: Session, start: init_from.Start | None, unchanged: Unchanged
) -> None:
    """Trains to the end, going on from the newest checkpoint if there is one."""
    assert session.train is not None
    run, dataset = asked.run, session.data.dataset
    trainer = Trainer(
        model=session.model, steps=session.steps, strategy=session.strategy,
        train=session.train, validation=session.validation, run=run, training=asked.training,
        identity=identity.identity(asked.recorded, dataset), fit=session.fit,
        loaded=start.of(session.model) if start else (), unchanged=unchanged,
    )  # fmt: skip
    trainer.resume()  # What it refuses leaves the run folder as it is.
    if session.is_chief and not trainer.is_finished:
        room.require(run, asked.training, session.model)
        run_folder.write(
            run.run_dir, asked.recorded, session.data.learnt, session.model, session.train,
            asked.choices,
        )  # fmt: skip
        trained_on.write(run.run_dir, dataset, asked.data.train_split)
        if start and not trainer.state.global_step:
            init_from.write(run.run_dir, start)
            trained_on.add_those_of(start.run, run.run_dir)
        found = _against(asked, session.data, session.model)
        run_folder.write_worth_a_look(run.run_dir, found)
        if found and not trainer.state.global_step:
            say(worth_a_look.text(found))
    trainer.run()


def _evaluate(asked: Asked, session: Session, unchanged: Unchanged) -> None:
    """Measures the weights that are asked for on validation and test, and writes the report."""
    run, training, data = asked.run, asked.training, session.data
    if training.evaluate_with == "best" or run.mode == "evaluate":
        load_trained(run.run_dir, training.evaluate_with, session.model)
    known = trained_on.TrainedOn.read(run.run_dir)
    other_data = run_folder.other_data(data.learnt, data.dataset)
    chosen_by = run_folder.validated_on(run.run_dir) if training.chooses else ""
    names = [split.name for split in (data.validation, data.test) if split]
    if not names:
        say(f"neither a validation nor a test split: evaluating split {asked.data.train_split!r}")
        names = [asked.data.train_split]
    splits = {name: _split(asked, session, name) for name in dict.fromkeys(names)}
    seen = {name: known.seen(data.dataset, name) if known else {} for name in splits}
    manifest, validation = data.dataset.manifest, asked.data.validation_split or ""
    fingerprint, weights = manifest.fingerprint, hash_of_weights(session.model)
    others = (asked.data.train_split, asked.data.test_split)
    problem = not_to_choose_on(validation, others, seen.get(validation, {}), other_data)
    steps, calibration = calibrated(
        session.steps, session.model, splits.get(validation), asked.reading,
        run_dir=run.run_dir, fingerprint=fingerprint, problem=problem,
    )  # fmt: skip
    about = {"dataset_fingerprint": fingerprint, identity.SEAL: manifest.seal, "weights": weights}
    for name, split in splits.items():
        evaluation.run(
            steps, split, session.train,
            about=about, other_data=other_data, unchanged=lambda: unchanged(now=True),
            run_dir=run.run_dir, for_report=run.report, seen=seen[name],
            decided=name == asked.data.test_split == chosen_by and not other_data,
            calibration=calibration,
        )  # fmt: skip
    if run.report:
        from trainer.report.report import write_report  # matplotlib is slow to import

        page = write_report(
            run.run_dir, data.dataset, data.label, other_data, run.paper, weights=weights
        )
        say(f"report: {page}")


def _split(asked: Asked, session: Session, name: str) -> SplitData:
    """A split as the steps read it."""
    data, cache = session.data, session.cache
    loaded = {split.name: split for split in (data.validation, data.test) if split and not cache}
    if name in loaded:  # Its pipeline is traced already.
        return loaded[name]
    return load_split(cache.dataset(name) if cache else data.dataset, name, asked.data, data.task)


if __name__ == "__main__":
    program.run(main)
