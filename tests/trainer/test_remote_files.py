"""Training with the dataset and the run folder on a file system that is not the machine's own."""

import pathlib
import subprocess
import sys

from tests.datasets import CLASS_PER_STEP, random_records, write_dataset
from tests.trainer.processes import REPOSITORY, SMALL_MODEL, TIMEOUT_SECS
from tfrecords_schema import InputSpec, RecordSchema


def test_training_and_evaluation_on_another_file_system(tmp_path: pathlib.Path) -> None:
    schema = RecordSchema(InputSpec("signal", "float32", (12, 1)), CLASS_PER_STEP)
    records = random_records([3, 5, 4, 6], schema)
    dataset = write_dataset(tmp_path, {"train": records, "validation": records[:2]}, schema)
    command = [sys.executable, "-m", "tests.trainer.run_in_memory", dataset.path]
    done = subprocess.run(
        [*command, *SMALL_MODEL, "--report", "--tensorboard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = done.stdout.split()
    assert {"metrics.jsonl", "report.html", "evaluation-validation.json"} <= set(written)
    folders = {name.partition("/")[0] for name in written}
    assert {"checkpoints", "best", "tensorboard"} <= folders
