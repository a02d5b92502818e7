"""No local file access: data paths go through Beam's or TensorFlow's file systems.

What is local by its nature (scratch files, the descriptor of standard error) is listed by name.
"""

import ast
import pathlib
from collections.abc import Iterator

import pytest

from tests.repository import REPOSITORY

_LOCAL_MODULES = {"glob", "pathlib", "shutil", "os.path", "fileinput"}
_LOCAL_CALLS = {
    "open",
    "io.open",
    *(f"os.{name}" for name in ("link", "listdir", "makedirs", "mkdir", "open", "remove")),
    *(f"os.{name}" for name in ("rename", "replace", "rmdir", "scandir", "stat", "symlink")),
    *(f"os.{name}" for name in ("access", "chmod", "unlink", "utime", "walk")),
}
# A call that passes these a name would make them open a local file.
_OPENERS = {"np.load", "np.save", "np.savez", "pq.read_table", "pq.ParquetFile", "zipfile.ZipFile"}
_ALLOWED = {
    ("tfrecords_schema/storage.py", "shutil"),  # links, which only local folders have
    ("tfrecords_schema/storage.py", "os.path"),
    ("tfrecords_schema/storage.py", "os.stat"),  # whether something local is a file
    ("tfrecords_schema/storage.py", "os.rmdir"),  # only local folders can be empty
    ("tfrecords_schema/flushing.py", "os.open"),  # only local files can be flushed
    ("tfrecords_schema/flushing.py", "os.path"),
    ("tfrecords_schema/flushing.py", "os.walk"),
    ("tfrecords_schema/locks.py", "os.stat"),  # local times in parts of a second
    ("tfrecords_schema/places/store_files.py", "os.unlink"),  # what was sent to a store
    ("pipeline/batches/shard_reads.py", "os.path"),  # a pipe must not be waited for
    ("pipeline/batches/shard_cache.py", "os.utime"),  # local copies of what is in a store
    ("pipeline/batches/shard_cache.py", "pathlib"),
    ("pipeline/batches/shard_cache.py", "shutil"),
    ("tfrecords_schema/owners.py", "open"),  # which start of the machine this is
    ("tfrecords_schema/places/gfile.py", "os.stat"),  # whether something local is a file
    ("pipeline/conversion/convert.py", "shutil"),  # the scratch folder of Beam
    ("pipeline/sources/files.py", "os.open"),  # a pipe must not be waited for
    ("trainer/studies/search/database.py", "open"),  # SQLite's files are local
    ("trainer/studies/search/database.py", "os.path"),
    ("trainer/training/room.py", "open"),  # what the kernel says of memory
    ("trainer/layers/rows/windows.py", "open"),  # what the kernel says of the processor
    ("trainer/data/unchanged.py", "os.stat"),  # whether a local file is another
    ("trainer/models/parts/own_model.py", "os.path"),  # code is imported from local files
    ("trainer/models/parts/weight_files.py", "open"),  # weights are downloaded to local files
    ("trainer/models/parts/weight_files.py", "zipfile.ZipFile"),
    ("pipeline/console/terminal.py", "shutil"),  # the width of the terminal
    ("pipeline/console/command.py", "shutil"),
    ("pipeline/console/command.py", "os.path"),  # flagfiles
    ("pipeline/console/command.py", "open"),
    ("pipeline/sources/files.py", "os.path"),  # whether something local is a file
    (
        "pipeline/sources/files.py",
        "os.scandir",
    ),  # folders too large for a list
    ("pipeline/sources/files.py", "os.stat"),  # whether two paths lead to one folder
    ("pipeline/sources/recordings/libraries.py", "os.stat"),  # when a local file was changed
    ("pipeline/sources/recordings/libraries.py", "open"),  # the scratch copy of a remote one
    ("pipeline/console/quiet.py", "os.open"),  # /dev/null
    (
        "trainer/serving/export.py",
        "os.path",
    ),  # Keras writes local files only
}


def _sources() -> list[pathlib.Path]:
    packages = ("tfrecords_schema", "pipeline", "trainer")
    return sorted(path for package in packages for path in (REPOSITORY / package).rglob("*.py"))


def _local_access(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from _LOCAL_MODULES & {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (_LOCAL_MODULES | _LOCAL_CALLS) & {str(node.module), *names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in _LOCAL_MODULES:
            yield ast.unparse(node)
        elif isinstance(node, ast.Call):
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    if name in _LOCAL_CALLS:
        yield name
    if name in _OPENERS and node.args and "path" in ast.unparse(node.args[0]).lower():
        yield name


@pytest.mark.parametrize("path", _sources(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_file_is_opened_past_the_file_systems(path: pathlib.Path) -> None:
    name = str(path.relative_to(REPOSITORY))
    found = {call for call in _local_access(ast.parse(path.read_text()))}
    assert found == {call for file, call in _ALLOWED if file == name}


@pytest.mark.parametrize(
    "code",
    [
        "open('x')",
        "import os\nos.path.exists('x')",
        "import os\nos.rename('a', 'b')",
        "from os import path",
        "from os.path import join",
        "import pathlib",
        "from pathlib import Path",
        "from shutil import rmtree",
        "np.load(path)",
    ],
)
def test_local_access_is_found(code: str) -> None:
    assert list(_local_access(ast.parse(code)))


@pytest.mark.parametrize("code", ["files.open(path)", "tf.io.gfile.rename(a, b)", "np.load(file)"])
def test_other_file_systems_are_none(code: str) -> None:
    assert not list(_local_access(ast.parse(code)))
