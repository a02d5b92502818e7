"""Trains and evaluates with dataset and run folder on `ram://`, TensorFlow's memory file system.

    python -m tests.trainer.run_in_memory LOCAL_DATASET TRAINER_FLAGS...

Prints the name of every file in the run folder. A process of its own: memory lasts as long as it.
"""

import sys

from absl import app, flags

from tests.ram_files import copy_to_ram, files_under
from trainer import __main__ as entry
from trainer import flags as option_flags

_DATASET, _RUN_DIR = "ram://test/datasets/toy/1.0.0", "ram://test/runs/first"


def main(argv: list[str]) -> None:
    entry.main(argv)
    flags.FLAGS(["trainer", "--mode=evaluate"])
    entry.main(argv)
    print("\n".join(files_under(_RUN_DIR)))


if __name__ == "__main__":
    copy_to_ram(sys.argv[1], _DATASET)
    for kind in entry._OPTIONS:
        option_flags.define(kind)
    places = [f"--dataset={_DATASET}", f"--run_dir={_RUN_DIR}"]
    app.run(main, [sys.argv[0], *places, *sys.argv[2:]])
