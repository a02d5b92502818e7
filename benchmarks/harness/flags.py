"""The flags of a script, declared by their defaults."""

import argparse
from collections.abc import Sequence
from typing import Any


def parse_flags(doc: str | None, argv: Sequence[str] | None = None, **defaults: Any) -> Any:
    """Values of `--name=value` by name.

    Args:
      doc: of the script; what `--help` shows, so it says what the flags do.
      argv: the command line without the program; that of this process if None.
      **defaults: of each flag, whose values have the same type. A type in place of a default means
        that there is none; a flag with True is switched off by `--no-name`.
    """
    shown = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=shown)
    for name, default in defaults.items():
        if isinstance(default, bool):
            parser.add_argument(f"--{name}", default=default, action=argparse.BooleanOptionalAction)
        elif isinstance(default, type):
            parser.add_argument(f"--{name}", type=default, required=True)
        else:
            parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args(argv)
