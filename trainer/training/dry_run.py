"""`--dry_run`: what a training would do, before a minute is spent on it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.console.options import value_text
from pipeline.console.texts import bytes_text, counted, input_text, label_kind_text
from pipeline.inspect.plan import plan_facts
from pipeline.inspect.text import epoch_text
from tfrecords_schema import Dataset
from trainer.data.split_data import SplitData
from trainer.options.options import RunOptions
from trainer.training import worth_a_look

_WIDTH = 79
# Besides a weight: its gradient, and the two moments of Adam or the one of momentum.
_COPIES = {"adam": 3, "sgd": 2}


def text(
    options: tuple[Any, ...],
    dataset: Dataset,
    model: keras.Model,
    train: SplitData,
    strategy: tf.distribute.Strategy,
    notes: Sequence[str],
) -> str:
    """Options, data, model, plan of the first epoch and memory, as text of 80 columns.

    Args:
      options: all dataclasses of options, `RunOptions` first.
      dataset: what would be trained on.
      model: that would be trained.
      train: its training split.
      strategy: over whose replicas each batch would be dealt out.
      notes: what can be said against it.
    """
    run: RunOptions = options[0]
    epoch = plan_facts(
        dataset, train.name, train.options, seed=run.seed,
        replicas=strategy.num_replicas_in_sync,
    )  # fmt: skip
    parts = [_changed(options), _data(dataset), _summary(model), epoch_text(epoch)]
    parts.append(_memory(options, model, epoch.float32_bytes))
    if notes:
        parts.append(worth_a_look.text(notes))
    return "\n\n".join([*parts, "--dry_run: nothing was trained, nothing was written"])


def _changed(options: tuple[Any, ...]) -> str:
    lines = [
        f"  --{field.name}={value_text(getattr(group, field.name))}"
        for group in options
        for field in dataclasses.fields(group)
        if getattr(group, field.name) != field.default
    ]
    return "\n".join(["options other than the defaults:", *lines])


def _data(dataset: Dataset) -> str:
    schema = dataset.schema
    lines = [
        f"dataset: {dataset.path}, {input_text(schema.input)}",
        f"label: {label_kind_text(schema.label)}",
    ]
    for name, split in dataset.manifest.splits.items():
        records, groups = counted(split.records, "record"), counted(split.groups, "group")
        lines.append(f"  {name}: {records} of {groups}, {counted(split.steps, 'step')}")
    return "\n".join(lines)


def _summary(model: keras.Model) -> str:
    lines: list[str] = []
    plain = keras.Model(model.inputs, model.outputs, name=model.name)  # Without its optimizer.
    plain.summary(line_length=_WIDTH, print_fn=lambda line, **_: lines.append(line))
    return "\n".join(lines).strip()


def _memory(options: tuple[Any, ...], model: keras.Model, batch_bytes: int) -> str:
    optimizer = next(group.optimizer for group in options if hasattr(group, "optimizer"))
    weights = sum(_bytes(variable) for variable in model.variables)
    trained = sum(_bytes(variable) for variable in model.trainable_variables)
    return "\n".join(
        [
            "memory, without what the layers compute in between:",
            f"  weights {bytes_text(weights)}, gradients and optimizer "
            f"{bytes_text(trained * _COPIES[optimizer])}",
            f"  input of the largest batch {bytes_text(batch_bytes)} as float32",
        ]
    )


def _bytes(variable: Any) -> int:
    return int(np.prod(variable.shape)) * tf.as_dtype(variable.dtype).size
