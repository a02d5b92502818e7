"""Runs `python -m trainer` in this process: an import of TensorFlow costs seconds."""

import keras

from trainer.__main__ import main


def run_trainer(*arguments: str) -> int:
    """Runs the command line and returns its exit status."""
    keras.utils.clear_session()
    return main(arguments)
