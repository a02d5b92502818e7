"""Command lines as people expect them: a short help, a full one, a version, and near misses."""

import codecs
import copy
import dataclasses
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

from absl import flags

from pipeline.console.errors import UsageError
from pipeline.console.near_misses import near_flag
from pipeline.console.options import (
    REQUIRED,
    Effect,
    Options,
    declarations,
    define,
    option,
    value_text,
)
from pipeline.console.quiet import discard_standard_output
from pipeline.console.rooms import first_line
from pipeline.console.terminal import print_error, say
from pipeline.console.version import VERSION
from tfrecords_schema.errors import UserError

PROJECT = "variable-length-training"
_PACKAGES = ("tensorflow", "keras", "apache-beam")
_HELP_COLUMN = 28
_MAX_COLUMNS = 100
_MAX_FLAGFILE_BYTES = 1 << 20
_MAX_FLAGFILES = 20  # Of a command, those that name each other included.
_FLAGFILE = "--flagfile"


@dataclasses.dataclass(frozen=True)
class _EveryCommand(Options):
    """Every command."""

    flagfile: str = option(
        "", "File with flags, one a line; flags after it override it.", common=True
    )
    traceback: bool = option(
        False, "Show where in the code an error came from.", effect=Effect.NONE
    )
    help: bool = option(False, "Show this help, and exit.", common=True)
    helpfull: bool = option(False, "Show all flags, and exit.", common=True)
    version: bool = option(False, "Show versions, and exit.", common=True)


class Given(NamedTuple):
    """What a command line says.

    Attributes:
      values: of the flags, for `options.read`.
      rest: arguments that are none of the command's flags.
    """

    values: flags.FlagValues
    rest: list[str]


KindsOf = Callable[[Sequence[str]], Sequence[type[Options]]]
"""From the arguments, those of flagfiles in their place, to the kinds of options of a command."""


class Command:
    """A command: its flags come from kinds of options alone."""

    def __init__(
        self,
        prog: str,
        description: str,
        kinds: Sequence[type[Options]] = (),
        *,
        argument: str = "",
        takes_more: bool = False,
        passes_on: bool = False,
        kinds_of: KindsOf | None = None,
    ):
        """Prepares.

        Args:
          prog: how the command is called.
          description: what it does.
          kinds: dataclasses whose fields are its flags.
          argument: the one thing that it takes besides, in capitals.
          takes_more: whether it takes more of them.
          passes_on: whether flags that are not its own are another's, and so no mistake.
          kinds_of: what its flags are where an argument decides on them, instead of `kinds`.
        """
        self.prog = prog
        self.kinds = tuple(kinds)
        self._description = description
        self._argument = argument
        self._takes_more = takes_more
        self._passes_on = passes_on
        self._kinds_of = kinds_of
        self.declared = declarations((*self.kinds, _EveryCommand))

    def answer(self, argv: Sequence[str]) -> None:
        """Exits with what `--help`, `--helpfull` or `--version` ask for, if they are given."""
        given = {"--help" if arg == "-h" else arg for arg in argv}
        if "--version" in given:
            _exit_with(f"{version_text()}\n")
        if not given.isdisjoint(("--help", "--helpfull")):
            _exit_with(self._answering(argv).help_text(is_full="--helpfull" in given))

    def parse(self, argv: Sequence[str]) -> Given:
        """Parses flags and flagfiles; `--help`, `--helpfull` and `--version` exit.

        Raises:
          UsageError: if they are wrong; the message says how.
        """
        self.answer(argv)
        expanded = [*_expanded(argv)]
        return self._for(expanded)._parse(argv, expanded)

    def _answering(self, argv: Sequence[str]) -> "Command":
        """The command that a help is of; exits where the arguments name none."""
        try:
            return self._for([*_expanded(argv)])
        except UserError as error:
            print_error(error)
            sys.exit(error.exit_status)

    def _for(self, expanded: Sequence[str]) -> "Command":
        """The same command with the kinds of options that these arguments ask for.

        Raises:
          UsageError: they are no dataclasses, or two of them declare an option of the same name.
        """
        kinds = self._kinds_of(expanded) if self._kinds_of else self.kinds
        if kinds == self.kinds:
            return self
        command = copy.copy(self)
        try:
            command.kinds, command.declared = tuple(kinds), declarations((*kinds, _EveryCommand))
        except TypeError as error:  # Whoever gives the command wrote one of these kinds.
            raise UsageError(str(error)) from error
        return command

    def _parse(self, argv: Sequence[str], expanded: Sequence[str]) -> Given:
        values = flags.FlagValues()
        define((*self.kinds, _EveryCommand), values)
        values.set_gnu_getopt()
        try:
            rest = values([self.prog, *expanded], known_only=self._passes_on)[1:]
        except flags.UnrecognizedFlagError as error:
            raise UsageError(self._unknown(error.flagname, argv)) from error
        except (flags.Error, ValueError) as error:
            raise UsageError(with_help(str(error).removeprefix("flag "), self.prog)) from error
        taken = 1 if self._argument else 0
        if len(rest) < taken:
            raise UsageError(with_help(f"no {self._argument} is named", self.prog))
        if len(rest) > taken and not (self._takes_more or self._passes_on):
            extra = rest[taken]
            raise UsageError(f"unexpected argument {extra!r}; options are given as --name=value")
        return Given(values, rest)

    def flags(self) -> list[str]:
        """All flags, with `--`."""
        fields = [field for declared in self.declared.values() for field, _ in declared]
        negated = [f"--no{field.name}" for field in fields if isinstance(field.default, bool)]
        return [*(f"--{field.name}" for field in fields), *negated]

    def help_text(self, *, is_full: bool) -> str:
        """The help: all flags, or those that most people need, by kinds of options."""
        more = f"{self._argument} ..." if self._takes_more else ""
        usage = " ".join(filter(None, (self.prog, self._argument, more, "--flag=value ...")))
        parts, hidden = [f"usage: {usage}", textwrap.fill(self._description, _columns())], 0
        for kind, declared in self.declared.items():
            fields = [field for field, _ in declared]
            shown = [field for field in fields if is_full or field.metadata["common"]]
            hidden += len(fields) - len(shown)
            if shown:
                title = (first_line(kind) or kind.__name__).rstrip(".")
                parts.append("\n".join([f"{title[0].lower()}{title[1:]}:", *map(_line, shown)]))
        if hidden:
            more = "flag" if hidden == 1 else "flags"
            parts.append(f"{hidden} more {more}: {self.prog} --helpfull")
        return "\n\n".join(parts) + "\n"

    def _unknown(self, name: str, argv: Sequence[str]) -> str:
        is_given = any(arg.lstrip("-").partition("=")[0] == name for arg in argv)
        where = "" if is_given else " (in a flagfile)"
        near = near_flag([f"--{name}"], self.flags()) or f"unknown flag --{name}"
        return with_help(f"{near}{where}", self.prog)


