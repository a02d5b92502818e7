"""Links and names in folders that somebody handed over: nothing outside of them is touched."""

import dataclasses
import json
import pathlib
import shutil

import pytest

from pipeline.console.errors import UsageError
from pipeline.conversion.parts import read_part, write_part
from tests.datasets import toy_dataset
from tests.pipeline.conversions import Converter, Folders, write_recordings
from tests.trainer.in_process import run_trainer
from tests.trainer.processes import SMALL_MODEL
from tfrecords_schema import DatasetError, open_dataset
from tfrecords_schema.errors import LinkError
from tfrecords_schema.index import read_rows
from tfrecords_schema.manifest import sealed_json
from tfrecords_schema.storage import (
    append,
    atomic_write,
    make_folder,
    remove,
    replace_tree,
    require_plain,
)


@pytest.fixture
def victim(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder of the user's, with a file in it and one in a folder below."""
    folder = tmp_path / "victim"
    (folder / "below").mkdir(parents=True)
    (folder / "thesis.txt").write_text("the only copy")
    (folder / "below" / "data.txt").write_text("the only copy")
    return folder


def _is_whole(victim: pathlib.Path) -> bool:
    files = {path for path in victim.rglob("*") if path.is_file()}
    expected = {victim / "thesis.txt", victim / "below" / "data.txt"}
    return files == expected and all(path.read_text() == "the only copy" for path in files)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> str:
    return toy_dataset(tmp_path_factory.mktemp("data"), step_shape=(12, 2))[0].path


def _train(dataset: str, run_dir: pathlib.Path, *flags: str) -> int:
    model = (*SMALL_MODEL, "--conv_filters=", "--conv_strides=", "--rnn_cell=none")
    return run_trainer(f"--dataset={dataset}", f"--run_dir={run_dir}", *model, *flags)


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory) -> pathlib.Path:
    """A run of one epoch, to be copied."""
    run_dir = tmp_path_factory.mktemp("trained") / "run"
    assert _train(dataset, run_dir, "--epochs=1") == 0
    return run_dir


@pytest.fixture
def run_dir(trained, tmp_path) -> pathlib.Path:
    """The run of this test."""
    return pathlib.Path(shutil.copytree(trained, tmp_path / "run"))


def test_an_export_replaces_links_and_not_what_they_lead_to(run_dir, victim):
    (run_dir / "export").mkdir()
    (run_dir / "export" / "saved_model").symlink_to(victim)
    (run_dir / "export" / "model.keras").symlink_to(victim / "thesis.txt")
    assert run_trainer("--mode=export", f"--run_dir={run_dir}") == 0
    assert _is_whole(victim)
    assert (run_dir / "export" / "saved_model" / "saved_model.pb").is_file()
    assert not (run_dir / "export" / "model.keras").is_symlink()


def test_a_linked_folder_of_an_export_is_refused(run_dir, victim, capsys):
    (run_dir / "export").symlink_to(victim)
    assert run_trainer("--mode=export", f"--run_dir={run_dir}") == 1
    assert f"{run_dir}/export is a link" in capsys.readouterr().err
    assert _is_whole(victim)


@pytest.mark.parametrize("folder", ["checkpoints", "best", "tensorboard"])
def test_a_linked_folder_of_a_run_is_refused(folder, dataset, tmp_path, victim, capsys):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / folder).symlink_to(victim)
    assert _train(dataset, run_dir, "--tensorboard") == 1
    assert f"{run_dir}/{folder} is a link" in capsys.readouterr().err
    assert _is_whole(victim)


def test_a_resumed_training_removes_links_and_not_what_they_lead_to(dataset, run_dir, victim):
    (run_dir / "checkpoints" / "ckpt-0").symlink_to(victim)
    (run_dir / "best" / "model.npz.tmp").symlink_to(victim / "thesis.txt")
    (run_dir / "best" / "next.json.tmp").symlink_to(victim / "new.txt")
    flags = ("--epochs=2", "--allow_changed=epochs", "--keep_checkpoints=1")
    assert _train(dataset, run_dir, *flags) == 0
    assert _is_whole(victim)
    assert not (run_dir / "checkpoints" / "ckpt-0").exists()


