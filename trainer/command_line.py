"""What errors of `python -m trainer` say, and with which exit status they end it."""

import re
import sys
from collections.abc import Callable, Sequence

import tensorflow as tf

from pipeline.console import exit_codes
from pipeline.console.output_problems import cannot_write
from pipeline.console.run import run_command
from pipeline.console.terminal import say
from tfrecords_schema.errors import UserError
from trainer.distribution import cluster
from trainer.runs.asked import Asked, asked
from trainer.training.termination import StoppedError

_BY_XLA = "tf2xla conversion failed"
_CAN_GO_ON = "give the same command again; a training goes on from its newest checkpoint"


def run(argv: Sequence[str], action: Callable[[Asked], None]) -> int:
    """Parses a command line, does what it says, and turns errors into messages.

    Args:
      argv: arguments without the program's name.
      action: does what is asked.

    Returns:
      The exit status; see `exit_codes`.
    """
    return run_command(lambda given: _run(given, action), argv, goes_on=_CAN_GO_ON)


def _run(argv: Sequence[str], action: Callable[[Asked], None]) -> int:
    try:
        act(argv, action)
        return exit_codes.OK
    except StoppedError as stopped:
        say(stopped, sys.stderr)
        return exit_codes.STOPPED
    except cluster.LOST_WORKER_ERRORS as error:
        cluster.exit_without_the_others(error)


def act(argv: Sequence[str], action: Callable[[Asked], None]) -> None:
    """Parses a command line and does what it says.

    Raises:
      UserError: something that the user can mend.
      StoppedError: like `Trainer.run`.
    """
    try:
        action(asked(argv))
    except (UserError, StoppedError, *cluster.LOST_WORKER_ERRORS):
        raise
    except Exception as error:
        if message := _explained(error):
            raise UserError(message) from error
        raise


def _explained(error: Exception) -> str:
    """The message of an error; empty for one that nobody has foreseen."""
    if message := cannot_write(error, _CAN_GO_ON):
        return message
    if isinstance(error, (tf.errors.NotFoundError, tf.errors.FailedPreconditionError)):
        return f"{error.message}; check the folders that were given"
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return (
            f"out of memory ({error.message.splitlines()[0]}); lower --batch_size, or give "
            "--batch_steps, which bounds the padded steps of a batch; --dry_run shows the largest"
        )
    if isinstance(error, tf.errors.OpError) and _BY_XLA in error.message:
        first = re.sub(r"\{\{.*?\}\}", "", error.message.splitlines()[0]).strip()
        return f"XLA cannot compile this model ({first}); leave --jit_compile out"
    return ""