def _line(field: Any) -> str:
    """One flag of the help, in two columns."""
    text, default, choices = (
        field.metadata["help"], field.default, field.metadata["choices"]
    )  # fmt: skip
    if choices:
        text += f" One of {', '.join(choices)}."
    if default is True:
        text += f" --no{field.name} turns it off."
    elif default is not REQUIRED and default not in (None, "", False, ()):
        text += f" (default: {value_text(default)})"
    name = f"  --{field.name}"
    width = max(_columns() - _HELP_COLUMN, 20)
    lines = textwrap.wrap(text, width, break_long_words=False) or [""]
    first = (
        f"{name:<{_HELP_COLUMN}}" if len(name) < _HELP_COLUMN else f"{name}\n{'':{_HELP_COLUMN}}"
    )
    return (first + f"\n{'':{_HELP_COLUMN}}".join(lines)).rstrip()


def _columns() -> int:
    return min(shutil.get_terminal_size().columns, _MAX_COLUMNS)


def _exit_with(text: str) -> NoReturn:
    try:
        say(text, end="")
        sys.stdout.flush()
    except BrokenPipeError:  # As with `| head`.
        discard_standard_output()
    sys.exit(0)


def with_help(message: str, prog: str) -> str:
    """A message that says where help is."""
    end = " See" if message.endswith("?") else "; see"
    return f"{message}{end} {prog} --help"


def _expanded(argv: Sequence[str], read: list[str] | None = None) -> Iterator[str]:
    """The arguments with those of flagfiles in their place; behind `--` nothing is a flag.

    Args:
      argv: the arguments.
      read: flagfiles that were; one may name another many times, and so may that.

    Raises:
      UsageError: if a flagfile cannot be read.
    """
    rest, read = iter(argv), [] if read is None else read
    for arg in rest:
        if arg == "--":
            yield from (arg, *rest)
        elif arg == _FLAGFILE or arg.startswith(f"{_FLAGFILE}="):
            path = next(rest, "") if arg == _FLAGFILE else arg.partition("=")[2]
            read.append(path)
            if len(read) > _MAX_FLAGFILES:
                raise UsageError(f"--flagfile={path}: flagfiles that name each other; take one out")
            yield from _expanded(lines_of("flagfile", path), read)
        else:
            yield arg


def lines_of(flag: str, path: str) -> list[str]:
    """The lines of a file that a flag names; blank ones, and comments (# or //) are left out.

    Raises:
      UsageError: if it cannot be read, or is no such file.
    """
    problem, path = "", os.path.expanduser(path)
    try:
        if not os.path.isfile(path):
            problem = "it is no file" if os.path.exists(path) else "there is no such file"
        elif os.path.getsize(path) > _MAX_FLAGFILE_BYTES:
            problem = f"it has more than {_MAX_FLAGFILE_BYTES} bytes, so it is no {flag}"
        else:
            with open(path, "rb") as file:
                text = typed_text(file.read(_MAX_FLAGFILE_BYTES))
            # No other ends: an editor shows what is behind one of Python's as part of a comment.
            lines = [line.strip() for line in re.split(r"\r\n?|\n", text)]
            return [line for line in lines if line and not line.startswith(("#", "//"))]
    except ValueError:
        problem = "it is not UTF-8 text; save it as UTF-8"
    except OSError as error:
        problem = str(error.strerror)
    raise UsageError(f"the --{flag} {path} cannot be read: {problem}")


def typed_text(content: bytes) -> str:
    """Text as editors save it: UTF-8 with a mark in front or without one, or UTF-16 with one.

    Raises:
      ValueError: if it is neither.
    """
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    if "\0" in text:
        raise ValueError("it has characters of number 0, so it is no text in this encoding")
    return text


def version_text() -> str:
    """The version of this project and of what it stands on, in a line."""
    parts = [f"{name} {_version(name)}" for name in _PACKAGES]
    return f"{PROJECT} {VERSION} (python {platform.python_version()}, {', '.join(parts)})"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
