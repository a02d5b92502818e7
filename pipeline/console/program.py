"""How a program that needs TensorFlow begins, before its slow imports, and what it does then."""

import signal
import sys
from collections.abc import Callable, Sequence

from pipeline.console import quiet, utf8
from pipeline.console.command import Command
from pipeline.console.terminal import show_warnings


def begin(command: Command, *, gpu: bool) -> None:
    """Answers `--help` at once, and imports TensorFlow without its messages.

    Args:
      command: that the program is.
      gpu: see `quiet.start`.
    """
    utf8.start()
    show_warnings()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during imports: no traceback.
    command.answer(sys.argv[1:])  # TensorFlow takes seconds to import.
    quiet.start(gpu=gpu)


def run(main: Callable[[Sequence[str]], int]) -> None:
    """Exits with what the function returns for the command line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # In order with stderr.
    sys.exit(main(sys.argv[1:]))
