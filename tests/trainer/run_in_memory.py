"""Trains and evaluates with dataset and run folder on `ram://`, TensorFlow's memory file system.

    python -m tests.trainer.run_in_memory LOCAL_DATASET TRAINER_FLAGS...

Prints the name of every file in the run folder. A process of its own: memory lasts as long as it.
"""

import sys

from tests.ram_files import copy_to_ram, files_under
from trainer.__main__ import main

_DATASET, _RUN_DIR = "ram://test/datasets/toy/1.0.0", "ram://test/runs/first"

if __name__ == "__main__":
    copy_to_ram(sys.argv[1], _DATASET)
    flags = [f"--dataset={_DATASET}", f"--run_dir={_RUN_DIR}", *sys.argv[2:]]
    status = main(flags) or main([*flags, "--mode=evaluate"])
    print("\n".join(files_under(_RUN_DIR)))
    sys.exit(status)