@pytest.fixture
def converter(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Converter:
    folders = Folders(tmp_path / "in", tmp_path / "out")
    write_recordings(folders, 20)
    return Converter(folders, capsys)


@pytest.mark.parametrize("place", ["test", "test/1.0.0", "test/1.0.0/.conversion"])
def test_a_conversion_refuses_linked_folders(place, converter, victim):
    link = converter.folders.output / place
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    outcome = converter.run()
    assert outcome.code == 1
    assert f"{link} is a link" in outcome.text
    assert _is_whole(victim)


def test_a_conversion_into_a_linked_output_folder_is_what_the_user_asked_for(converter, tmp_path):
    (tmp_path / "disk").mkdir()
    converter.folders.output.symlink_to(tmp_path / "disk")
    converter.dataset()
    assert (tmp_path / "disk" / "test" / "1.0.0" / "manifest.json").is_file()


def test_overwriting_a_dataset_replaces_links_in_it(converter, victim):
    converter.dataset()
    for name in ("manifest.json", "index.parquet", "features.json"):
        path = converter.folders.dataset / name
        (victim.parent / name).write_bytes(path.read_bytes())
        path.unlink()
        path.symlink_to(victim.parent / name)
    before = (victim.parent / "index.parquet").read_bytes()
    converter.dataset("--overwrite", "--splits=train=1")
    assert (victim.parent / "index.parquet").read_bytes() == before
    assert not (converter.folders.dataset / "index.parquet").is_symlink()


def test_a_part_that_names_another_file_moves_none(converter, monkeypatch):
    def refuse(*_):
        raise UsageError("not yet")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.conversion.commit._prepare", refuse)
        assert "not yet" in converter.run().text
    folder = converter.folders.dataset
    theirs = [folder.parent / "thesis.txt", folder.parent.parent / "thesis.txt"]
    for place in theirs:
        place.write_text(str(place))
    path = str(folder / ".conversion" / "train-00000.parquet")
    rows = [*read_rows(path)]
    write_part(path, dataclasses.replace(read_part(path), file="../../thesis.txt"), rows)
    converter.dataset()
    assert [place.read_text() for place in theirs] == [*map(str, theirs)]


@pytest.mark.parametrize(
    "name", ["/abs/x", "x/../../victim/p", "..", ".hidden", "a\\b", "a\nb", ""]
)
@pytest.mark.parametrize("what", ["name", "version", "split", "file"])
def test_a_manifest_with_a_name_that_leads_elsewhere_is_refused(what, name, tmp_path):
    path = pathlib.Path(toy_dataset(tmp_path)[0].path)
    value = json.loads((path / "manifest.json").read_text())
    if what == "split":
        value["splits"][name] = value["splits"].pop("train")
    elif what == "file":
        value["splits"]["train"]["shards"][0]["file"] = name
    else:
        value[what] = name
    (path / "manifest.json").write_text(sealed_json(value))
    with pytest.raises(DatasetError, match="is no plain name"):
        open_dataset(str(path))


def test_where_a_handed_run_would_write_is_not_taken_from_it(dataset, run_dir, victim):
    recorded = (run_dir / "config.flags").read_text()
    places = f"--feature_cache_dir={victim}\n--run_dir=/nowhere\n"
    flags = (f"--dataset={dataset}", f"--run_dir={run_dir}", "--predict_split=test")
    for added, code in ((f"--output={victim / 'thesis.csv'}\n", 2), ("", 0)):
        (run_dir / "config.flags").write_text(recorded + places + added)
        assert run_trainer("--mode=predict", *flags) == code
        assert _is_whole(victim)
    assert (run_dir / "predictions.parquet").is_file()


def test_a_history_that_is_a_link_is_not_written_through(dataset, tmp_path, victim):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "metrics.jsonl").symlink_to(victim / "thesis.txt")
    (run_dir / "config.flags").symlink_to(victim / "below" / "data.txt")
    _train(dataset, run_dir)
    assert _is_whole(victim)


# ---- The functions themselves --------------------------------------------------------------


def test_removing_a_tree_leaves_what_links_in_it_lead_to(tmp_path, victim):
    tree = tmp_path / "tree" / "deep"
    tree.mkdir(parents=True)
    (tree / "link").symlink_to(victim)
    (tree.parent / "dangling").symlink_to(tmp_path / "nothing")
    remove(str(tree.parent))
    assert _is_whole(victim)
    assert not tree.parent.exists()
    remove(str(tree.parent))  # What is not there needs no removing.


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_removing_a_link_removes_the_link_alone(prefix, tmp_path, victim):
    for target in (victim, victim / "thesis.txt", tmp_path / "nothing"):
        link = tmp_path / "link"
        link.symlink_to(target)
        remove(f"{prefix}{link}")
        assert not link.is_symlink()
        assert _is_whole(victim)


def test_writing_replaces_links(tmp_path, victim):
    for target in (victim / "thesis.txt", tmp_path / "nothing"):
        link = tmp_path / "link"
        link.symlink_to(target)
        atomic_write(str(link), b"new")
        assert link.read_bytes() == b"new"
        assert not link.is_symlink()
        remove(str(link))
    assert _is_whole(victim)
    assert not (tmp_path / "nothing").exists()


def test_appending_to_a_link_is_refused(tmp_path, victim):
    (tmp_path / "link").symlink_to(victim / "thesis.txt")
    with pytest.raises(LinkError, match="is a link"):
        append(str(tmp_path / "link"), "more")
    assert _is_whole(victim)


def test_appending_to_a_hard_link_leaves_the_other_names_as_they_are(tmp_path, victim):
    (tmp_path / "history").hardlink_to(victim / "thesis.txt")
    append(str(tmp_path / "history"), ", and more")
    assert (tmp_path / "history").read_text() == "the only copy, and more"
    assert _is_whole(victim)


def test_folders_are_made_below_a_link_that_was_named_but_not_through_others(tmp_path, victim):
    (tmp_path / "named").symlink_to(victim)
    assert make_folder(str(tmp_path / "named"), "a", "b") == f"{tmp_path}/named/a/b"
    assert (victim / "a" / "b").is_dir()
    (tmp_path / "named" / "a" / "c").symlink_to(tmp_path)
    with pytest.raises(LinkError, match="a/c is a link"):
        make_folder(str(tmp_path / "named"), "a", "c", "d")
    with pytest.raises(DatasetError, match="no plain name"):
        make_folder(str(tmp_path / "named"), "a", "..", "d")


def test_a_tree_is_replaced_whole(tmp_path, victim):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "gone").write_text("")
    for _ in range(2):
        new = tmp_path / "new"
        new.mkdir()
        (new / "file").write_text("new")
        replace_tree(str(new), str(tmp_path / "old"))
        assert [path.name for path in (tmp_path / "old").iterdir()] == ["file"]
    assert {path.name for path in tmp_path.iterdir()} == {"old", "victim"}


@pytest.mark.parametrize("name", ["train", "sleep_stages", "1.0.0", "a b", "José", "-x"])
def test_ordinary_names_are_plain(name):
    assert require_plain(name, "split") == name
