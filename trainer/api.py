"""`trainer.train` and `trainer.Run`: from Python, and in notebooks, what the commands do.

Every call becomes a command line of `python -m trainer` and takes its way; what is wrong is raised
as a `UserError` with the message that the command would print.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline.console import quiet

quiet.start(gpu=True, shared=True)

# ruff: noqa: E402
import keras
import tensorflow as tf

from pipeline.console.errors import UsageError
from pipeline.console.options import value_text
from pipeline.console.terminal import is_notebook, say
from pipeline.console.texts import one_line
from tfrecords_schema import Dataset, LabelSpec, open_dataset
from tfrecords_schema.names import join
from trainer import command_line
from trainer.__main__ import perform
from trainer.data.raw_arrays import RawArrays
from trainer.data.raw_batches import RawFolder
from trainer.distribution.strategy import configure
from trainer.evaluation.apart import rows_apart
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.rows import Row
from trainer.report.report_data import RunFiles
from trainer.runs.asked import Asked
from trainer.runs.run_folder import LearntFrom, read_flags
from trainer.serving import inference

Path = str | os.PathLike[str]
_OWN = ("mode", "dataset", "run_dir", "input_dir", "output")
_OF_COMMANDS = ("dry_run", "predict_split", "draw")


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a model says of one recording.

    Attributes:
      id: of the recording; of an array its place in the list.
      steps: that it has.
      output: probabilities or values: `[units]` of one label per recording, else `[labels, units]`.
      answer: the class that is stated, empty where a probability is not finite; the classes, a
        tuple, of any number of them, None there; or the values. Of labels per step an array of
        them. Of several labels both are dicts by name.
    """

    id: str
    steps: int
    output: Any
    answer: Any


class Run:
    """A run folder: its figures, and what can be done with the model in it."""

    def __init__(self, path: Path):
        """Opens the folder.

        Raises:
          UserError: it is no run folder of a training.
        """
        self.path = os.fspath(path)
        read_flags(self.path)

    def __repr__(self) -> str:
        return f"Run({self.path!r})"

    @property
    def figures(self) -> dict[str, dict[str, Any]]:
        """By split the content of `evaluation-<split>.json`, the test split first.

        Of several labels each has its own, as `figures["test.stage"]`.
        Those of another dataset than was trained on have its name before the split.
        """
        return self._files.evaluations

    @property
    def history(self) -> list[dict[str, Any]]:
        """A dict for every epoch: the lines of `metrics.jsonl`."""
        return self._files.epochs

    def evaluate(
        self, dataset: Path | Dataset | None = None, **options: Any
    ) -> dict[str, dict[str, Any]]:
        """Measures the model, like `--mode=evaluate`.

        Args:
          dataset: what on; None: what it was trained on.
          **options: flags of `python -m trainer`.

        Returns:
          By split of that dataset the content of its `evaluation-....json`.

        Raises:
          UserError: the message says what to do.
        """
        path = self._files.options.get("dataset", "") if dataset is None else _path(dataset)
        argv = _argv("evaluate", options, dataset=path, run_dir=self.path)
        _call(argv, perform)
        return self._files.evaluated_on(open_dataset(path).manifest.fingerprint)

    def predict(self, recordings: Path | Sequence[Any], **options: Any) -> list[Prediction]:
        """Predicts recordings that were never converted, in their order.

        Args:
          recordings: a folder of files like those of the conversion; or arrays, each
            `[time, *step_shape]`, or continuous `[samples, ...]` where windows are cut; or dicts,
            each what an npz file of the conversion holds.
          **options: flags of `python -m trainer`.

        Raises:
          UserError: the message says what to do.
        """
        found: list[Prediction] = []

        def predict(asked: Asked) -> None:
            configure(asked.run)
            learnt = LearntFrom.read(self.path)
            serving = inference.restore(learnt, asked)
            spec, reading, table = learnt.schema.input, learnt.options, asked.predict.values_table
            raw: RawFolder | RawArrays
            if isinstance(recordings, (str, os.PathLike)):
                raw = RawFolder(os.fspath(recordings), spec, reading, table)
            elif table:
                raise UsageError("values_table is for a folder; give values in dicts of arrays")
            else:
                raw = RawArrays(recordings, spec, reading)
            rows, doubts = inference.predicted(
                self.path,
                serving,
                inference.raw_batches(asked, serving, raw),
                raw if isinstance(raw, RawFolder) else None,
            )
            for doubt in doubts:
                say(one_line(f"WARNING: {doubt}"))
            found.extend(_prediction(row, serving.task.label) for row in rows)

        _call(_argv("predict", options, run_dir=self.path), predict)
        return found

    def export(self) -> str:
        """Writes a SavedModel and a .keras file, like `--mode=export`; returns their folder."""
        _call(_argv("export", {}, run_dir=self.path), perform)
        return join(self.path, "export")

    @property
    def _files(self) -> RunFiles:
        return RunFiles.read(self.path)


