"""The floors of the house, as the rooms' own texts have them; the size of files and rooms."""

import ast
import functools
from collections.abc import Iterator, Mapping

import pytest

from tests.repository import REPOSITORY

# From the bottom up. A room imports from those before it in its package, and from whole packages
# before its own.
_PACKAGES = ("tfrecords_schema", "pipeline", "trainer")
_ROOMS = {
    "tfrecords_schema": ("places",),
    "pipeline": (
        "console",
        "batches",
        "verification",
        "sources",
        "doubts",
        "conversion",
        "inspect",
    ),
    "trainer": (
        "metrics",
        "options",
        "augmentation",
        "step",
        "layers",
        "models",
        "distribution",
        "data",
        "runs",
        "evaluation",
        "training",
        "report",
        "serving",
        "checks",
        "studies",
    ),
}
_BEAM = "pipeline.conversion"  # The only room that knows Beam; entry points may import it.
_MAX_LINES = 400
_MAX_FILES = 20


@functools.cache
def _sources() -> dict[str, str]:
    """Text of every module of the packages, by its full name."""
    found = {}
    for package in _PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path.read_text()
    return found


@functools.cache
def _nodes(text: str) -> list[ast.AST]:
    """All of a text's syntax: some tests go through all texts."""
    return [*ast.walk(ast.parse(text))]


def _imports(text: str, modules: set[str]) -> set[str]:
    """Modules that a text imports, also within functions: those of the project by full name."""
    found: set[str] = set()
    for node in _imports_in(text):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        else:
            assert node.level == 0, "import absolutely, so that the arrows can be seen"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(names & modules or {str(node.module)})
    return found


@functools.cache
def _imports_in(text: str) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in _nodes(text) if isinstance(node, ast.Import | ast.ImportFrom)]


def _room(name: str) -> tuple[int, int]:
    """Floor of a module: that of its package, and within it that of its room.

    What stands at the top of a package is above its rooms: entry points; all of tfrecords_schema.
    """
    package, *rest = name.split(".")
    rooms = _ROOMS[package]
    inside = rest[0] if rest and rest[0] in rooms else None
    return _PACKAGES.index(package), rooms.index(inside) if inside else len(rooms)


def _wrong_imports(sources: Mapping[str, str]) -> Iterator[str]:
    """Every import that runs upwards, or that brings Beam where it does not belong."""
    modules = {*sources}
    for name, text in sources.items():
        for imported in sorted(_imports(text, modules)):
            package = imported.split(".")[0]
            if package == "apache_beam" and not name.startswith(_BEAM):
                yield f"{name} imports Beam"
            if package not in _PACKAGES:
                continue
            if _room(imported) > _room(name):
                yield f"{name} imports {imported}, which is above it"
            is_beam = imported.startswith(_BEAM) and not name.startswith(_BEAM)
            if is_beam and name not in ("pipeline.__main__", "pipeline.guess"):
                yield f"{name} imports {imported}, and so Beam"


def _circles(sources: Mapping[str, str]) -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others."""
    modules = {*sources}
    below = {name: _imports(text, modules) & modules for name, text in sources.items()}
    reached = {name: _reachable(name, below) for name in sources}
    groups = {
        frozenset(other for other in reached[name] if name in reached[other]) for name in sources
    }
    return [sorted(group) for group in groups if group]


def _reachable(start: str, below: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = below[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_every_module_stands_in_a_room_of_the_plan():
    for package, rooms in _ROOMS.items():
        folders = {path.parent.name for path in (REPOSITORY / package).glob("*/__init__.py")}
        assert folders == {*rooms}


def test_imports_run_one_way():
    assert not list(_wrong_imports(_sources()))


def test_no_modules_import_each_other():
    assert not _circles(_sources())


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("tfrecords_schema.index", "import pipeline"),
        ("pipeline.console.errors", "from pipeline.batches import plan"),
        ("pipeline.batches.plan", "from pipeline.sources.files import GFiles"),
        ("pipeline.sources.files", "import apache_beam as beam"),
        ("pipeline.inspect.facts", "from pipeline.conversion.job import build"),
        ("pipeline.conversion.job", "from trainer.step import task"),
        ("trainer.models.signal", "def f():\n    from trainer.training.loop import Trainer"),
        ("trainer.step.task", "from trainer.models import signal"),
        ("trainer.data.split_data", "from pipeline.conversion import parts"),
        ("trainer.serving.export", "import apache_beam.io"),
    ],
)
def test_a_planted_import_upwards_is_found(module, line):
    sources = _sources()
    assert module in sources
    found = list(_wrong_imports({**sources, module: f"{sources[module]}\n{line}\n"}))
    assert len(found) == 1
    assert found[0].startswith(f"{module} imports")


def test_a_planted_circle_is_found():
    sources = {**_sources()}
    planted = "\nfrom pipeline.batches import keras_batches\n"
    sources["pipeline.batches.boundaries"] += planted
    assert any("pipeline.batches.boundaries" in circle for circle in _circles(sources))


@pytest.mark.parametrize("room", [f"{p}/{r}" for p, rooms in _ROOMS.items() for r in rooms])
def test_every_room_says_what_it_holds_imports_and_where_to_begin(room):
    text = ast.get_docstring(ast.parse((REPOSITORY / room / "__init__.py").read_text()))
    assert text
    assert 3 <= len(text.splitlines()) <= 6
    assert "mports" in text
    assert "Begin with" in text


def test_files_are_reached_through_one_room():
    found = {
        name
        for name, text in _sources().items()
        for node in _nodes(text)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "tf.io.gfile"
    }
    assert found == {"tfrecords_schema.places.gfile"}


def test_no_folder_is_full():
    folders = [REPOSITORY / name for name in (*_PACKAGES, "tests", "benchmarks")]
    inside = [p for folder in folders for p in [folder, *folder.rglob("*")] if p.is_dir()]
    counts = {str(p.relative_to(REPOSITORY)): len([*p.glob("*.py")]) for p in inside}
    assert {name: count for name, count in counts.items() if count > _MAX_FILES} == {}


@pytest.mark.parametrize(
    "path",
    sorted(p for f in (*_PACKAGES, "tests", "benchmarks") for p in (REPOSITORY / f).rglob("*.py")),
    ids=lambda path: path.name,
)
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text().splitlines()) <= _MAX_LINES
