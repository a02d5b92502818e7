"""Predictions of records by their ids, so that those of several runs can be put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfrecords_schema import Dataset, LabelSpec
from tfrecords_schema.errors import UserError
from trainer.evaluation.group_sums import GroupSums
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.prediction_shapes import read_predictions
from trainer.evaluation.predictions import Predictions


@dataclasses.dataclass(frozen=True)
class Scored:
    """Records with labels and predictions, in the order of their ids.

    Attributes:
      ids: of the records.
      groups: of each record.
      sources: path of each record.
      steps: `[records]`, of each record.
      predictions: record `i` is the one with `ids[i]`.
    """

    ids: list[str]
    groups: list[str]
    sources: list[str]
    steps: np.ndarray
    predictions: Predictions

    @classmethod
    def of_run(
        cls, run_dir: str, dataset: Dataset, split: str, evaluation: Mapping[str, Any]
    ) -> Scored:
        """What a run predicted of a split, in the file that belongs to its evaluation."""
        found = read_predictions(run_dir, dataset, {**evaluation, "split": split})
        index = dataset.split(split)
        ids, groups, sources = index.ids(), index.groups(), index.sources()
        rows = found.record.tolist()
        return _sorted(
            [ids[row] for row in rows],
            [groups[row] for row in rows],
            [sources[row] for row in rows],
            index.steps[found.record],
            found,
        )

    @classmethod
    def joined(cls, parts: Sequence[Scored]) -> Scored:
        """The records of all parts together.

        Raises:
          UserError: a record is in two of them.
        """
        ids = [one for part in parts for one in part.ids]
        if len({*ids}) < len(ids):
            raise UserError("a record is in the test split of two folds; remove the run folder")
        return _sorted(
            ids,
            [one for part in parts for one in part.groups],
            [one for part in parts for one in part.sources],
            np.concatenate([part.steps for part in parts]),
            Predictions.joined([part.predictions for part in parts]),
        )

    def sums(self, label: LabelSpec, chosen: np.ndarray | None = None) -> GroupSums:
        """What every metric follows from, of all labels or of chosen ones.

        Args:
          label: what is predicted.
          chosen: `[labels]` bool.
        """
        found = self.predictions
        of_label = np.repeat(self.groups, found.lengths)
        chosen = np.ones(len(of_label), bool) if chosen is None else chosen
        return GroupSums(
            label.kind, found.label[chosen], found.prediction[chosen], of_label[chosen],
            None if found.answer is None else found.answer[chosen],
        )  # fmt: skip

    def per_record(self, label: LabelSpec) -> np.ndarray:
        """`[records]`: the share of right labels of a record, or of values their RMSE."""
        return scored_kind(label.kind).of_records(self.predictions)


def _sorted(
    ids: list[str],
    groups: list[str],
    sources: list[str],
    steps: np.ndarray,
    predictions: Predictions,
) -> Scored:
    order = sorted(range(len(ids)), key=ids.__getitem__)
    ends = np.cumsum(predictions.lengths)
    labels = [np.arange(ends[i] - predictions.lengths[i], ends[i]) for i in order]
    places = np.concatenate([np.zeros(0, np.int64), *labels])
    return Scored(
        [ids[i] for i in order],
        [groups[i] for i in order],
        [sources[i] for i in order],
        np.asarray(steps)[order],
        Predictions(
            np.arange(len(ids), dtype=np.int32),
            predictions.lengths[order],
            predictions.label[places],
            predictions.prediction[places],
            answer=None if predictions.answer is None else predictions.answer[places],
        ),
    )
