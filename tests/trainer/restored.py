"""The options and the model of a run folder, in this process."""

from typing import Any

from trainer.runs import run_folder
from trainer.runs.asked import Asked, asked
from trainer.serving import inference
from trainer.serving.serving import Serving


def asked_of(run_dir: str, **given: Any) -> Asked:
    """Options that are given, the others from the run folder's flagfile."""
    return asked([f"--run_dir={run_dir}", *(f"--{k}={v}" for k, v in given.items())])


def run_inference(run_dir: str, **given: Any) -> None:
    """`python -m trainer --run_dir=... --<given>` for the modes predict and export."""
    inference.run(asked_of(run_dir, **given))


def restore(run_dir: str) -> Serving:
    """The trained model."""
    return inference.restore(run_folder.LearntFrom.read(run_dir), asked_of(run_dir, mode="export"))
