"""The flags of `python -m trainer`: parsing and help, for which no TensorFlow is imported."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

from absl import flags

from pipeline.console.command_line import CommandParser, near_miss, with_help
from pipeline.console.errors import UsageError
from trainer.models.forecast_options import ForecastOptions
from trainer.models.frame_options import FrameModelOptions
from trainer.models.signal_options import SignalModelOptions
from trainer.options import flags as option_flags
from trainer.options.options import DataOptions, PredictOptions, RunOptions, TrainingOptions

OPTIONS = (
    RunOptions,
    DataOptions,
    TrainingOptions,
    SignalModelOptions,
    FrameModelOptions,
    ForecastOptions,
    PredictOptions,
)
"""Dataclasses whose fields are the flags."""
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
TRACEBACK = "traceback"


def parse(argv: Sequence[str]) -> flags.FlagValues:
    """Parses flags and flagfiles; `--help`, `--helpfull` and `--version` exit.

    Raises:
      UsageError: if they are wrong; the message says how.
    """
    parser = make_parser()
    parser.answer(argv)
    values = flags.FlagValues()
    for kind in OPTIONS:
        option_flags.define(kind, values)
    flags.DEFINE_bool(TRACEBACK, False, "", flag_values=values)
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


def make_parser() -> CommandParser:
    """A parser that is only used to show help."""
    parser = CommandParser(
        "python -m trainer",
        "Trains on a converted dataset, evaluates, predicts, exports.",
        common=_COMMON,
    )
    group = parser.add_argument_group("more from a file")
    group.add_argument("--flagfile", help="file with flags, one a line; flags after it override it")
    for kind in OPTIONS:
        title = (inspect.getdoc(kind) or "").splitlines()[0].rstrip(".")
        group = parser.add_argument_group(title[0].lower() + title[1:])
        for name, text, default in option_flags.described(kind):
            takes: dict[str, Any] = {"default": default, "help": text.replace("%", "%%")}
            if isinstance(default, bool):
                takes["action"] = "store_true"
                takes["help"] += f" --no{name} turns it off." if default else ""
            group.add_argument(f"--{name}", **takes)
    group.add_argument(
        f"--{TRACEBACK}", action="store_true", help="show where in the code an error came from"
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
