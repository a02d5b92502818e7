"""Commands with data and runs in an object store, some of whose requests fail."""

import pathlib
import uuid

import pytest

from benchmarks.harness.object_stores import S3
from pipeline.conversion.convert import main as convert
from pipeline.verify import main as verify
from tests.datasets import CLASS_PER_STEP, random_records, toy_dataset, write_dataset
from tests.pipeline.conversions import Folders, write_recordings
from tests.trainer.in_process import train
from tfrecords_schema import DatasetError, InputSpec, RecordSchema, open_dataset
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import read
from trainer.data.unchanged import Unchanged

_FLAGS = ["--source=signals", "--name=test", "--splits=train=0.5,validation=0.5", "--num_shards=2"]


def _send(folder: pathlib.Path, url: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            gfile.copy(str(path), f"{url}/{path.relative_to(folder)}")


def _below(folder: str) -> dict[str, bytes | None]:
    found = [one.path for one in gfile.files_below(folder)]
    return {path.removeprefix(f"{folder}/"): read(path) for path in found}


def _convert(inputs: str, output: str, *flags: str) -> int:
    return convert([*_FLAGS, f"--input_dir={inputs}", f"--output_dir={output}", *flags])


@pytest.fixture
def inputs(tmp_path: pathlib.Path) -> Folders:
    folders = Folders(tmp_path / "inputs", tmp_path / "output")
    folders.inputs.mkdir()
    write_recordings(folders, 12)
    return folders


def test_property_02_a_store_holds_the_same_bytes(folder: str, inputs: Folders, s3: S3) -> None:
    (inputs.inputs / "g1_broken.npz").write_bytes(b"not a zip file")
    assert _convert(str(inputs.inputs), str(inputs.output)) == 0
    _send(inputs.inputs, f"{folder}/in")
    s3.failing = 0.05
    assert _convert(f"{folder}/in/", f"{folder}/out") == 0
    assert verify([f"{folder}/out/test/1.0.0"]) == 0
    s3.failing = 0.0
    local = {str(p.relative_to(inputs.dataset)): p for p in inputs.dataset.iterdir()}
    assert _below(f"{folder}/out/test/1.0.0") == {n: p.read_bytes() for n, p in local.items()}


def test_a_store_that_is_away_costs_no_record(
    inputs: Folders, s3: S3, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.sources.kinds import signals

    url = f"{s3.url}/{uuid.uuid4().hex}"
    _send(inputs.inputs, f"{url}/in")
    whole, reads = signals.SignalSource.read, []

    def read_then_away(self: signals.SignalSource, path: str) -> object:
        reads.append(path)
        s3.failing = float(len(reads) == 3)
        return whole(self, path)

    monkeypatch.setattr(signals.SignalSource, "read", read_then_away)
    assert _convert(f"{url}/in", str(inputs.output)) == 1
    said = capsys.readouterr().err
    assert "cannot be reached" in said
    assert "rejected" not in said
    s3.failing = 0.0
    monkeypatch.undo()
    monkeypatch.setenv("SHARD_CACHE_DIR", str(inputs.output / "copies"))
    assert _convert(f"{url}/in", str(inputs.output)) == 0
    assert read(f"{inputs.dataset}/rejects.jsonl") == b""


def test_what_a_store_denies_is_said_in_a_line(
    inputs: Folders, s3: S3, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{s3.url}/{uuid.uuid4().hex}"
    _send(inputs.inputs, f"{url}/in")
    s3.denies = True
    for source, output, said in (
        (f"{url}/in", str(inputs.output), f"error: {url}/in cannot be read"),
        (str(inputs.inputs), f"{url}/out", f"error: cannot write to {url}/out/test/1.0.0"),
    ):
        for flags in ([], ["--dry_run"]):
            assert _convert(source, output, *flags) == 1
            err = capsys.readouterr().err
            assert "Forbidden" in err or "Access Denied" in err
            assert err.startswith(said) or (flags and "cannot be read" in err)
            assert err.count("\n") == 1
    assert verify([f"{url}/out/test/1.0.0"]) == 1
    assert "cannot be read" in capsys.readouterr().out


def test_training_in_a_store_gives_the_same_weights(tmp_path: pathlib.Path, s3: S3) -> None:
    schema = RecordSchema(InputSpec("signal", "float32", (12, 1)), CLASS_PER_STEP)
    records = random_records([3, 5, 4, 6], schema)
    dataset = write_dataset(tmp_path, {"train": records, "validation": records[:2]}, schema)
    url = f"{s3.url}/{uuid.uuid4().hex}"
    _send(pathlib.Path(dataset.path), f"{url}/toy/1.0.0")
    train(dataset.path, tmp_path / "run", "--deterministic")
    s3.failing = 0.05
    train(f"{url}/toy/1.0.0", f"{url}/run", "--deterministic", "--tensorboard", "--report")
    s3.failing = 0.0
    found = _below(f"{url}/run")
    local = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*.npz")}
    assert {name for name in local if "model-" in name} <= found.keys()
    assert {"metrics.jsonl", "report.html", "evaluation-validation.json"} <= found.keys()
    assert any(name.startswith("tensorboard/train/events") for name in found)


def test_what_is_trained_on_is_looked_at_when_the_store_is_back(
    tmp_path: pathlib.Path, s3: S3
) -> None:
    url = f"{s3.url}/{uuid.uuid4().hex}"
    _send(pathlib.Path(toy_dataset(tmp_path)[0].path), url)
    unchanged = Unchanged(open_dataset(url), ["train"])
    s3.failing = 1.0
    unchanged(now=True)
    s3.failing = 0.0
    gfile.remove(f"{url}/manifest.json")
    with pytest.raises(DatasetError, match=r"manifest.json changed since"):
        unchanged(now=True)
