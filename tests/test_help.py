"""What every command says of itself at once: help and version, before TensorFlow is imported."""

import os
import pathlib
import subprocess
import sys

import pytest

from pipeline.console.version import VERSION

_ROOT = pathlib.Path(__file__).parents[1]
_COMMANDS = [
    "pipeline",
    "pipeline.generate",
    "pipeline.inspect",
    "pipeline.verify",
    "trainer",
    "trainer.check_model",
    "trainer.compare",
    "trainer.cross_validate",
    "trainer.launch",
    "trainer.search",
]
_ANSWER = """
import runpy, sys
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=False)
finally:
    assert "tensorflow" not in sys.modules
"""


def _answer(command: str, flag: str) -> str:
    code = f"import sys; sys.argv = {[command, flag]!r}\n{_ANSWER}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("command", _COMMANDS)
def test_help_and_version_do_not_wait_for_tensorflow(command: str) -> None:
    assert f"python -m {command}" in _answer(command, "--help")
    assert f"variable-length-training {VERSION} (python 3." in _answer(command, "--version")


@pytest.mark.parametrize("command", _COMMANDS)
def test_help_that_nobody_reads_ends_quietly(command: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", command, "--help"],
        cwd=_ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert not done.stderr


def test_the_package_has_the_version_that_is_shown() -> None:
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=_ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == VERSION
