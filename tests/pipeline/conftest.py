import pathlib

import pytest

from tests.pipeline.conversions import Converter, Folders


@pytest.fixture
def folders(tmp_path: pathlib.Path) -> Folders:
    (tmp_path / "inputs").mkdir()
    return Folders(tmp_path / "inputs", tmp_path / "output")


@pytest.fixture
def converter(folders: Folders, capsys: pytest.CaptureFixture[str]) -> Converter:
    return Converter(folders, capsys)
