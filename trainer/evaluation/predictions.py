"""Predictions of a split, with the labels that they are to meet."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from pipeline.batches.deal import NO_RECORD
from pipeline.batches.valid_labels import label_lengths, unpadded
from pipeline.console.terminal import clear_line, is_terminal, redraw
from tfrecords_schema import DatasetError, LabelSpec
from tfrecords_schema.decoding import arrays_in
from tfrecords_schema.names import join
from tfrecords_schema.schema import STEPWISE
from tfrecords_schema.storage import read
from trainer.data.split_data import SplitData, plan_of_one
from trainer.step.steps import Steps
from trainer.step.task import Batch

_PREFIX_RECORDS = 6
_PREFIXES = 60
# Steps of all beginnings of a record that are predicted: those of long records are fewer.
_MAX_PREFIX_STEPS = 50_000
_REFRESH_SECS = 0.2
_MOST_FILE_BYTES = 4 << 30


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions of a split, in the order of its index; as a file, see `evaluation_table.stem`.

    Attributes:
      record: `[records]` int32, row number in the split's index.
      lengths: `[records]` int32, predicted steps of each record (1 for one label per record); only
        those whose label is known, so that every figure is of these alone.
      label: `[sum of lengths, ...]` true labels.
      prediction: `[sum of lengths, units]` float32 probabilities or values.
      answer: `[sum of lengths, ...]` what is stated of each label, where thresholds decide: a class
        int32, or of any number of classes int8 as in labels; None: the likeliest.
      prefix_record: `[k]` int32, row number of a record of which only a beginning was seen; for one
        label per record.
      prefix_steps: `[k]` int32, steps of that beginning.
      prefix_prediction: `[k, units]` float32.
      step: `[sum of lengths]` int32, which step of its record each is, from 0; None: all of them.
    """

    record: np.ndarray
    lengths: np.ndarray
    label: np.ndarray
    prediction: np.ndarray
    prefix_record: np.ndarray | None = None
    prefix_steps: np.ndarray | None = None
    prefix_prediction: np.ndarray | None = None
    answer: np.ndarray | None = None
    step: np.ndarray | None = None

    @property
    def answers(self) -> np.ndarray:
        """`[sum of lengths, ...]` what is stated of each label."""
        return self.prediction.argmax(-1) if self.answer is None else self.answer

    @classmethod
    def joined(cls, parts: Sequence[Predictions]) -> Predictions:
        """Those of all parts, one after the other; `record` numbers them, no beginnings."""
        label, prediction, lengths = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("label", "prediction", "lengths")
        )
        answer = None
        if any(part.answer is not None for part in parts):
            answer = np.concatenate([part.answers for part in parts])
        record = np.arange(len(lengths), dtype=np.int32)
        return cls(record, lengths, label, prediction, answer=answer)

    @classmethod
    def read(cls, run_dir: str, stem: str, sha256: str = "") -> Predictions:
        """Reads what an evaluation left in a run folder.

        Args:
          run_dir: the run folder.
          stem: see `evaluation_table.stem`.
          sha256: of the file, as the evaluation has it; empty of one of an earlier version.

        Raises:
          DatasetError: they are not there, are no such arrays, or of another evaluation.
        """
        path = join(run_dir, file_name(stem))
        content = read(path, _MOST_FILE_BYTES)
        if content is None:
            problem = "is not there"
        elif sha256 and hashlib.sha256(content).hexdigest() != sha256:
            problem = "is of another evaluation than the figures beside it"
        else:
            try:
                return cls(**arrays_in(content, _MOST_FILE_BYTES))
            except (TypeError, ValueError) as error:
                problem = f"is not what an evaluation wrote ({error})"
        raise DatasetError(f"{path} {problem}; measure again with --mode=evaluate")

    def content(self) -> bytes:
        """Of the file that `read` reads."""
        arrays = {name: values for name, values in vars(self).items() if values is not None}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    def of(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Labels and predictions of the record at a position of `record`."""
        chosen = self._slice(position)
        return self.label[chosen], self.prediction[chosen]

    def answers_of(self, position: int) -> np.ndarray:
        """Stated classes of the record at a position of `record`."""
        return self.answers[self._slice(position)]

    def answers_over_time(self, position: int) -> np.ndarray:
        """Stated classes of each step of the record; -1 of a step whose label is not known."""
        return self._over_steps(position, self.answers_of(position), -1)

    def _over_steps(self, position: int, values: np.ndarray, other: float) -> np.ndarray:
        """Of every step of a record up to the last whose label is known, `other` of the rest."""
        if self.step is None:
            return values
        at = self.step[self._slice(position)]
        every = np.full((int(at.max(initial=-1)) + 1, *values.shape[1:]), other, values.dtype)
        every[at] = values
        return every

    def _slice(self, position: int) -> slice:
        start = int(self.lengths[:position].sum())
        return slice(start, start + int(self.lengths[position]))

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of one number of each label, over each record: `[records]`; NaN without any."""
        record = np.repeat(np.arange(len(self.lengths)), self.lengths)
        sums = np.bincount(record, values.astype(np.float64), len(self.lengths))
        missing = np.full(len(sums), np.nan)
        return np.divide(sums, self.lengths, out=missing, where=self.lengths > 0)

    def over_time(self, position: int, per: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Steps, labels and predictions over a record: of each step, or of longer beginnings."""
        label, prediction = self.of(position)
        if per != "record":
            is_class = label.dtype.kind == "i"
            label = self._over_steps(position, label, -1 if is_class else np.nan)
            prediction = self._over_steps(position, prediction, 0 if is_class else np.nan)
            return np.arange(1, len(label) + 1), label, prediction
        if self.prefix_record is None:
            return np.zeros(0, int), label[:0], prediction[:0]
        assert self.prefix_steps is not None
        assert self.prefix_prediction is not None
        chosen = self.prefix_record == self.record[position]
        steps = self.prefix_steps[chosen]
        return steps, np.repeat(label, len(steps), 0), self.prefix_prediction[chosen]


def file_name(stem: str) -> str:
    """Of predictions in a run folder; see `evaluation_table.stem`."""
    return f"predictions-{stem}.npz"


def predict_split(
    steps: Steps, split: SplitData, label: LabelSpec, *, with_prefixes: bool = True
) -> Predictions:
    """Predicts every record of a split, without padding in the result.

    Args:
      steps: holds the model.
      split: what to predict.
      label: what is predicted.
      with_prefixes: whether beginnings of the first records are predicted, too, where a label is
        one per record.
    """
    found: dict[int, tuple[np.ndarray, ...]] = {}
    for batch in _shown(split.in_order(), split):
        lengths = label_lengths(batch, label).numpy()
        columns = batch["label"].numpy(), steps.predict(batch).numpy()
        parts = zip(*(unpadded(values, lengths, label) for values in columns), strict=True)
        known = (_known(truth, prediction, label) for truth, prediction in parts)
        found.update(zip(batch["record"].numpy().tolist(), known, strict=True))
    found.pop(NO_RECORD, None)
    order = sorted(found)
    labels, predictions, at = zip(*(found[row] for row in order), strict=True)
    prefixes: tuple[np.ndarray, ...] = ()
    if with_prefixes and label.per == "record":
        prefixes = _of_prefixes(steps, split, dict(zip(order, predictions, strict=True)))
    predicted = Predictions(
        np.array(order, np.int32),
        np.array([len(part) for part in labels], np.int32),
        np.concatenate(labels),
        np.concatenate(predictions),
        *prefixes,
    )
    has_gaps = label.has_missing and label.per != "record"
    return dataclasses.replace(predicted, step=np.concatenate(at)) if has_gaps else predicted


def _known(
    labels: np.ndarray, predictions: np.ndarray, label: LabelSpec
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and predictions of the steps of a record whose label is known, and which they are."""
    at = np.flatnonzero(label.is_known(labels)).astype(np.int32)
    return labels[at], predictions[at], at


def _shown(batches: Iterator[Batch], split: SplitData) -> Iterator[Batch]:
    """The batches; on a terminal a line says how many steps of the split are done."""
    total, done, shown_at = int(split.lengths.sum()), 0, time.monotonic()
    for batch in batches:
        yield batch
        done += int(split.lengths[[row for row in batch["record"].numpy() if row >= 0]].sum())
        if time.monotonic() - shown_at >= _REFRESH_SECS and is_terminal(sys.stderr):
            shown_at = time.monotonic()
            redraw(f"evaluating {split.name}: {done:,} of {total:,} steps", sys.stderr)
    if is_terminal(sys.stderr):
        clear_line(sys.stderr)


def _of_prefixes(
    steps: Steps, split: SplitData, whole: Mapping[int, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How the prediction of a whole recording changes as more of it is seen.

    The first few records of the split are predicted from prefixes of them, at up to 60 lengths and
    the fewer the longer a record is; the last prefix is the record.
    """
    records, lengths, predictions = [], [], []
    with_label = [number for number in sorted(whole) if len(whole[number])]
    for number in with_label[:_PREFIX_RECORDS]:
        batch = None
        for prefix in _prefix_steps(int(split.index.steps[number])):
            records.append(number)
            lengths.append(prefix)
            if prefix == split.index.steps[number]:
                predictions.append(whole[number])
                continue
            batch = batch or next(iter(split.read(plan_of_one(split, number))))
            # A beginning has whole steps alone, and so it has no padding.
            beginning = {**_cut(batch, prefix), "padding": tf.zeros([1], tf.int32)}
            predictions.append(steps.predict(beginning).numpy())
    return np.array(records, np.int32), np.array(lengths, np.int32), np.concatenate(predictions)


def _prefix_steps(steps: int) -> list[int]:
    """Lengths of the beginnings of a record of so many steps: evenly apart, the last one all."""
    number = int(np.clip(2 * _MAX_PREFIX_STEPS // steps, 1, _PREFIXES))
    return np.unique([*np.linspace(1, steps, number).astype(np.int32), steps]).tolist()


def _cut(batch: Batch, steps: int) -> Batch:
    cut = {name: batch[name][:, :steps] for name in STEPWISE if name in batch}
    return {**batch, **cut, "lengths": tf.constant([steps], tf.int32)}
