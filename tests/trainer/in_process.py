"""Runs `python -m trainer` in this process: an import of TensorFlow costs seconds."""

import pathlib
from collections.abc import Sequence

import keras

from tests.trainer.processes import SMALL_MODEL
from trainer.__main__ import main


def run_trainer(*arguments: str) -> int:
    """Runs the command line and returns its exit status."""
    keras.utils.clear_session()
    return main(arguments)


def train(
    dataset: str, run_dir: pathlib.Path | str, *flags: str, model: Sequence[str] = SMALL_MODEL
) -> None:
    """Trains to the end, the small model if no flags of another are given."""
    assert run_trainer(f"--dataset={dataset}", f"--run_dir={run_dir}", *model, *flags) == 0
