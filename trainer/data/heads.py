"""One of several labels by itself: what a dataset, and a batch, are without the others."""

import dataclasses

from pipeline.batches.valid_labels import of_head
from tfrecords_schema import Dataset, Head, LabelSpec
from tfrecords_schema.labels import column_spans
from trainer.step.task import Batch


def described(dataset: Dataset, name: str) -> Dataset:
    """The dataset described with one of its labels alone, or as it is where none is named.

    Raises:
      DatasetError: it has no label of that name.
    """
    label = dataset.schema.label
    return of_one_label(dataset, label.head(name)) if name and label else dataset


def of_one_label(dataset: Dataset, head: Head) -> Dataset:
    """The dataset described with one label alone; its records are read as they are."""
    schema = dataclasses.replace(dataset.schema, label=head.label)
    splits = {name: entry.of_head(head) for name, entry in dataset.manifest.splits.items()}
    manifest = dataclasses.replace(dataset.manifest, schema=schema, splits=splits)
    return dataclasses.replace(dataset, manifest=manifest)


def with_one_label(batch: Batch, several: LabelSpec, head: Head) -> Batch:
    """A batch with one of its labels; one of records that is of every step, once."""
    columns = next(span for one, span in column_spans(several) if one.name == head.name)
    found = of_head(batch["label"][..., columns], head.label)
    is_repeated = several.per == "step" and head.label.per == "record"
    return {**batch, "label": found[:, 0] if is_repeated else found}
