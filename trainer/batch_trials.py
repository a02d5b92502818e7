"""`--batch_steps=auto`: a few training steps are timed, and the size of batches follows from them.

What a step takes, in time and memory, depends on model, device and lengths, and no rule knows it.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pipeline.batches.boundaries import bucket_of
from pipeline.batches.plan import EpochPlan, choose_boundaries, with_partners
from pipeline.console.errors import UsageError
from pipeline.console.texts import bytes_text, counted
from tfrecords_schema.errors import UserError
from trainer.data.epoch_stream import joined
from trainer.data.split_data import SplitData
from trainer.distribution import cluster
from trainer.options.automatic import Choice
from trainer.runs.asked import Asked
from trainer.session import Data, Session, build, open_session
from trainer.training import room
from trainer.training.batch_cost import Shapes, Size, choose, fit, sizes

_LIMIT_SECS, _LIMIT_SHARE = 10.0, 0.02  # Of steps that are timed; of --max_minutes.
_WITH_FIRST_STEPS = 6  # Times that, with what first steps trace and compile.
_TIMES = 3  # Each batch; the least counts, as other work on the machine only adds.
_LEAST_BATCHES = 4  # Are timed however long it takes.
_GROWTH = 4  # From one number of records to the next.
_PLACES = (0.1, 0.5, 1.0)  # Of the longest record of a batch among all.
# A size is trusted up to so many times the largest batch that was measured.
_TRUSTED = 4
# Of the memory there is: the rest is for what grows, such as validation and other programs.
SHARE_OF_MEMORY = 0.8


class Measured(NamedTuple):
    """Steps that were timed.

    Attributes:
      shapes: of their batches.
      secs: `[batches]`, of a step.
      peak_bytes: `[batches]`, the most memory that was taken.
    """

    shapes: Shapes
    secs: np.ndarray
    peak_bytes: np.ndarray

    @classmethod
    def of(cls, plans: Sequence[EpochPlan], figures: Sequence[tuple[float, float]]) -> Measured:
        """That of batches, each with its seconds and its peak."""
        secs, peaks = np.array(figures, float).T
        return cls(_shapes(plans), secs, peaks)


def batch_steps(asked: Asked, data: Data, strategy: tf.distribute.Strategy) -> Choice:
    """The size of batches; the first worker measures, and tells the others the number.

    Raises:
      UserError: the longest record alone takes more memory than there is.
    """
    found: Choice | UserError | None = None
    if cluster.this_worker(strategy).is_chief:
        try:
            found = _chosen(asked, data, strategy)
        except UserError as problem:  # The others must not wait for a number.
            found = problem
    number = cluster.from_chief(strategy, found.value if isinstance(found, Choice) else 0)
    if isinstance(found, UserError):
        raise found
    if not number:
        raise UserError("the first worker could not choose --batch_steps; it says why")
    return found or Choice("batch_steps", number, "measured by the first worker")


def _chosen(asked: Asked, data: Data, strategy: tf.distribute.Strategy) -> Choice:
    assert data.train is not None
    measured = _measured(asked, data)
    worker, replicas = cluster.this_worker(strategy), strategy.num_replicas_in_sync
    # That have memory of their own: GPUs, or else processes.
    apart = replicas if tf.config.list_physical_devices("GPU") else worker.count
    secs, memory = fit(measured.shapes, measured.secs), fit(measured.shapes, measured.peak_bytes)
    train, limit = data.train, room.limit_bytes() or math.inf
    longest = max(filter(None, (train, data.validation, data.test)), key=_longest)
    found = sizes(
        train.lengths, train.options, _longest(longest), secs.of,
        lambda shapes: memory.excess * memory.of(shapes.shared(apart)), replicas,
    )  # fmt: skip
    most = _TRUSTED * float((measured.shapes.records * measured.shapes.padded).max())
    size = choose(found, _most_bytes(), most)
    if size is None:
        raise _too_large(longest, found[0].peak_bytes, limit)
    return Choice("batch_steps", size.batch_steps, _reason(size, found, measured, limit))


def _reason(size: Size, found: list[Size], measured: Measured, limit: float) -> str:
    fastest = min(other.secs for other in found)
    of_limit = "" if limit == math.inf else f" of {bytes_text(limit)}"
    return (
        f"{counted(len(measured.secs), 'batch', 'batches')} timed: {1e3 * size.secs:.3g} ms a "
        f"valid step, at any size {1e3 * fastest:.3g}; {bytes_text(size.peak_bytes)}{of_limit}"
    )


def _longest(split: SplitData) -> int:
    """Padded steps of the longest record."""
    bounds = choose_boundaries(split.lengths, split.options)
    return int(bounds[bucket_of(split.lengths.max(keepdims=True), bounds)][0])


def _too_large(split: SplitData, needed: float, limit: float) -> UserError:
    row = int(split.lengths.argmax())
    return UserError(
        f"record {split.index.ids()[row]!r} of split {split.name!r} has {split.lengths[row]:,} "
        f"steps: to train on a batch of no more takes about {bytes_text(needed)} of memory, and "
        f"{bytes_text(SHARE_OF_MEMORY * limit)} of {bytes_text(limit)} may be taken; cut "
        "recordings in training with --crop_steps, choose a smaller model, or give it more memory"
    )


def _measured(asked: Asked, data: Data) -> Measured:
    """Trains a model that is thrown away on a few batches, on one replica.

    Raises:
      UsageError: features of frozen layers would have to be written for it, and nothing may be.
    """
    alone = tf.distribute.get_strategy()
    built = build(asked, data, alone)
    if asked.run.dry_run and built.from_features is not None:
        raise UsageError(
            "--dry_run writes nothing, and to time steps behind frozen layers their features would "
            "be written; give --batch_steps a number, or leave --dry_run out"
        )
    limit = _LIMIT_SECS
    if minutes := asked.training.max_minutes:
        limit = min(limit, _LIMIT_SHARE * 60 * minutes)
    try:
        return measure(open_session(asked, data, alone, built), limit)
    finally:
        del built
        gc.collect()
        keras.utils.set_random_seed(asked.run.seed)  # The model that stays begins as without.


def measure(session: Session, limit_secs: float) -> Measured:
    """Times training steps from small batches to large ones, as long as memory and time last.

    Args:
      session: on one replica; its model is trained by it.
      limit_secs: for the steps that are timed.

    Raises:
      ResourceExhaustedError: memory does not suffice for the least batch.
    """
    assert session.train is not None
    plans: list[EpochPlan] = []
    figures: list[tuple[float, float]] = []
    peak = room.Peak()
    ends, most_bytes = time.monotonic() + _WITH_FIRST_STEPS * limit_secs, _most_bytes()
    for plan in _batches(session.train):
        if len(plans) >= _LEAST_BATCHES:
            secs, needed = _expected(Measured.of(plans, figures), plan)
            left = limit_secs - _TIMES * sum(secs for secs, _ in figures)
            if _TIMES * secs > left or needed > most_bytes or time.monotonic() > ends:
                break
        try:
            figures.append(_timed(session, plan, peak))
        except tf.errors.ResourceExhaustedError:  # A GPU's; smaller batches tell the rest.
            if not plans:
                raise
            break
        plans.append(plan)
    return Measured.of(plans, figures)


def _most_bytes() -> float:
    return SHARE_OF_MEMORY * (room.limit_bytes() or math.inf)


def _shapes(plans: Sequence[EpochPlan]) -> Shapes:
    """Those of plans of one batch each."""
    rows = [(len(plan.records), plan.padded_steps[0], plan.valid_steps) for plan in plans]
    return Shapes(*np.array(rows, float).T)


def _expected(measured: Measured, plan: EpochPlan) -> tuple[float, float]:
    """Seconds and bytes of one more batch, rather too many than too few."""
    costs = (fit(measured.shapes, figures) for figures in (measured.secs, measured.peak_bytes))
    secs, peak = (float(cost.excess * cost.of(_shapes([plan]))[0]) for cost in costs)
    return secs, peak


def _timed(session: Session, plan: EpochPlan, peak: room.Peak) -> tuple[float, float]:
    """Seconds of a step on one batch, and the most memory that it takes."""
    assert session.train is not None
    peak.begin()
    batches, spec = session.train.batches(joined([plan] * (_TIMES + 1)), session.strategy)
    session.steps.train(next(batches), spec)  # Traces, and meets the shape.
    times = []
    for _ in range(_TIMES):
        batch, started = next(batches), time.perf_counter()
        session.steps.train(batch, spec)
        times.append(time.perf_counter() - started)
    return min(times), float(peak.bytes())


def _batches(train: SplitData) -> Iterator[EpochPlan]:
    """Plans of one batch each, from few padded steps to many: of like length, and of any."""
    order = np.argsort(train.lengths, kind="stable").astype(np.int32)
    lengths = train.lengths[order].astype(np.int32)
    starts = np.arange(len(order) + 1, dtype=np.int32)
    everything = EpochPlan(order, starts, lengths, int(lengths.sum(dtype=np.int64)))
    if train.has_partners:
        everything = with_partners(everything, seed=0, epoch=0)
    last, count = len(order) - 1, 1
    places = []
    while count <= len(order):
        ends = {round(place * last) for place in _PLACES}
        places += [np.arange(end - count + 1, end + 1) for end in ends if end + 1 >= count]
        if count > 2:
            places.append(np.linspace(0, last, count).round().astype(int))
        count *= _GROWTH
    places.sort(key=lambda at: (len(at) * lengths[at[-1]], len(at)))
    for at in places:
        partners = everything.partners
        yield EpochPlan(
            order[at], np.array([0, len(at)], np.int32), lengths[at[-1:]],
            int(lengths[at].sum(dtype=np.int64)), None if partners is None else partners[at],
        )  # fmt: skip
