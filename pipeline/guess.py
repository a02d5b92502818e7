"""`python -m pipeline.guess FOLDER`: what is in a folder, and the command that would convert it."""

import sys
from collections.abc import Sequence

from pipeline.console import quiet
from pipeline.console.command import Command
from pipeline.console.run import run_command

COMMAND = Command(
    "python -m pipeline.guess",
    "Looks at a folder of recordings, and prints what it probably is and how to convert it. It "
    "asks where two readings are likely; python -m pipeline --dry_run shows what would come of it.",
    argument="FOLDER",
)


def main(argv: Sequence[str]) -> int:
    """Guesses, and prints what was found, the command, and questions."""
    return run_command(_guess, argv)


def _guess(argv: Sequence[str]) -> None:
    (folder,) = COMMAND.parse(argv).rest
    quiet.start(gpu=False)

    # Here, so that --help does not wait for TensorFlow.
    from pipeline.sources.gfiles import GFiles
    from pipeline.sources.guessing.guess import command, guess, name_of
    from pipeline.sources.options import as_folder

    place = as_folder(folder)
    found = guess(place, GFiles())
    print("\n".join(found.facts))
    print(f"\n{command(place, name_of(place), found.flags)}")
    for question, readings in found.questions:
        print(f"\n{question}")
        for number, reading in enumerate(readings):
            what = "as above" if not number else " ".join(reading.flags) or "leave the flag out"
            print(f"  {reading.why}: {what}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
