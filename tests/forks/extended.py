"""Runs commands one by one, as if the files in a folder of new ones stood in the packages."""

import importlib
import json
import runpy
import sys
from collections.abc import Sequence

_ROOMS = ("pipeline.sources.kinds", "trainer.models", "trainer.metrics")
_PACKAGES = ("pipeline", "trainer")


def main(arguments: Sequence[str]) -> int:
    """Prints what each command prints, and its exit status before a form feed.

    Args:
      arguments: the folder, and a JSON list of commands: module and arguments each.
    """
    root, commands = arguments
    for name in [name for name in sys.modules if name.partition(".")[0] in _PACKAGES]:
        del sys.modules[name]  # It knows the files that there were.
    for room in _ROOMS:
        importlib.import_module(room).__path__.append(f"{root}/{room.replace('.', '/')}")
    for sys.argv in json.loads(commands):
        try:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            print(f"{end.code or 0}\f", end="", flush=True)
        sys.modules["keras"].utils.clear_session()
    return 0
