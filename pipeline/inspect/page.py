"""The page of `python -m pipeline.inspect`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.console import page
from pipeline.console.figures import CLASS_COLOURS, length_histogram
from pipeline.inspect import text
from pipeline.inspect.facts import Facts
from pipeline.inspect.figures import batches_picture, sample_picture
from pipeline.inspect.plan import EpochFacts
from pipeline.inspect.samples import TimeAxis, label_text, read_samples
from tfrecords_schema import Dataset

_MAX_ROWS = 60  # Classes, channels or shapes.
_DRAWN_BATCHES = 12
_MAX_DRAWN_RECORDS = 2_000


def inspect_page(facts: Facts, notes: Sequence[str], epoch: EpochFacts | None, samples: int) -> str:
    """The page as HTML.

    Args:
      facts: of the dataset.
      notes: what is worth a look.
      epoch: a planned epoch, if it shall be shown.
      samples: records to draw, of the split whose lengths are shown.
    """
    dataset = facts.dataset
    return page.render(
        "pipeline.inspect",
        "inspect.html",
        facts=facts,
        path=dataset.path,
        dataset=dataset.manifest,
        notes=notes,
        axis=TimeAxis.of(dataset),
        text=text,
        max_rows=_MAX_ROWS,
        channels=_channels(facts),
        lengths_picture=_lengths_picture(facts),
        samples=_samples(facts, samples) if samples > 0 else [],
        epoch=epoch,
        batches_picture=_batches_picture(epoch) if epoch else None,
        drawn_batches=_drawn_batches(epoch) if epoch else 0,
        colours=CLASS_COLOURS,
    )


def _channels(facts: Facts) -> list[tuple[float, float, float, float]]:
    """Mean, deviation, least and greatest value of each channel."""
    statistics = facts.dataset.manifest.statistics
    if statistics is None:
        return []
    columns = (statistics.mean, statistics.deviation, statistics.minimum, statistics.maximum)
    return list(zip(*columns, strict=True))


def _lengths_picture(facts: Facts) -> str | None:
    lengths = facts.lengths
    if lengths is None:
        return None
    step_secs = None if lengths.of_labels else TimeAxis.of(facts.dataset).step_secs
    return length_histogram(lengths.histogram, lengths.usual.boundaries, step_secs)


def _samples(facts: Facts, number: int) -> list[dict[str, Any]]:
    if facts.lengths is None:
        return []
    dataset, split = facts.dataset, facts.lengths.split
    label, axis = dataset.schema.label, TimeAxis.of(dataset)
    return [
        {
            "id": sample.id,
            "steps": text.steps_text(sample.steps, axis.step_secs),
            "label": "" if label is None else label_text(np.asarray(sample.label), label),
            "picture": sample_picture(sample, dataset.schema, axis),
        }
        for sample in read_samples(dataset, split, _rows(dataset, split, number))
    ]


def _rows(dataset: Dataset, split: str, number: int) -> np.ndarray:
    """The first record of each class, then the first ones: their order is a hash's."""
    index, label = dataset.split(split), dataset.schema.label
    first = np.zeros(0, int)
    if label is not None and label.is_class_feature:
        first = np.sort(np.unique(index.labels(), return_index=True)[1])[:number]
    others = np.setdiff1d(np.arange(min(len(index), number)), first)
    return np.sort(np.concatenate([first, others])[:number])


def _batches_picture(epoch: EpochFacts) -> str:
    replicas = len(epoch.balance.records)
    return batches_picture(epoch.plan, epoch.lengths, replicas, _drawn_batches(epoch))


def _drawn_batches(epoch: EpochFacts) -> int:
    """So many that there is something to see, and not too much to draw."""
    few = np.searchsorted(epoch.plan.step_starts, _MAX_DRAWN_RECORDS, "right") - 1
    return int(np.clip(few, 1, min(_DRAWN_BATCHES, epoch.plan.num_steps)))
