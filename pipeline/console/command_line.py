"""Command lines as people expect them: a short help, a full one, a version, and near misses."""

import argparse
import re
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

from pipeline.console import exit_codes
from pipeline.console.command import version_text as version_text
from pipeline.console.near_misses import near_flag as near_miss
from pipeline.console.near_misses import nearest as nearest
from pipeline.console.near_misses import not_one_of as not_one_of
from pipeline.console.quiet import discard_standard_output
from pipeline.console.terminal import print_error

_DEFAULT = " (default: %(default)s)"
_NO_DEFAULTS = (None, "", False, argparse.SUPPRESS)


class CommandParser(argparse.ArgumentParser):
    """Adds `--help`, `--version`, and `--helpfull` where `--help` leaves flags out."""

    def __init__(self, prog: str, description: str, *, common: Collection[str] = ()):
        """Prepares.

        Args:
          prog: how the command is called.
          description: what it does.
          common: names of the flags that `--help` shows, without `--`; empty for all of them.
        """
        super().__init__(
            prog=prog,
            description=description,
            usage=f"{prog} --flag=value ..." if common else None,
            allow_abbrev=False,
            add_help=False,
            formatter_class=_FullHelp,
        )
        self._argv: list[str] = []
        self._common = {*common, "help", "helpfull", "version"} if common else ()
        group = self.add_argument_group("help")
        about = "show the flags that most people need" if common else "show this help"
        group.add_argument("--help", "-h", action="store_true", help=f"{about}, and exit")
        if common:
            group.add_argument("--helpfull", action="store_true", help="show all flags, and exit")
        group.add_argument("--version", action="store_true", help="show versions, and exit")

    def answer(self, argv: Sequence[str]) -> None:
        """Exits with what `--help`, `--helpfull` or `--version` ask for, if they are given."""
        given = {"--help" if arg == "-h" else arg for arg in argv}
        if "--version" in given:
            self._exit_with(f"{version_text()}\n")
        if "--helpfull" in given or ("--help" in given and not self._common):
            self._exit_with(self.format_help())
        if "--help" in given:
            self._exit_with(self._short_help())

    def flags(self) -> list[str]:
        """All flags, with `--`."""
        return sorted(set(re.findall(r"^ +(?:-\w, )?(--\w+)", self.format_help(), re.MULTILINE)))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Like argparse's, after `answer`."""
        self._argv = list(sys.argv[1:] if args is None else args)
        self.answer(self._argv)
        values, rest = super().parse_known_args(self._argv, namespace)
        for name in ("help", "helpfull", "version"):
            if hasattr(values, name):
                delattr(values, name)
        return values, rest

    def error(self, message: str) -> NoReturn:
        """Says what is wrong, without the usage of every flag, and exits with 2."""
        # Of two faults, a flag that is missing and a wrong name, the wrong name is the cause.
        message = near_miss(self._argv, self.flags()) or re.sub(r"^argument (-\S+)", r"\1", message)
        print_error(with_help(message, self.prog))
        sys.exit(exit_codes.USAGE)

    def _exit_with(self, text: str) -> NoReturn:
        try:
            print(text, end="", flush=True)
        except BrokenPipeError:  # As with `| head`.
            discard_standard_output()
        sys.exit(0)

    def _short_help(self) -> str:
        self.formatter_class = _short_help_of(self._common)
        text = self.format_help()
        self.formatter_class = _FullHelp
        hidden = len(self.flags()) - len(self._common)
        return f"{text}\n{hidden} more flags: {self.prog} --helpfull\n"


class _FullHelp(argparse.HelpFormatter):
    """Two columns, with the default of every flag that has one."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=28)

    def add_argument(self, action: argparse.Action) -> None:
        """Adds a flag; its default is said once."""
        if action.help and _DEFAULT not in action.help and action.default not in _NO_DEFAULTS:
            action.help += _DEFAULT
        super().add_argument(action)


def _short_help_of(common: Collection[str]) -> type[argparse.HelpFormatter]:
    class ShortHelp(_FullHelp):
        def add_argument(self, action: argparse.Action) -> None:
            if action.dest in common:
                super().add_argument(action)

    return ShortHelp


def with_help(message: str, prog: str) -> str:
    """A message that says where help is."""
    return (
        f"{message} See {prog} --help" if message.endswith("?") else f"{message}; see {prog} --help"
    )


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """A type for argparse that takes one of a few words, and knows near misses."""

    def word(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(not_one_of(text, choices))
        return text

    return word
