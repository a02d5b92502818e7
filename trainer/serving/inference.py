"""`--mode=predict` and `--mode=export`: what needs a run folder, and no training data."""

import dataclasses
import posixpath
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.console.errors import UsageError
from pipeline.console.terminal import say
from pipeline.console.texts import input_text, one_line
from pipeline.sources.rejects import left_out_text
from tfrecords_schema import DatasetError, InputSpec, LabelSpec, open_dataset
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from trainer.data.raw_arrays import RawArrays
from trainer.data.raw_batches import RawBatch, RawFolder
from trainer.data.split_data import load_split
from trainer.evaluation.prediction_files import Row, prediction_files, rows_of, write_predictions
from trainer.options.options import DataOptions
from trainer.runs.asked import Asked
from trainer.runs.calibration import kept_reading
from trainer.runs.checkpoints import load_trained
from trainer.runs.run_folder import LearntFrom, other_reading
from trainer.runs.trained_on import Recognized, TrainedOn, seen_text
from trainer.runs.weights_bound import no_larger_than_weights
from trainer.serving.drawn import Drawn, page_of
from trainer.serving.export import export
from trainer.serving.output_place import require_no_input, require_replaceable
from trainer.serving.serving import Serving
from trainer.step.task import Task, inputs_of

_SHOWN_REJECTS = 10


def run(asked: Asked) -> None:
    """Predicts or exports as is asked, and prints where the result is."""
    options, data, predict = asked.run, asked.data, asked.predict
    learnt = LearntFrom.read(options.run_dir)
    serving = restore(learnt, asked)
    if options.mode == "export":
        folder = join(options.run_dir, "export")
        export(serving, folder)
        say(f"exported: {join(folder, 'saved_model')} and {join(folder, 'model.keras')}")
        return
    output = predict.output or join(options.run_dir, "predictions.parquet")
    files = prediction_files(output, serving.task.label)
    spec, conversion = learnt.schema.input, learnt.options
    drawn = Drawn(predict.draw, spec.kind)
    files += [page_of(output)] if predict.draw else []
    raw = None
    if predict.input_dir:
        raw = RawFolder(predict.input_dir, spec, conversion, predict.values_table)
        require_no_input(files, [join(predict.input_dir, path) for path in raw.paths])
        batches = raw_batches(asked, serving, raw)
    elif predict.label_steps:
        raise UsageError(
            f"--label_steps={predict.label_steps} is for recordings of --input_dir; the labels of "
            "a split say it, leave it out"
        )
    elif predict.values_table:
        raise UsageError("--values_table is for recordings of --input_dir; leave it out")
    else:
        require_no_input(files, [options.dataset] if options.dataset else [])
        name = predict.predict_split or data.test_split
        batches = _split_batches(options.dataset, name, data, serving, learnt)
    require_replaceable(prediction_files(output, serving.task.label))
    gfile.makedirs(posixpath.dirname(output) or ".")  # Before all that work, not after it.
    rows, doubts = predicted(options.run_dir, serving, drawn.passing(batches), raw)
    written = write_predictions(output, rows, serving.task.label)
    say(f"predictions of {len(rows)} records: {written}")
    for doubt in doubts:
        say(one_line(f"WARNING: {doubt}"))
    if predict.draw:
        # matplotlib is slow to import
        from trainer.report.prediction_page import write_prediction_page

        label = serving.task.label
        said = write_prediction_page(
            page_of(output), rows, drawn.samples, spec, label, conversion, doubts, options.paper
        )
        say(f"page: {said}")


def predicted(
    run_dir: str, serving: Serving, batches: Iterator[RawBatch], raw: RawFolder | None
) -> tuple[list[Row], list[str]]:
    """Predicts some batches, and says what is missing.

    Args:
      run_dir: of the model.
      serving: the model.
      batches: of recordings.
      raw: the folder that they are of; None of a split, or of arrays.

    Returns:
      A row for each recording, and what speaks against them.
    """
    recognized = Recognized(TrainedOn.read(run_dir))
    rows = _predict_batches(serving, recognized.passing(batches))
    if raw is not None:
        _report_rejects(raw.rejects, len(rows))
        if raw.left_out:
            say(left_out_text(raw.left_out))
    return rows, [*filter(None, (_not_finite_text(rows), seen_text(recognized.found)))]


def _not_finite_text(rows: list[Row]) -> str:
    unknown = [row.source for row in rows if not np.isfinite(row.output).all()]
    if not unknown:
        return ""
    return (
        f"what the model answers is not finite for {len(unknown)} of {len(rows)} records, the "
        f"first is {unknown[0]}; look for values far beyond the others there"
    )


