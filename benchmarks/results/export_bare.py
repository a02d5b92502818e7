"""Compares an exported model, in an environment with TensorFlow alone, with `--mode=predict`.

python -m benchmarks.results.export_bare --run_dir=demo/run [--venv=bare]

Makes a virtual environment with TensorFlow and nothing else (about 600 MB, once), exports the run,
writes recordings of lengths that the training never saw, predicts them with this project, and
serves them in the bare environment, padded together and one by one. Prints the greatest
differences; exits with 1 if one is above 1e-6. For runs on signals.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
import pyarrow.parquet as pq

_TOLERANCE = 1e-6
_NEW_LENGTHS = 8
# What runs in the bare environment; it must not find anything of this project.
_SERVE = """
import importlib.util, sys
import numpy as np, tensorflow as tf
found = [n for n in ("trainer", "pipeline", "tfrecords_schema", "apache_beam", "pyarrow",
                     "tensorflow_datasets") if importlib.util.find_spec(n)]
assert not found, f"not bare: {found}"
model = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
with np.load(sys.argv[2]) as stored:
    recordings = [stored[name] for name in sorted(stored.files)]
lengths = np.array([len(r) for r in recordings], np.int32)
padded = np.zeros((len(recordings), lengths.max(), *recordings[0].shape[1:]), recordings[0].dtype)
for row, recording in zip(padded, recordings):
    row[:len(recording)] = recording
def serve(signal, lengths):
    answer = model(signal=tf.constant(signal), lengths=tf.constant(lengths))
    return answer["probabilities" if "probabilities" in answer else "values"].numpy()
together = serve(padded, lengths)
alone = [serve(r[None], np.array([len(r)], np.int32))[0] for r in recordings]
np.savez(sys.argv[3], together=together, **{f"alone_{i}": a for i, a in enumerate(alone)})
"""


def main() -> None:
    """Exports, predicts, serves and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run_dir", required=True, help="run folder of a training on signals")
    parser.add_argument("--venv", default="bare", help="where the bare environment is, or goes")
    arguments = parser.parse_args()
    python = make_environment(pathlib.Path(arguments.venv))
    with tempfile.TemporaryDirectory() as folder:
        differences = compare(arguments.run_dir, python, pathlib.Path(folder))
    for name, difference in differences.items():
        print(f"{name}: greatest difference {difference:.1e}")
    if max(differences.values()) > _TOLERANCE:
        sys.exit(f"error: above {_TOLERANCE:g}")


def make_environment(folder: pathlib.Path) -> pathlib.Path:
    """Path of a Python with TensorFlow in the version that is installed here, and no project."""
    python = folder.absolute() / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(folder)])
        version = importlib.metadata.version("tensorflow")
        _run([str(python), "-m", "pip", "install", "--quiet", f"tensorflow=={version}"])
    return python


def compare(run_dir: str, python: pathlib.Path, folder: pathlib.Path) -> dict[str, float]:
    """Greatest differences between predictions and what is served, by way of serving."""
    learnt = json.loads((pathlib.Path(run_dir) / "schema.json").read_text())
    recordings = new_recordings(learnt, pathlib.Path(run_dir))
    print(f"lengths in steps: {', '.join(str(len(recording)) for recording in recordings)}")
    write_raw(folder / "raw", recordings, learnt["options"])
    trainer = [sys.executable, "-m", "trainer", f"--run_dir={run_dir}"]
    _run([*trainer, "--mode=export"])
    output = f"--output={folder}/p.parquet"
    _run([*trainer, "--mode=predict", f"--input_dir={folder}/raw", output])
    expected = predictions(folder, [len(recording) for recording in recordings], learnt)
    np.savez(folder / "inputs.npz", **{f"{i:03}": r for i, r in enumerate(recordings)})
    places = [f"{run_dir}/export/saved_model", "inputs.npz", "served.npz"]
    places[0] = str(pathlib.Path(places[0]).absolute())
    _run([str(python), "-I", "-c", _SERVE, *places], cwd=folder)
    with np.load(folder / "served.npz") as served:
        together = served["together"]
        alone = [served[f"alone_{i}"] for i in range(len(recordings))]
    return {
        "padded together": _difference(expected, list(together)),
        "one by one": _difference(expected, alone),
    }


def new_recordings(learnt: dict[str, Any], run_dir: pathlib.Path) -> list[np.ndarray]:
    """Random recordings like those of the training, of lengths that it never saw."""
    flags = (run_dir / "config.flags").read_text().splitlines()
    dataset = next(line.partition("=")[2] for line in flags if line.startswith("--dataset="))
    manifest = json.loads((pathlib.Path(dataset) / "manifest.json").read_text())
    seen = {
        int(steps) for split in manifest["splits"].values() for steps in split["length_histogram"]
    }
    lengths = [steps for steps in range(1, 4 * max(seen)) if steps not in seen]
    rng = np.random.default_rng(0)
    chosen = sorted(rng.choice(lengths, _NEW_LENGTHS, replace=False).tolist())
    spec, statistics = learnt["schema"]["input"], learnt["statistics"]
    return [
        rng.normal(
            statistics["mean"], statistics["deviation"], (steps, *spec["step_shape"])
        ).astype(spec["dtype"])
        for steps in chosen
    ]


def write_raw(folder: pathlib.Path, recordings: list[np.ndarray], options: dict[str, Any]) -> None:
    """Writes npz files as the conversion read them: continuous where it cut windows."""
    folder.mkdir()
    is_cut = options["window_samples"] or options["window_secs"]
    for number, recording in enumerate(recordings):
        raw = recording.reshape(-1, *recording.shape[2:]) if is_cut else recording
        raw = np.moveaxis(raw, 0, options.get("time_axis", 0))
        np.savez(folder / f"{number:03}.npz", **{options["signal_key"] or "signal": raw})


def predictions(
    folder: pathlib.Path, lengths: list[int], learnt: dict[str, Any]
) -> list[np.ndarray]:
    """`[units]` of each record, or `[steps, units]` with a label per step."""
    if (folder / "p.npz").exists():
        with np.load(folder / "p.npz") as stored:
            return np.split(stored["output"], np.cumsum(lengths)[:-1])
    columns = pq.read_table(folder / "p.parquet").to_pydict()
    shown = [name for name in columns if name.startswith(("probability_", "prediction"))]
    is_class = learnt["schema"]["label"]["kind"] == "class"
    kept = [name for name in shown if name.startswith("probability_") or not is_class]
    return list(np.array([columns[name] for name in kept], np.float32).T)


def _difference(expected: list[np.ndarray], served: list[np.ndarray]) -> float:
    pairs = zip(expected, served, strict=True)
    return max(float(np.abs(e - s[: len(e)] if e.ndim == 2 else e - s).max()) for e, s in pairs)


def _run(command: list[str], cwd: pathlib.Path | None = None) -> None:
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run(command, check=True, cwd=cwd, env=quiet)


if __name__ == "__main__":
    main()
