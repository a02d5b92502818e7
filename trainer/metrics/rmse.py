"""Root of the mean squared error; it is taken of the whole mean, not of a batch's."""

import math

import numpy as np

from trainer.metrics.metric import Mean, Metric
from trainer.metrics.mse import squared_error

_MEAN = Mean("mse", squared_error, finish=np.sqrt)
METRIC = Metric(
    "rmse", "value", higher_is_better=False, limits=(0.0, math.inf),
    place=0, epoch=_MEAN, evaluation=_MEAN, title="RMSE", form="{:.4g}",
)  # fmt: skip
