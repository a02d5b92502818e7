"""How far predicted values are from true ones: limits of agreement, by group, by record."""

import numpy as np

from trainer.evaluation.group_sums import rows
from trainer.evaluation.predictions import Predictions

_OF_NORMAL = 1.96  # Deviations that hold 95% of normal differences.


def differences(predictions: Predictions) -> np.ndarray:
    """Predicted - true, `[labels, components]` float64."""
    prediction = predictions.prediction.astype(np.float64)
    return prediction - predictions.label.reshape(prediction.shape)


def agreement(difference: np.ndarray) -> list[dict[str, float]]:
    """Limits of agreement of each component (Bland and Altman 1986, 10.1016/S0140-6736(86)90837-8).

    Every label counts for itself, though those of a group are alike: the limits are those of labels
    drawn from these groups.

    Args:
      difference: `[n, components]`, predicted - true.

    Returns:
      `bias`, the mean difference; `deviation`, its standard deviation with n - 1, 0 of one label;
      `low` and `high`, bias -+ 1.96 deviations.
    """
    bias = difference.mean(0)
    deviation = difference.std(0, ddof=1) if len(difference) > 1 else np.zeros_like(bias)
    return rows(
        {
            "bias": bias,
            "deviation": deviation,
            "low": bias - _OF_NORMAL * deviation,
            "high": bias + _OF_NORMAL * deviation,
        }
    )


def record_errors(predictions: Predictions) -> np.ndarray:
    """RMSE of each record over its labels and their components: `[records]`; NaN without labels."""
    return np.sqrt(predictions.means((differences(predictions) ** 2).mean(-1)))


def group_errors(predictions: Predictions, groups: list[str]) -> dict[str, np.ndarray]:
    """Of each group `name`, `bias`, `deviation` and `rmse` of all its values, the worst first.

    Args:
      predictions: of a split.
      groups: group of each record of the split.
    """
    names, of_record = np.unique([groups[row] for row in predictions.record], return_inverse=True)
    difference = differences(predictions)
    group = np.repeat(of_record, predictions.lengths)
    labels = np.bincount(group, minlength=len(names))
    names, kept = names[labels > 0], labels > 0
    means = [
        (np.bincount(group, values.mean(-1), len(labels)) / np.maximum(labels, 1))[kept]
        for values in (difference, difference**2)
    ]
    bias, squared = means
    order = np.argsort(-squared, kind="stable")
    deviation = np.sqrt(np.maximum(squared - bias**2, 0))
    columns = {"name": names, "bias": bias, "deviation": deviation, "rmse": np.sqrt(squared)}
    return {name: values[order] for name, values in columns.items()}
