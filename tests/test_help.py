"""What every command says of itself at once: help and version, before TensorFlow is imported."""

import os
import subprocess
import sys

from pipeline.console.version import VERSION
from tests.repository import REPOSITORY

_COMMANDS = [
    "pipeline",
    "pipeline.generate",
    "pipeline.guess",
    "pipeline.inspect",
    "pipeline.verify",
    "trainer",
    "trainer.check_model",
    "trainer.compare",
    "trainer.cross_validate",
    "trainer.launch",
    "trainer.search",
]
_ANSWERS = """
import runpy, sys
for command in sys.argv[1:]:
    for flag in ("--help", "--version"):
        sys.argv = [command, flag]
        try:
            runpy.run_module(command, run_name="__main__", alter_sys=False)
        except SystemExit as end:
            assert not end.code, command
        assert not {"tensorflow", "tensorflow_datasets", "apache_beam"} & {*sys.modules}, command
        print(end="\\f")
"""
_UNREAD = """
import os, runpy, sys
for command in sys.argv[1:]:
    if not os.fork():
        sys.argv = [command, "--help"]
        runpy.run_module(command, run_name="__main__", alter_sys=True)
        sys.exit()
    os.wait()
"""


def test_help_and_version_do_not_wait_for_tensorflow() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ANSWERS, *_COMMANDS], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answers = done.stdout.split("\f")
    assert len(answers) == 2 * len(_COMMANDS) + 1
    for command, shown, version in zip(_COMMANDS, answers[::2], answers[1::2], strict=False):
        assert f"python -m {command}" in shown
        assert f"variable-length-training {VERSION} (python 3." in version


def test_help_that_nobody_reads_ends_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", _UNREAD, *_COMMANDS],
        cwd=REPOSITORY,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert not done.stderr


def test_the_package_has_the_version_that_is_shown() -> None:
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == VERSION
