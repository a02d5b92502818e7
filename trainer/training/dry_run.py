"""`--dry_run`: what a training would do, before a minute is spent on it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from pipeline.console.options import value_text
from pipeline.console.texts import counted, input_text, label_kind_text
from pipeline.inspect.plan import plan_facts
from pipeline.inspect.text import epoch_text
from tfrecords_schema import Dataset
from trainer.data.split_data import SplitData
from trainer.options.options import RunOptions
from trainer.training import room, worth_a_look

_WIDTH = 79


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
    parts.append(room.text(options, model, epoch.float32_bytes))
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
