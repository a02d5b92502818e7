"""The options and the model of a run folder, in this process."""

from typing import Any

from absl import flags

from trainer.arguments import OPTIONS
from trainer.models.build import ModelOptions
from trainer.models.forecast_options import ForecastOptions
from trainer.models.frame_options import FrameModelOptions
from trainer.models.signal_options import SignalModelOptions
from trainer.options import flags as option_flags
from trainer.options.options import DataOptions, PredictOptions, RunOptions, TrainingOptions
from trainer.runs import run_folder
from trainer.serving import inference
from trainer.serving.serving import Serving


def options_of(run_dir: str, **given: Any) -> dict[type, Any]:
    """Options by their type: those given, the others from the run folder's flagfile."""
    values = flags.FlagValues()
    for kind in OPTIONS:
        option_flags.define(kind, values)
    values(["test", f"--run_dir={run_dir}", *(f"--{k}={v}" for k, v in given.items())])
    option_flags.fill_in(run_folder.read_flags(run_dir), values)
    return {kind: option_flags.read(kind, values) for kind in OPTIONS}


def run_inference(run_dir: str, **given: Any) -> None:
    """`python -m trainer --run_dir=... --<given>` for the modes predict and export."""
    found = options_of(run_dir, **given)
    inference.run(
        found[RunOptions],
        found[DataOptions],
        found[TrainingOptions],
        _models(found),
        found[PredictOptions],
    )


def restore(run_dir: str) -> Serving:
    """The trained model."""
    found = options_of(run_dir, mode="export")
    learnt = run_folder.LearntFrom.read(run_dir)
    return inference.restore(learnt, found[RunOptions], found[TrainingOptions], _models(found))


def _models(found: dict[type, Any]) -> ModelOptions:
    return ModelOptions(found[SignalModelOptions], found[FrameModelOptions], found[ForecastOptions])
