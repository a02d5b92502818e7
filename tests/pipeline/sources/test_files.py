"""What is no file is not opened: whoever waits for a pipe waits for ever."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.conversion.beam_files import BeamFiles
from pipeline.sources.files import Files
from pipeline.sources.gfiles import GFiles


@pytest.mark.usefixtures("in_time")
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
