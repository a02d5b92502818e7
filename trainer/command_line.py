"""The command line of `python -m trainer`: flags, help, and what errors say."""

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from absl import flags

from pipeline.command_line import CommandParser, near_miss, with_help
from pipeline.console import print_error
from pipeline.errors import UsageError
from tfrecords_schema import DatasetError
from tfrecords_schema.output_problems import output_problem
from trainer import cluster, exit_codes
from trainer import flags as option_flags
from trainer.checkpoints import CheckpointError
from trainer.divergence import DivergedError
from trainer.termination import StoppedError

# What `--help` shows; `--helpfull` shows all.
_COMMON = (
    "flagfile",
    "mode",
    "model",
    "dataset",
    "run_dir",
    "dry_run",
    "strategy",
    "precision",
    "seed",
    "batch_size",
    "batch_steps",
    "num_buckets",
    "class_weights",
    "epochs",
    "learning_rate",
    "monitor",
    "early_stopping_patience",
    "normalization",
    "input_dir",
    "output",
)
_TRACEBACK = "traceback"
_CAN_GO_ON = "give the same command again: it goes on from the newest checkpoint"


def run(
    argv: Sequence[str], kinds: Sequence[type], action: Callable[[flags.FlagValues], None]
) -> int:
    """Parses a command line, does what it says, and turns errors into messages.

    Args:
      argv: arguments without the program's name.
      kinds: dataclasses of options; their fields are the flags.
      action: takes the parsed flags.

    Returns:
      The exit status; see `exit_codes`.
    """
    shows_traceback = f"--{_TRACEBACK}" in argv
    try:
        action(parse(argv, kinds))
        return exit_codes.OK
    except StoppedError as stopped:
        print(stopped, file=sys.stderr)
        return exit_codes.STOPPED
    except KeyboardInterrupt:
        print(f"\ninterrupted; {_CAN_GO_ON}", file=sys.stderr)
        return exit_codes.INTERRUPTED
    except cluster.LOST_WORKER_ERRORS as error:
        cluster.exit_without_the_others(error)
    except Exception as error:
        code, message = _explained(error)
        if shows_traceback or not message:
            raise
        print_error(message)
        return code


def parse(argv: Sequence[str], kinds: Sequence[type]) -> flags.FlagValues:
    """Parses flags and flagfiles; `--help`, `--helpfull` and `--version` exit.

    Raises:
      UsageError: if they are wrong; the message says how.
    """
    parser = _make_parser(kinds)
    parser.answer(argv)
    values = flags.FlagValues()
    for kind in kinds:
        option_flags.define(kind, values)
    flags.DEFINE_bool(_TRACEBACK, False, "", flag_values=values)
    try:
        rest = values(["python -m trainer", *argv])[1:]
    except flags.UnrecognizedFlagError as error:
        raise UsageError(_unknown(error.flagname, argv, values)) from error
    except flags.CantOpenFlagFileError as error:
        reason = str(error.__cause__ or error).rpartition("]")[2].strip()
        raise UsageError(f"the --flagfile cannot be read: {reason}") from error
    except flags.Error as error:
        raise UsageError(_plain(str(error))) from error
    if rest:
        raise UsageError(f"unexpected argument {rest[0]!r}; options are given as --name=value")
    return values


def _make_parser(kinds: Sequence[type]) -> CommandParser:
    """A parser that is only used to show help."""
    parser = CommandParser(
        "python -m trainer",
        "Trains on a converted dataset, evaluates, predicts, exports.",
        common=_COMMON,
    )
    group = parser.add_argument_group("more from a file")
    group.add_argument("--flagfile", help="file with flags, one a line; flags after it override it")
    for kind in kinds:
        title = (inspect.getdoc(kind) or "").splitlines()[0].rstrip(".")
        group = parser.add_argument_group(title[0].lower() + title[1:])
        for name, text, default in option_flags.described(kind):
            takes: dict[str, Any] = {"default": default, "help": text.replace("%", "%%")}
            if isinstance(default, bool):
                takes["action"] = "store_true"
                takes["help"] += f" --no{name} turns it off." if default else ""
            group.add_argument(f"--{name}", **takes)
    group.add_argument(
        f"--{_TRACEBACK}", action="store_true", help="show where in the code an error came from"
    )
    return parser


def _plain(message: str) -> str:
    """What absl says of a wrong value, in the words of the other messages."""
    for pattern, text in (
        (r"^flag (--\w+=)", r"\1"),
        (r"invalid literal for int\(\).*", "expected a whole number"),
        (r"could not convert string to float.*", "expected a number"),
        (r"\s*\n\s*", " "),
    ):
        message = re.sub(pattern, text, message)
    return message


def _unknown(name: str, argv: Sequence[str], values: flags.FlagValues) -> str:
    given = next((arg for arg in argv if arg.lstrip("-").partition("=")[0] == name), "")
    where = "" if given else " (in a flagfile)"
    names = [f"--{flag}" for flag in values]
    names += [f"--no{flag}" for flag in values if values[flag].boolean]
    near = near_miss([f"--{name}"], names) or f"unknown flag --{name}"
    return with_help(f"{near}{where}", "python -m trainer")


def _explained(error: Exception) -> tuple[int, str]:
    """Exit status and message of an error; no message for one that nobody has foreseen."""
    if isinstance(error, UsageError):
        return exit_codes.USAGE, str(error)
    if isinstance(error, DivergedError):
        return exit_codes.DIVERGED, str(error)
    if isinstance(error, (DatasetError, CheckpointError, ValueError)):
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