def restore(learnt: LearntFrom, asked: Asked) -> Serving:
    """Builds the trained model of a run folder and restores its weights.

    Raises:
      CheckpointError: if there is no checkpoint, or one of another model; or a temperature or a
        threshold is asked for, and none was chosen for these weights.
    """
    run_dir, spec = asked.run.run_dir, learnt.schema.input
    chosen = asked.model.restored()
    label = chosen.label(spec, learnt.schema.label)
    if label is None:
        raise DatasetError(f"dataset {learnt.name} of {run_dir} has no labels to predict")
    activation = asked.training.class_activation
    asked.reading.require_suitable(label, activation)
    with no_larger_than_weights(run_dir):
        model = chosen.build(learnt.spec(label)).full
    load_trained(run_dir, asked.training.evaluate_with, model)
    reading = kept_reading(run_dir, asked.reading, model, label)
    return Serving(model, Task(label, activation=activation, reading=reading))


def raw_batches(asked: Asked, serving: Serving, raw: RawFolder | RawArrays) -> Iterator[RawBatch]:
    """Recordings in batches, as a trained model takes them.

    Raises:
      UsageError: the model needs to be told how much to predict and is not, or the other way round.
    """
    steps = asked.predict.label_steps
    return _with_label_steps(raw.batches(asked.data.batch_size), serving, steps)


def _predict_batches(serving: Serving, batches: Iterator[RawBatch]) -> list[Row]:
    """Predicts every record of some batches, and takes padding out."""
    specs: Any = serving.input_specs
    predict = tf.function(serving.rows, input_signature=[specs], autograph=False)
    rows: list[Row] = []
    for batch in batches:
        inputs = inputs_of(batch.inputs, specs)
        outputs, stated, lengths = predict(inputs)
        stated = None if stated is None else stated.numpy()
        rows += rows_of(batch, outputs.numpy(), lengths.numpy(), serving.task.label, stated)
    return sorted(rows, key=lambda row: row.order)


def _with_label_steps(
    batches: Iterator[RawBatch], serving: Serving, label_steps: int
) -> Iterator[RawBatch]:
    """Adds how many steps to predict, where only a label would tell.

    Raises:
      UsageError: if the model needs to be told and is not, or the other way round.
    """
    is_asked = "label_lengths" in serving.input_specs
    if is_asked != bool(label_steps):
        raise UsageError(
            "--model=sequence predicts as many steps as it is told: with --input_dir give "
            "--label_steps, the steps to predict for each recording"
            if is_asked
            else f"--label_steps={label_steps} is for --model=sequence; this model's answers have "
            "a length of their own, leave it out"
        )
    if not is_asked:
        return batches
    return (
        dataclasses.replace(
            batch,
            inputs={
                **batch.inputs,
                "label_lengths": np.full(len(batch.ids), label_steps, np.int32),
            },
        )
        for batch in batches
    )


def _split_batches(
    path: str, name: str, data: DataOptions, serving: Serving, learnt: LearntFrom
) -> Iterator[RawBatch]:
    if not path:
        raise UsageError("--mode=predict needs --input_dir, or --dataset for --predict_split")
    dataset = open_dataset(path)
    _require_same_input(path, dataset.schema.input, learnt)
    if said := other_reading(learnt, path, dataset.manifest.options):
        say(said)
    if name not in dataset.manifest.splits:
        dataset.split(name)  # Says which there are.
    if "label_lengths" in serving.input_specs:
        _require_label_steps(path, dataset.schema.label)
    split = load_split(dataset, name, data, task=None)
    ids, sources, groups = split.index.ids(), split.index.sources(), split.index.groups()
    for batch in split.in_order():
        rows = batch["record"].numpy().tolist()
        yield RawBatch(
            rows, [ids[row] for row in rows], [sources[row] for row in rows],
            split.index.steps[rows].tolist(), [groups[row] for row in rows], batch,
        )  # fmt: skip


def _require_label_steps(path: str, found: LabelSpec | None) -> None:
    if found is None or found.per != "sequence":
        has = "no labels" if found is None else f"one label per {found.per}"
        raise DatasetError(
            f"--model=sequence predicts as many steps as a label has, {path} has {has}; give its "
            "recordings with --input_dir, and --label_steps"
        )


def _require_same_input(path: str, found: InputSpec, learnt: LearntFrom) -> None:
    expected = learnt.schema.input
    if found != expected:
        raise DatasetError(
            f"{path} holds {input_text(found)}, the model takes {input_text(expected)}; "
            "give the --dataset of that task, or a --run_dir trained on this one"
        )


def _report_rejects(rejects: list[tuple[str, str]], predicted: int) -> None:
    """Says which inputs were left out.

    Raises:
      DatasetError: if none was left.
    """
    for path, reason in rejects[:_SHOWN_REJECTS]:
        say(one_line(f"left out {path}: {reason}"))
    if len(rejects) > _SHOWN_REJECTS:
        say(f"left out {len(rejects) - _SHOWN_REJECTS} more")
    if rejects and not predicted:
        raise DatasetError(f"all {len(rejects)} inputs were left out; repair them")
