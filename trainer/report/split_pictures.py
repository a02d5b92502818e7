"""What the page shows of the predictions of a split beside its tables: title and pictures each."""

from typing import Any

from tfrecords_schema import Dataset
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.value_figures import group_errors, record_errors
from trainer.report.probability_pictures import curve_pictures, reliability_picture
from trainer.report.value_pictures import agreement_picture, error_by_group, error_over_length

_MOST_COMPONENTS = 4


def split_pictures(
    dataset: Dataset, split: str, evaluation: dict[str, Any], predictions: Predictions
) -> dict[str, str]:
    """Pictures by what they show; of an evaluation by an earlier version only what it holds."""
    label = dataset.schema.label
    if label is None or not len(predictions.label):
        return {}
    if label.kind == "class":
        if "reliability" not in evaluation:
            return {}
        before = (evaluation.get("calibration") or {}).get("here", {}).get("reliability_before", ())
        return {
            "Reliability diagram": reliability_picture(evaluation["reliability"], before),
            **curve_pictures(evaluation, predictions, label.class_names),
        }
    prediction = predictions.prediction
    truth, index = predictions.label.reshape(prediction.shape), dataset.split(split)
    limits = evaluation.get("agreement", [])[:_MOST_COMPONENTS]
    pictures = {
        f"Bland-Altman plot of value {unit + 1}": agreement_picture(
            truth[:, unit], prediction[:, unit], found, f"value {unit + 1}"
        )
        for unit, found in enumerate(limits)
    }
    steps = index.steps[predictions.record]
    pictures["Error over the length of records"] = error_over_length(
        steps, record_errors(predictions)
    )
    pictures["Error by group"] = error_by_group(group_errors(predictions, index.groups()))
    return pictures
