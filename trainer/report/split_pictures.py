"""What the page shows of the predictions of a split beside its tables: title and pictures each."""

from typing import Any

from tfrecords_schema import Dataset
from trainer.evaluation.predictions import Predictions
from trainer.report.kinds import shown_kind


def split_pictures(
    dataset: Dataset, split: str, evaluation: dict[str, Any], predictions: Predictions
) -> dict[str, str]:
    """Pictures by what they show; of an evaluation by an earlier version only what it holds."""
    label = dataset.schema.label
    if label is None or not len(predictions.label):
        return {}
    return shown_kind(label.kind).pictures(dataset, split, evaluation, predictions)
