"""Training with the dataset and the run folder on a file system that is not the machine's own."""

import pathlib

import tensorflow as tf

from tests.datasets import CLASS_PER_STEP, random_records, write_dataset
from tests.ram_files import copy_to_ram, files_under
from tests.trainer.in_process import run_trainer, train
from tfrecords_schema import InputSpec, RecordSchema

_RAM = "ram://remote"


def test_training_and_evaluation_on_another_file_system(tmp_path: pathlib.Path) -> None:
    schema = RecordSchema(InputSpec("signal", "float32", (12, 1)), CLASS_PER_STEP)
    records = random_records([3, 5, 4, 6], schema)
    dataset = write_dataset(tmp_path, {"train": records, "validation": records[:2]}, schema)
    copy_to_ram(dataset.path, f"{_RAM}/toy/1.0.0")
    train(f"{_RAM}/toy/1.0.0", f"{_RAM}/run", "--report", "--tensorboard")
    assert run_trainer(f"--run_dir={_RAM}/run", "--mode=evaluate") == 0
    written = {*files_under(f"{_RAM}/run")}
    tf.io.gfile.rmtree(_RAM)  # It would last as long as the process.
    assert {"metrics.jsonl", "report.html", "evaluation-validation.json"} <= written
    folders = {name.partition("/")[0] for name in written}
    assert {"checkpoints", "best", "tensorboard"} <= folders
