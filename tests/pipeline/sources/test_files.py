"""What is no file is not opened: whoever waits for a pipe waits for ever."""

import os
import pathlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.conversion.beam_files import BeamFiles
from pipeline.sources.files import Files
from pipeline.sources.gfiles import GFiles


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Ends a test that waits for what never comes."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("files", [GFiles(), BeamFiles()])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_refused(
    tmp_path: pathlib.Path, make: Callable[[str], Any], files: Files
) -> None:
    path = str(tmp_path / "a.npz")
    make(path)
    with pytest.raises(OSError, match="it is a pipe, a folder or the like"), files.open(path):
        pass


@pytest.mark.parametrize("files", [GFiles(), BeamFiles()])
def test_a_file_under_any_name_is_opened(tmp_path: pathlib.Path, files: Files) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff[1]*.npz")
    pathlib.Path(path).write_bytes(b"0123")
    with files.open(path) as file:
        file.seek(2)
        assert file.read() == b"23"
