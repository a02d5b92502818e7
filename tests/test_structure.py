"""The arrows between packages, and the size of files, as the design has them."""

import ast
import pathlib

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGES = ("tfrecords_schema", "pipeline", "trainer")
_MAX_LINES = 400
# The half of pipeline that a training process imports.
_INPUT_HALF = {
    "command_line",
    "console",
    "boundaries",
    "plan",
    "plan_lengths",
    "deal",
    "hashing",
    "reader",
    "serial_map",
    "frames",
    "batches",
    "silence",
    "keras_batches",
    "figures",
    "page",
    "samples",
    "version",
}
# Reads raw recordings; a prediction of recordings that were never converted does so, too.
_RAW_HALF = {
    "annotations",
    "errors",
    "files",
    "grouping",
    "image_decoding",
    "image_folders",
    "image_header",
    "inspect_facts",
    "inspect_plan",
    "inspect_text",
    "limits",
    "npz",
    "options",
    "quiet",
    "signals",
    "source",
    "sources",
    "splits",
    "summary",
    "texts",
    "window_labels",
}


def _sources(*folders: str) -> list[pathlib.Path]:
    return sorted(path for folder in folders for path in (_ROOT / folder).rglob("*.py"))


def _imports(path: pathlib.Path) -> set[str]:
    """Full names of all modules that a file imports, also within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import absolutely, so that the arrows can be seen"
            found.add(str(node.module))
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _packages(path: pathlib.Path) -> set[str]:
    return {name.split(".")[0] for name in _imports(path)}


def _pipeline_modules(path: pathlib.Path) -> set[str]:
    parts = (name.split(".") for name in _imports(path))
    return {part[1] for part in parts if part[0] == "pipeline" and len(part) > 1}


def test_there_are_sources_to_check():
    assert all(len(_sources(package)) > 5 for package in _PACKAGES)


@pytest.mark.parametrize("path", _sources("tfrecords_schema"), ids=lambda path: path.name)
def test_schema_imports_no_other_package(path):
    assert not _packages(path) & {"pipeline", "trainer", "apache_beam"}


@pytest.mark.parametrize("path", _sources("pipeline"), ids=lambda path: path.name)
def test_pipeline_and_so_every_beam_worker_does_not_import_the_trainer(path):
    assert "trainer" not in _packages(path)


@pytest.mark.parametrize("path", _sources("trainer"), ids=lambda path: path.name)
def test_trainer_never_imports_beam(path):
    assert "apache_beam" not in _packages(path)


@pytest.mark.parametrize("path", _sources("trainer"), ids=lambda path: path.name)
def test_trainer_imports_only_what_reads_datasets_and_raw_files(path):
    assert _pipeline_modules(path) <= _INPUT_HALF | _RAW_HALF


@pytest.mark.parametrize("name", sorted(_RAW_HALF))
def test_reading_raw_files_needs_no_beam(name):
    path = _ROOT / "pipeline" / f"{name}.py"
    assert "apache_beam" not in _packages(path)
    assert _pipeline_modules(path) <= _INPUT_HALF | _RAW_HALF


@pytest.mark.parametrize("name", sorted(_INPUT_HALF))
def test_input_half_needs_nothing_of_the_conversion(name):
    path = _ROOT / "pipeline" / f"{name}.py"
    assert "apache_beam" not in _packages(path)
    assert _pipeline_modules(path) <= _INPUT_HALF


@pytest.mark.parametrize(
    "path", _sources(*_PACKAGES, "tests", "benchmarks"), ids=lambda path: path.name
)
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= _MAX_LINES
