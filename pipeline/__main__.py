"""Entry point of `python -m pipeline`."""

import logging
import os
import signal
import sys
from types import FrameType

logging.basicConfig(level=logging.ERROR, format="%(levelname)s: %(message)s")

from pipeline.console import exit_codes, quiet, utf8  # noqa: E402
from pipeline.console.terminal import show_warnings  # noqa: E402
from pipeline.conversion.asked import COMMAND  # noqa: E402

_STANDARD_ERROR = os.dup(2)  # The other one is silent while TensorFlow is imported.


def _interrupted(number: int, frame: FrameType | None) -> None:
    """Ends at once: Beam's threads would work on, and what is written can be gone on from."""
    os.write(_STANDARD_ERROR, b"\ninterrupted; the same command goes on where it was\n")
    os._exit(exit_codes.INTERRUPTED)


if __name__ == "__main__":
    utf8.start()
    show_warnings()
    signal.signal(signal.SIGINT, _interrupted)
    COMMAND.answer(sys.argv[1:])  # At once: TensorFlow and Beam take seconds to import.
    quiet.start(gpu=False)

    from pipeline.conversion.convert import main

    sys.exit(main(sys.argv[1:]))
