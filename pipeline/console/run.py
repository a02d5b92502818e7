"""From a command to its exit status: what a user can mend becomes a message."""

import sys
from collections.abc import Callable, Sequence

from pipeline.console import exit_codes
from pipeline.console.quiet import discard_standard_output
from pipeline.console.terminal import print_error, say
from tfrecords_schema.errors import UserError
from tfrecords_schema.places.store_error import StoreError


def run_command(
    action: Callable[[Sequence[str]], int | None],
    argv: Sequence[str],
    *,
    goes_on: str | None = None,
    unread: int = exit_codes.ERROR,
) -> int:
    """Runs a command, and says in a line why it ended early.

    Errors that no user can mend are faults of the program and keep their traceback; with
    `--traceback` all do. Those of a disk that is full or read-only are told of any command that
    works on something.

    Args:
      action: takes the arguments; returns the exit status, None for 0.
      argv: arguments without the program's name.
      goes_on: how to go on with what the command works on, may be empty. None for a command that
        only shows something: where nobody reads it, as with `| head`, it ends without a word.
      unread: exit status where nobody reads the output.

    Returns:
      The exit status; see `exit_codes`.
    """
    try:
        status = action(argv)
        sys.stdout.flush()
        return status or exit_codes.OK
    except BrokenPipeError:
        discard_standard_output()
        if goes_on is not None:
            print_error("; ".join(filter(None, ("nobody reads the output any more", goes_on))))
        return unread
    except KeyboardInterrupt:
        say("\n" + "; ".join(filter(None, ("interrupted", goes_on))), sys.stderr)
        return exit_codes.INTERRUPTED
    except (UserError, StoreError) as error:
        if "--traceback" in argv:
            raise
        print_error(error)
        return error.exit_status
    except Exception as error:
        if goes_on is None or "--traceback" in argv:
            raise
        # TensorFlow is slow to import.
        from pipeline.console.output_problems import cannot_write

        if not (message := cannot_write(error, goes_on or "give the same command again")):
            raise
        print_error(message)
        return exit_codes.ERROR
