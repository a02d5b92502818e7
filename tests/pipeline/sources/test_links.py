"""Folders that links lead to: passed over and said, or looked into once each, in any circles."""

import os
import pathlib

import hypothesis
import hypothesis.strategies as st
import pytest

from pipeline.sources.files import local_files
from tests.pipeline.conversions import Converter, Folders, write_recordings


def _names(folder: pathlib.Path, **options: bool) -> tuple[list[str], list[str]]:
    """Files, and what is passed over."""
    found = [*local_files(str(folder), **options)]
    prefix = f"{folder}/"
    files = sorted(one.path.removeprefix(prefix) for one in found if not one.passed_over)
    return files, sorted(one.path.removeprefix(prefix) for one in found if one.passed_over)


def test_a_link_is_passed_over_unless_it_shall_be_followed(tmp_path: pathlib.Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside / "a", outside / "b", inside / ".git"):
        folder.mkdir(parents=True)
        (folder / "x").touch()
    (inside / "a" / "up").symlink_to(inside)
    (inside / "one").symlink_to(outside)
    (inside / "two").symlink_to(outside / "b")
    (outside / "b" / "back").symlink_to(inside / "a")
    assert _names(inside) == (["a/x"], [".git", "a/up", "one", "two"])
    followed = (["a/x", "one/b/x"], [".git", "a/up", "one/b/back", "two"])
    assert _names(inside, follow_links=True) == followed


@hypothesis.settings(deadline=None, max_examples=25)
@hypothesis.given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8))
def test_every_folder_that_can_be_reached_is_listed_once(tmp_path_factory, links) -> None:
    root = tmp_path_factory.mktemp("links")
    for number in range(5):
        (root / str(number)).mkdir()
        (root / str(number) / f"file{number}").touch()
    for place, (source, target) in enumerate(links):
        (root / str(source) / f"link{place}").symlink_to(root / str(target))
    reached, waiting = set(), [0]
    while waiting:  # The reference: who can be reached from 0.
        if (one := waiting.pop()) not in reached:
            reached.add(one)
            waiting += [target for source, target in links if source == one]
    files, again = _names(root / "0", follow_links=True)
    assert sorted(pathlib.Path(file).name for file in files) == [
        f"file{i}" for i in sorted(reached)
    ]
    entered = len(reached) - 1
    assert len(again) == sum(source in reached for source, _ in links) - entered


@pytest.mark.parametrize(("flags", "records"), [((), 4), (("--follow_links",), 9)])
def test_a_conversion_says_what_it_passed_over_and_takes_it_when_asked(
    folders: Folders, converter: Converter, flags: tuple[str, ...], records: int
) -> None:
    write_recordings(folders, 4)
    elsewhere = folders._replace(inputs=folders.inputs.parent / "more")
    write_recordings(elsewhere, 5, first=10)
    os.symlink(elsewhere.inputs, folders.inputs / "linked")
    outcome = converter.run("--splits=train=1", "--dry_run", *flags)
    assert outcome.code == 0
    assert f"train {records} {records}" in outcome.text
    said = "1 link: to a folder; --follow_links (of the conversion) takes what is in it, or name"
    assert (said in outcome.text) == (not flags)
    assert ("left out or changed" in outcome.text) == (not flags)