def train(
    dataset: Path | Dataset,
    run_dir: Path,
    *,
    model: str | Callable[..., Any] = "auto",
    **options: Any,
) -> Run:
    """Trains on a converted dataset and evaluates, like `python -m trainer`.

    The same call goes on from the newest checkpoint of the run folder.

    Args:
      dataset: the folder of the dataset, or what `open_dataset` returns.
      run_dir: takes checkpoints, figures and the report.
      model: name of a family; or a function that returns a Keras model of a `DataSpec`, or where
        it is: "package.module:function". "auto": decided from the data.
      **options: flags of `python -m trainer` by their names, also those of the model; what is not
        given, or None, is decided as there.

    Raises:
      UserError: the message says what to do.
    """
    argv = _argv("train", options, dataset=_path(dataset), run_dir=os.fspath(run_dir))
    _call([*argv, f"--model={_model_name(model)}"] if model != "auto" else argv, perform)
    return Run(run_dir)


def _argv(mode: str, options: dict[str, Any], **places: str) -> list[str]:
    """The command line that a call is."""
    reserved = [name for name in options if name in _OWN]
    if reserved:
        raise UsageError(f"{reserved[0]} is no option here: the call itself says it; leave it out")
    of_commands = [name for name in options if name in _OF_COMMANDS]
    if of_commands:
        raise UsageError(f"{of_commands[0]} is for python -m trainer alone; leave it out")
    if "TF_CONFIG" in os.environ or options.get("strategy") == "multi_worker":
        raise UsageError(
            "a call trains in this process alone; several workers are started as commands, with "
            "python -m trainer.launch or one on every machine (unset TF_CONFIG for this one)"
        )
    given = {"mode": mode, **places, **options}
    return [f"--{name}={_text(value)}" for name, value in given.items() if value is not None]


def _text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value_text(tuple(value) if isinstance(value, list) else value)


def _path(dataset: Path | Dataset) -> str:
    return dataset.path if isinstance(dataset, Dataset) else os.fspath(dataset)


def _model_name(model: str | Callable[..., Any]) -> str:
    """Where a function is, so that evaluation, prediction and export find it again.

    Raises:
      UsageError: it is not to be found.
    """
    if isinstance(model, str):
        return model
    module, name = getattr(model, "__module__", ""), getattr(model, "__qualname__", repr(model))
    if getattr(sys.modules.get(module), name, None) is not model:
        raise UsageError(
            f"model={name} cannot be found again by its name in {module or 'a module'}; expected a "
            "function at the top level of a module or notebook, no lambda, no partial, none within "
            "another function"
        )
    return f"{module}:{name}"


def _call(argv: Sequence[str], action: Callable[[Asked], None]) -> None:
    with _as_it_was():
        command_line.act(argv, action)


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Leaves Keras' precision as it was; in a notebook progress is no error, and not red."""
    policy, logger = keras.config.dtype_policy(), tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # It warns of functions that every model traces anew.
    out = contextlib.redirect_stderr(sys.stdout) if is_notebook(sys.stdout) else None
    try:
        with out or contextlib.nullcontext():
            yield
    finally:
        keras.config.set_dtype_policy(policy)
        logger.setLevel(level)


def _prediction(row: Row, label: LabelSpec) -> Prediction:
    if label.heads:
        parts = {
            head.name: _prediction(own[0], head.label) for head, own in rows_apart([row], label)
        }
        outputs, answers = (
            {name: getattr(part, field) for name, part in parts.items()}
            for field in ("output", "answer")
        )
        return Prediction(row.id, row.steps, outputs, answers)
    answer = scored_kind(label.kind).said(row, label)
    if label.per == "record":
        return Prediction(row.id, row.steps, row.output[0], answer[0])
    return Prediction(row.id, row.steps, row.output, answer)
