"""Lock files hold what the package asks for, with hashes; and licences are told."""

import pathlib
import re
import runpy
from typing import Any

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from benchmarks.results import licences
from tests.repository import REPOSITORY


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Requirement]]:
    """What demo and test need."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", found.update)
    runpy.run_path(str(REPOSITORY / "setup.py"))
    demo = [*map(Requirement, found["install_requires"])]
    return {"demo": demo, "test": [*demo, *map(Requirement, found["extras_require"]["test"])]}


def _locked(name: str) -> dict[str, list[Version]]:
    versions: dict[str, list[Version]] = {}
    for package in re.split(r"\n(?=\S)", (REPOSITORY / f"requirements/{name}.lock").read_text()):
        found = re.match(r"([\w.-]+)==([\w.+!-]+)", package)
        assert found, package[:80]
        assert "--hash=sha256:" in package, found[1]
        versions.setdefault(canonicalize_name(found[1]), []).append(Version(found[2]))
    return versions


@pytest.mark.parametrize("name", ["demo", "test"])
def test_lock_files_hold_what_is_asked_for(name: str, asked: dict[str, list[Requirement]]) -> None:
    locked = _locked(name)
    for requirement in asked[name]:
        versions = locked[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_tests_run_with_the_versions_of_the_demo() -> None:
    demo, test = _locked("demo"), _locked("test")
    assert {name: test.get(name) for name in demo} == demo


def test_licences_are_told_by_package(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text("numpy==1 \\\n    --hash=sha256:0\nno-such-package==2\n")
    assert licences.main([f"--lock={lock}"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^\| BSD.* \| numpy \|$", said, re.MULTILINE)
    assert "Not installed here: no-such-package." in said
