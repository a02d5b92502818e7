"""`python -m pipeline.guess FOLDER`: what is in a folder, and the command that would convert it."""

import sys
from collections.abc import Sequence

from pipeline.console import quiet, utf8
from pipeline.console.command import Command
from pipeline.console.errors import UsageError
from pipeline.console.run import run_command
from pipeline.console.terminal import say

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
    from pipeline.console.texts import one_line, wrapped
    from pipeline.sources.gfiles import GFiles
    from pipeline.sources.guessing.guess import command, guess, name_of, quoted
    from pipeline.sources.options import as_folder

    place = as_folder(folder)
    found = guess(place, GFiles())
    problems = problems_of(place, found.flags)
    say("\n".join(map(one_line, found.facts)))
    say(f"\n{command(place, name_of(place), found.flags)}")
    if problems:
        say("\n" + "\n".join(map(wrapped, ["What shall become of these?", *problems])))
    for question, readings in found.questions:
        say(f"\n{question}")
        for number, reading in enumerate(readings):
            flags = " ".join(map(quoted, reading.flags))
            what = "as above" if not number else flags or "leave the flag out"
            say(f"  {one_line(reading.why)}: {what}")


def problems_of(folder: str, flags: Sequence[str]) -> list[str]:
    """What a conversion would say against some of a folder's inputs, or against flags."""
    from pipeline.conversion.asked import COMMAND as CONVERSION
    from pipeline.conversion.asked import asked
    from pipeline.conversion.dry_run import try_out
    from pipeline.sources.gfiles import GFiles
    from pipeline.sources.kinds import make_source

    given = [f"--input_dir={folder}", f"--output_dir={folder}", "--name=tried", *flags]
    given.append("--max_rejected_fraction=1")
    try:
        return try_out(make_source(asked(CONVERSION.parse(given).values), GFiles()))
    except UsageError as error:
        return [f"with these flags the conversion would refuse: {error}"]


if __name__ == "__main__":
    utf8.start()
    sys.exit(main(sys.argv[1:]))
