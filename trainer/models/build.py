"""The model that `--model` names."""

from typing import NamedTuple

import keras

from tfrecords_schema import InputSpec, LabelSpec, Statistics
from trainer.models.forecast_options import ForecastOptions
from trainer.models.forecaster import build_forecaster
from trainer.models.frame_options import FrameModelOptions
from trainer.models.frames import FrameModel, build_frame_model
from trainer.models.sequence import build_sequence_model
from trainer.models.signal import build_signal_model
from trainer.models.signal_options import SignalModelOptions


class ModelOptions(NamedTuple):
    """The options of all models; each reads those that concern it."""

    signal: SignalModelOptions
    frames: FrameModelOptions
    forecast: ForecastOptions


def build_model(
    name: str,
    options: ModelOptions,
    input_spec: InputSpec,
    label: LabelSpec,
    statistics: Statistics | None,
) -> tuple[keras.Model, FrameModel | None]:
    """Builds a model; for `frames` also the ways into it behind its frozen part.

    Raises:
        DatasetError, ValueError: the model does not suit the data, or the options not the model.
    """
    if name == "frames":
        frame_model = build_frame_model(options.frames, options.signal, input_spec, label)
        return frame_model.full, frame_model
    if name == "signal":
        return build_signal_model(options.signal, input_spec, label, statistics), None
    if name == "forecaster":
        forecaster = build_forecaster(options.signal, options.forecast, input_spec, statistics)
        return forecaster, None
    return build_sequence_model(options.signal, options.frames, input_spec, label, statistics), None
