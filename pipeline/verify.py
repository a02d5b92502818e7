"""`python -m pipeline.verify DATASET`: proves that a dataset folder is whole.

Exits with 0 if it is, and with 1 after a line for each problem, of many the first, if it is not.
"""

import sys
from collections.abc import Sequence

from pipeline.console import quiet, utf8
from pipeline.console.command import Command
from pipeline.console.run import run_command
from pipeline.console.terminal import say, show_warnings

COMMAND = Command(
    "python -m pipeline.verify",
    "Proves that a dataset folder, <output_dir>/<name>/<version>, is whole.",
    argument="DATASET",
)
_SHOWN_PROBLEMS = 100


def main(argv: Sequence[str]) -> int:
    """Verifies one dataset folder and says what was found."""
    return run_command(_verify, argv)


def _verify(argv: Sequence[str]) -> int:
    (path,) = COMMAND.parse(argv).rest
    quiet.start(gpu=False)

    # Here, so that --help does not wait for TensorFlow.
    from pipeline.console.texts import bytes_text, counted, listed, one_line
    from pipeline.verification.links import linked_files
    from pipeline.verification.verify import verify_dataset
    from tfrecords_schema.dataset import read_manifest

    problems = 0
    for problem in verify_dataset(path):
        problems += 1
        if problems <= _SHOWN_PROBLEMS:
            say(one_line(f"error: {problem}"))
            sys.stdout.flush()
    if problems > _SHOWN_PROBLEMS:
        say(f"and {problems - _SHOWN_PROBLEMS:,} more")
    if problems:
        say(f"{path}: {counted(problems, 'problem')}")
        return 1
    manifest = read_manifest(path)
    splits = manifest.splits.values()
    shards = sum(len(split.shards) for split in splits)
    size = bytes_text(sum(split.size_bytes for split in splits))
    records = counted(sum(split.records for split in splits), "record")
    say(f"{path}: whole; {records} in {counted(shards, 'shard')}, {size}, all checked")
    links = [f"{file} to {one_line(target)}" for file, target in linked_files(path, manifest)]
    if links:
        say(
            "of it lies elsewhere, where it may change or go, what links lead to: "
            f"{listed(links, 5)}; copy the folder with cp -rL to have all in it"
        )
    say(f"seal {manifest.seal}: compare it with that of whoever gave you the dataset")
    return 0


if __name__ == "__main__":
    utf8.start()
    show_warnings()
    sys.exit(main(sys.argv[1:]))
