"""From the command line of `python -m trainer` to its exit status, and what errors say."""

import sys
from collections.abc import Callable, Sequence

import tensorflow as tf

from pipeline.console import exit_codes
from pipeline.console.errors import UsageError
from pipeline.console.quiet import discard_standard_output
from pipeline.console.terminal import print_error
from tfrecords_schema.errors import UserError
from tfrecords_schema.output_problems import output_problem
from trainer.distribution import cluster
from trainer.runs.asked import Asked, asked
from trainer.training.divergence import DivergedError
from trainer.training.termination import StoppedError

_CAN_GO_ON = "give the same command again; a training goes on from its newest checkpoint"


def run(argv: Sequence[str], action: Callable[[Asked], None]) -> int:
    """Parses a command line, does what it says, and turns errors into messages.

    Args:
      argv: arguments without the program's name.
      action: does what is asked.

    Returns:
      The exit status; see `exit_codes`.
    """
    shows_traceback = "--traceback" in argv
    try:
        action(asked(argv))
        return exit_codes.OK
    except StoppedError as stopped:
        print(stopped, file=sys.stderr)
        return exit_codes.STOPPED
    except KeyboardInterrupt:
        print(f"\ninterrupted; {_CAN_GO_ON}", file=sys.stderr)
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        discard_standard_output()
        print_error(f"nobody reads the output any more; {_CAN_GO_ON}")
        return exit_codes.ERROR
    except cluster.LOST_WORKER_ERRORS as error:
        cluster.exit_without_the_others(error)
    except Exception as error:
        code, message = _explained(error)
        if shows_traceback or not message:
            raise
        print_error(message)
        return code


def _explained(error: Exception) -> tuple[int, str]:
    """Exit status and message of an error; no message for one that nobody has foreseen."""
    if isinstance(error, UsageError):
        return exit_codes.USAGE, str(error)
    if isinstance(error, DivergedError):
        return exit_codes.DIVERGED, str(error)
    if isinstance(error, UserError):
        return exit_codes.ERROR, str(error)
    if problem := output_problem(error):
        return exit_codes.ERROR, (
            f"cannot write ({problem}); what is written stays, so make space, or make it "
            f"writable, and {_CAN_GO_ON}"
        )
    if isinstance(error, (tf.errors.NotFoundError, tf.errors.FailedPreconditionError)):
        return exit_codes.ERROR, f"{error.message}; check the folders that were given"
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return exit_codes.ERROR, (
            f"out of memory ({error.message.splitlines()[0]}); lower --batch_size, or give "
            "--batch_steps, which bounds the padded steps of a batch; --dry_run shows the largest"
        )
    return exit_codes.ERROR, ""
