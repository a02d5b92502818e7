"""What `--setup_file=./setup.py` sends to a remote worker installs and runs where nothing else is.

The worker's interpreter sees the same dependencies as this one, but not the repository: a path in
a `.pth` file adds the packages of a folder without those that are installed as editable.
"""

import pathlib
import subprocess
import sys
import sysconfig
import venv

import pytest
from apache_beam.runners.portability.stager import Stager

from tests.forks.process import Process
from tests.pipeline.conversions import Converter, Folders, base_flags, hashes, write_recordings
from tests.pipeline.worker_pool import worker_pool
from tests.repository import REPOSITORY

_FLAGS = ["--num_shards=2", "--splits=train=0.5,test=0.5"]
_WHERE = "import pipeline; print(pipeline.__file__)"


def _bare_python(folder: pathlib.Path) -> pathlib.Path:
    venv.create(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


def _run(*command: object, cwd: pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_property_02_a_worker_with_the_sdist_alone_writes_the_same_bytes(
    folders: Folders,
    converter: Converter,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_recordings(folders, 12)
    converter.dataset(*_FLAGS)
    sdist_dir, elsewhere = tmp_path / "sdist", tmp_path / "elsewhere"
    elsewhere.mkdir()
    python = _bare_python(tmp_path / "bare")
    assert "No module named 'pipeline'" in _run(python, "-c", _WHERE, cwd=elsewhere).stderr
    with monkeypatch.context() as patch:
        patch.chdir(REPOSITORY)  # As a user does with --setup_file=./setup.py.
        sdist = Stager._build_setup_package("./setup.py", str(sdist_dir))
    pip = (sys.executable, "-m", "pip", f"--python={python}")
    installed = _run(*pip, "install", "--no-deps", sdist, cwd=elsewhere)
    assert installed.returncode == 0, installed.stderr
    assert str(tmp_path) in _run(python, "-c", _WHERE, cwd=elsewhere).stdout
    other = Folders(folders.inputs, tmp_path / "other")
    with worker_pool(python, cwd=elsewhere, log=tmp_path / "log") as pool:
        runner = ["--runner=PortableRunner", "--job_endpoint=embed", *pool.flags]
        command = ("pipeline.conversion.convert", *base_flags(other), *_FLAGS, *runner)
        done = Process(*command, log=tmp_path / "converted")
        assert done.wait() == 0, done.output() + pool.log()
    assert hashes(other.dataset) == hashes(folders.dataset)
    assert "Starting worker" in pool.log()
