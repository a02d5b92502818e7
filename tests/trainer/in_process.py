"""Runs `python -m trainer` in this process: an import of TensorFlow costs seconds."""

import keras
from absl import flags
from absl.testing import flagsaver

from trainer import __main__ as entry
from trainer import flags as option_flags


def run_trainer(*arguments: str) -> int:
    """Runs the command line and returns its exit code; errors that users see are raised."""
    for kind in entry._OPTIONS:
        if next(iter(kind.__dataclass_fields__)) not in flags.FLAGS:
            option_flags.define(kind)
    keras.utils.clear_session()
    with flagsaver.flagsaver():
        for name in flags.FLAGS:
            flags.FLAGS[name].unparse()
        entry.main(flags.FLAGS(["trainer", *arguments]))
    return 0
