"""How commands end: what they say, to whom, and with which exit status."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from pipeline.console import exit_codes
from pipeline.console.errors import UsageError
from pipeline.console.run import run_command
from tfrecords_schema.errors import DatasetError


def _raising(error: BaseException) -> Callable[[Sequence[str]], int]:
    def action(_: Sequence[str]) -> int:
        raise error

    return action


def test_a_command_ends_as_it_says() -> None:
    assert run_command(lambda _: None, []) == exit_codes.OK
    assert run_command(lambda argv: len(argv), ["a", "b", "c"]) == 3


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UsageError("--a and --b"), exit_codes.USAGE, "error: --a and --b\n"),
        (DatasetError("no manifest"), exit_codes.ERROR, "error: no manifest\n"),
        (KeyboardInterrupt(), exit_codes.INTERRUPTED, "\ninterrupted; go on\n"),
    ],
)
def test_what_a_user_can_mend_is_a_message(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, message: str
) -> None:
    assert run_command(_raising(error), [], goes_on="go on") == status
    assert capsys.readouterr().err == message


def test_a_full_disk_is_a_message_where_a_command_works_on_something(
    capsys: pytest.CaptureFixture[str],
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "study.json")
    assert run_command(_raising(full), [], goes_on="go on") == exit_codes.ERROR
    said = capsys.readouterr().err
    assert said.startswith("error: cannot write ([Errno 28] No space left on device: 'study.json')")
    assert said.endswith("so make space, or make it writable, and go on\n")
    for argv, goes_on in (([], None), (["--traceback"], "go on")):
        with pytest.raises(OSError, match="No space left"):
            run_command(_raising(full), argv, goes_on=goes_on)


def test_all_else_keeps_its_traceback() -> None:
    for error in (ValueError("a bug"), OSError("no such device")):
        with pytest.raises(type(error), match=str(error)):
            run_command(_raising(error), [])
    with pytest.raises(DatasetError, match="no manifest"):
        run_command(_raising(DatasetError("no manifest")), ["--traceback"])


@pytest.mark.parametrize(
    ("goes_on", "said"),
    [
        ("None", ""),
        ("''", "error: nobody reads the output any more\n"),
        ("'go on'", "error: nobody reads the output any more; go on\n"),
    ],
)
def test_output_that_nobody_reads_ends_a_command(goes_on: str, said: str) -> None:
    code = (
        "import sys; from pipeline.console.run import run_command; "
        f"sys.exit(run_command(lambda _: print('a' * 100_000), [], goes_on={goes_on}))"
    )
    assert _unread("-c", code) == (exit_codes.ERROR, said)


def test_a_command_that_only_shows_something_ends_quietly(tmp_path: os.PathLike[str]) -> None:
    """Its one line of output is still in Python's buffer when all is done."""
    assert _unread("-m", "pipeline.verify", str(tmp_path)) == (exit_codes.ERROR, "")


def _unread(*arguments: str) -> tuple[int, str]:
    """Exit status and errors of Python where nobody reads the output."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, *arguments], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    return done.returncode, done.stderr
