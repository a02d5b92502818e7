"""Names and texts of files are UTF-8, whatever the locale says."""

import os
import sys


def start() -> None:
    """Starts this program again in Python's UTF-8 mode (PEP 540), if its locale has another one.

    There names of files would come in as other letters, or as none; worker processes would differ.
    What is shown stays in the locale's encoding. Entry points call it before anything else.
    """
    if sys.getfilesystemencoding().lower().replace("-", "") == "utf8":
        return
    shown = {"PYTHONIOENCODING": f"{sys.stdout.encoding}:backslashreplace"}
    environment = {**shown, **os.environ, "PYTHONUTF8": "1"}
    os.execve(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]], environment)
