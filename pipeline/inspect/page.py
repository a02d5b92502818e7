"""The page of `python -m pipeline.inspect`."""

from typing import Any

import numpy as np

from pipeline.console import page
from pipeline.console.texts import steps_text
from pipeline.inspect import tables
from pipeline.inspect.facts import Facts
from pipeline.inspect.figures import batches_picture, lengths_picture
from pipeline.inspect.plan import EpochFacts
from pipeline.inspect.record_pictures import sample_picture
from pipeline.inspect.samples import TimeAxis, label_text, read_samples
from pipeline.inspect.shortcuts import shortcut_table
from pipeline.inspect.text import about, all_notes, epoch_sentences
from tfrecords_schema import Dataset, LabelSpec
from tfrecords_schema.labels import apart, class_in, views

_MAX_NAMES = 60
_DRAWN_BATCHES = 12
_MAX_DRAWN_RECORDS = 2_000


def inspect_page(facts: Facts, epoch: EpochFacts | None, samples: int) -> str:
    """The page as HTML.

    Args:
      facts: of the dataset.
      epoch: a planned epoch, if it shall be shown.
      samples: records to draw, of the split whose lengths are shown.
    """
    dataset = facts.dataset
    label, lengths, axis = dataset.schema.label, facts.lengths, TimeAxis.of(dataset)
    drawn = _drawn_batches(epoch) if epoch else 0
    return page.render(
        "pipeline.inspect",
        "inspect.html",
        facts=facts,
        dataset=dataset.manifest,
        about=about(facts),
        notes=all_notes(facts),
        tables=tables,
        shortcuts=shortcut_table(facts.shortcuts, label),
        lengths_picture=lengths and lengths_picture(lengths, lengths.usual.boundaries, axis),
        keys=_keys(label) if label else [],
        samples=_samples(facts, samples) if samples > 0 else [],
        epoch=epoch,
        sentences=epoch_sentences(epoch) if epoch else [],
        batches_picture=epoch and batches_picture(epoch, drawn),
        drawn_batches=drawn,
        source={
            "folder": dataset.path,
            "SHA-256": dataset.manifest.fingerprint,
            **dataset.manifest.versions,
        },
    )


def _samples(facts: Facts, number: int) -> list[dict[str, Any]]:
    if facts.lengths is None:
        return []
    dataset, split = facts.dataset, facts.lengths.split
    label, axis = dataset.schema.label, TimeAxis.of(dataset)
    return [
        {
            "id": sample.id,
            "steps": steps_text(sample.steps, axis.step_secs),
            "label": "" if label is None else _of_record(np.asarray(sample.label), label),
            "picture": sample_picture(sample, dataset.schema, axis),
        }
        for sample in read_samples(dataset, split, _rows(dataset, split, number))
    ]


def _keys(label: LabelSpec) -> list[list[str]]:
    """Names of the classes that pictures have in colours, of each label with a time axis."""
    heads = [head for head in views(label) if head.label.per != "record"]
    return [[class_in(head, one) for one in head.label.class_names[:_MAX_NAMES]] for head in heads]


def _of_record(label: np.ndarray, spec: LabelSpec) -> str:
    """Labels of a whole record in words; others are in its picture."""
    found = [one for one in apart(spec, label) if one[0].label.per == "record"]
    return ", ".join(f"{head.name} {label_text(one, head.label)}".strip() for head, one in found)


def _rows(dataset: Dataset, split: str, number: int) -> np.ndarray:
    """The first record of each class, then the first ones: their order is a hash's."""
    index, label = dataset.split(split), dataset.schema.label
    first = np.zeros(0, int)
    if label is not None and label.is_class_feature:
        first = np.sort(np.unique(index.labels(), return_index=True)[1])[:number]
    others = np.setdiff1d(np.arange(min(len(index), number)), first)
    return np.sort(np.concatenate([first, others])[:number])


def _drawn_batches(epoch: EpochFacts) -> int:
    """So many that there is something to see, and not too much to draw."""
    few = np.searchsorted(epoch.plan.step_starts, _MAX_DRAWN_RECORDS, "right") - 1
    return int(np.clip(few, 1, min(_DRAWN_BATCHES, epoch.plan.num_steps)))
