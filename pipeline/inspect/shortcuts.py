"""What a trivial model reaches: from the length alone, the group, the level of each channel.

If one of these gives the label away, a network may learn nothing else. Every recording is guessed
from the nearest ones of other groups, so no split is needed; labels per record only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from pipeline.console.tables import Table
from pipeline.inspect.samples import TimeAxis, open_records
from tfrecords_schema import Dataset, LabelSpec
from tfrecords_schema.labels import Head, apart, views

_MOST_RECORDS = 1_000
_MOST_BYTES = 256 << 20
_LEAST_RECORDS = 10
# A guess is told where it is better than the plainest one by more than so many standard errors,
# and by a twentieth at least.
_ERRORS = 3.0
_LEAST_GAIN = 0.05


class Shortcut(NamedTuple):
    """A guess from one thing alone.

    Attributes:
      by: from what.
      figure: accuracy, or mean absolute error as a share of that of the mean.
      warning: what to do if it is too good; empty if it is not.
    """

    by: str
    figure: float
    warning: str = ""


class _Recordings(NamedTuple):
    """Some recordings.

    Attributes:
      labels: `[records, classes]` bool, of the classes that these recordings have; or
        `[records, values]`.
      groups: `[records]` text.
      steps: `[records]`.
      levels: `[records, 2 * channels]` mean and deviation of each.
    """

    labels: np.ndarray
    groups: np.ndarray
    steps: np.ndarray
    levels: np.ndarray


def shortcuts(dataset: Dataset) -> list[Shortcut]:
    """The plainest guess (the majority, or the mean), then the others; empty where none is made.

    Looks at up to a thousand recordings. Frames are not decoded, so their levels are not looked at.
    Of several labels each is guessed, and named in front of what it is guessed from.
    """
    label = dataset.schema.label
    if label is None or label.per != "record":
        return []
    return [one for head in views(label) for one in _of_label(dataset, head)]


def _of_label(dataset: Dataset, head: Head) -> list[Shortcut]:
    label = head.label
    try:
        found = _read(dataset, head)
    except (DecodeError, tf.errors.OpError, ValueError, IndexError):
        return []  # A record is damaged: verification says which.
    if len(found.steps) < _LEAST_RECORDS:
        return []
    is_class = label.is_single
    plain = np.broadcast_to(_answer(found.labels, is_class), found.labels.shape)
    score = functools.partial(_score, found.labels, is_class=is_class)
    result = [Shortcut("majority" if is_class else "mean", score(plain))]
    other_groups = found.groups[:, None] != found.groups[None]
    same_group = ~other_groups & ~np.eye(len(found.groups), dtype=bool)
    if other_groups.any(1).all():
        known = {"length alone": found.steps[:, None], "level of channels": found.levels}
        for by, values in known.items():
            if values.shape[1] and np.ptp(values, axis=0).any():
                answers = _by_nearest(found.labels, values, other_groups, is_class)
                result.append(Shortcut(by, score(answers)))
    if same_group.any():
        answers = _by_group(found.labels, same_group, plain, is_class)
        result.append(Shortcut("group alone", score(answers)))
    warned = [_warned(one, result[0], len(found.steps), is_class) for one in result]
    return [_named(one, head.name) for one in warned] if head.name else warned


def _named(one: Shortcut, label: str) -> Shortcut:
    warning = f"{label}: {one.warning}" if one.warning else ""
    return one._replace(by=f"{label}: {one.by}", warning=warning)


def shortcut_table(found: list[Shortcut], label: LabelSpec | None) -> Table:
    """A row for each guess."""
    error = "error, as a share of the mean's"
    is_class = label is not None and label.is_single
    name = f"accuracy, or {error}" if label and label.heads else "accuracy" if is_class else error
    note = "length and level: by the nearest recordings of other groups; group: by the others of it"
    return Table(
        "What gives the label away",
        {"a guess by": None, name: "{:.3f}".format},
        [(one.by, one.figure) for one in found] if len(found) > 1 else [],
        note=note,
    )


def _read(dataset: Dataset, head: Head) -> _Recordings:
    parts = [part for name in dataset.manifest.splits for part in _of_split(dataset, name, head)]
    columns = [np.array(column) for column in zip(*parts, strict=True)] or [np.zeros(0)] * 4
    found = _Recordings(*columns)
    if head.label.is_single:
        return found._replace(labels=found.labels == np.unique(found.labels))
    return found


def _of_split(
    dataset: Dataset, split: str, head: Head
) -> Iterator[tuple[np.ndarray, str, int, np.ndarray]]:
    """Label, group, steps and levels of some recordings of a split, evenly over its order."""
    entry, entries = dataset.manifest.splits[split], dataset.manifest.splits.values()
    if not entry.records:
        return
    records, size = (sum(getattr(one, of) for one in entries) for of in ("records", "size_bytes"))
    share = min(1.0, _MOST_RECORDS / records, _MOST_BYTES / max(size, 1))
    number = math.ceil(share * entry.records)
    rows = np.unique(np.linspace(0, entry.records - 1, number).astype(int))
    index, axis, spec = dataset.split(split), TimeAxis.of(dataset), dataset.schema.label
    assert spec is not None
    groups = index.groups()
    for row, record in zip(rows.tolist(), open_records(dataset, split, rows), strict=True):
        features = tf.train.Example.FromString(record).features.feature
        levels = np.zeros(0)
        if dataset.schema.input.kind == "signal":
            signal = dataset.schema.input
            values = np.frombuffer(features["signal"].bytes_list.value[0], signal.dtype)
            samples = axis.unroll(values.reshape(-1, *signal.step_shape)).astype(np.float64)
            # Values of a recording are there to tell.
            samples = samples[:, [r.kind == "signal" for r in signal.roles] or slice(None)]
            levels = np.concatenate([samples.mean(0), samples.std(0)])
        labels = apart(spec, _label(features["label"], spec))
        found = next(one for of, one in labels if of.name == head.name)
        if head.label.is_known(found).all():
            yield found.reshape(-1).astype(np.float64), groups[row], int(index.steps[row]), levels


def _label(feature: tf.train.Feature, label: LabelSpec) -> np.ndarray:
    """`[1]`, the class, or `[values]`."""
    if label.is_class_feature:
        return np.array(feature.int64_list.value[:1])
    return np.frombuffer(feature.bytes_list.value[0], label.dtype)


def _answer(labels: np.ndarray, is_class: bool) -> np.ndarray:
    """The commonest class, or the mean: `[..., units]` from `[..., records, units]`."""
    mean = labels.mean(-2)
    return np.eye(mean.shape[-1])[mean.argmax(-1)] if is_class else mean


def _score(labels: np.ndarray, answers: np.ndarray, *, is_class: bool) -> float:
    if is_class:
        return float((labels * answers).sum(-1).mean())
    usual = np.abs(labels - labels.mean(0)).mean()
    return float(np.abs(labels - answers).mean() / usual) if usual else 0.0


def _by_nearest(
    labels: np.ndarray, values: np.ndarray, allowed: np.ndarray, is_class: bool
) -> np.ndarray:
    """From the nearest recordings that are allowed; as many as the root of their number."""
    spread = values.std(0)
    scaled = (values - values.mean(0)) / np.where(spread > 0, spread, 1)
    squares = (scaled**2).sum(1)
    distance = squares[:, None] + squares[None] - 2 * scaled @ scaled.T
    distance[~allowed] = np.inf
    number = min(round(math.sqrt(len(labels))), int(allowed.sum(1).min()))
    nearest = np.argsort(np.round(distance, 9), axis=1, kind="stable")[:, :number]
    return _answer(labels[nearest], is_class)


def _by_group(
    labels: np.ndarray, same_group: np.ndarray, plain: np.ndarray, is_class: bool
) -> np.ndarray:
    rows = (
        _answer(labels[others], is_class) if others.any() else plain[at]
        for at, others in enumerate(same_group)
    )
    return np.stack([*rows])


def _warned(one: Shortcut, plain: Shortcut, records: int, is_class: bool) -> Shortcut:
    if is_class:
        error = math.sqrt(max(plain.figure * (1 - plain.figure), 1e-9) / records)
        is_good = one.figure - plain.figure > max(_ERRORS * error, _LEAST_GAIN)
        figures = f"accuracy {one.figure:.3f}, where the majority has {plain.figure:.3f}"
    else:
        is_good = one.figure < plain.figure - max(_ERRORS / math.sqrt(records), _LEAST_GAIN)
        figures = f"{one.figure:.0%} of the error that the mean has"
    if not is_good:
        return one
    cure = {
        "length alone": "see where lengths come from; if that is how it was recorded, cut all "
        "recordings alike, or a model learns nothing else",
        "level of channels": "if level says how it was recorded, --normalization=record hides it",
        "group alone": "hold whole groups out, or a model that recognizes them looks good",
    }
    return one._replace(warning=f"{one.by} gives {figures}: {cure[one.by]}")
