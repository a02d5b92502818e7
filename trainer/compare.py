"""`python -m trainer.compare RUN RUN ...`: whether one is better than another, record by record.

On the terminal and as a page.
A run is a run folder, or that of `python -m trainer.cross_validate`.
"""

# ruff: noqa: E402
import dataclasses
from collections.abc import Sequence

from pipeline.console import program
from pipeline.console.command import Command, with_help
from pipeline.console.errors import UsageError
from pipeline.console.options import Options, option, read
from trainer.options.options import paper_option


@dataclasses.dataclass(frozen=True)
class CompareOptions(Options):
    """What is compared."""

    split: str = option("test", "Split whose predictions are compared.", common=True)
    dataset: str = option(
        "",
        "Dataset that the runs were evaluated on, if it is another than theirs, or elsewhere now.",
        common=True,
    )
    page: str = option(
        "",
        "The page; default comparison-RUN-RUN.html in this folder, none for no page. What is there "
        "and is no page of the same comparison stays as it is.",
        common=True,
    )
    paper: str = paper_option("PAGE")


COMMAND = Command(
    "python -m trainer.compare",
    "Compares other runs with the first on the same records: differences with intervals and tests "
    "over groups, per class, per group, and the records that changed.",
    (CompareOptions,),
    argument="RUN",
    takes_more=True,
)

if __name__ == "__main__":
    program.begin(COMMAND, gpu=True)

from pipeline.console.run import run_command
from pipeline.console.terminal import say
from pipeline.console.texts import wrapped
from trainer.studies.compared_runs import left_out_text, paired_draws, read_predicted
from trainer.studies.comparison_place import place_of_page
from trainer.studies.paired import compare
from trainer.studies.paired_tables import comparison_text


def main(argv: Sequence[str]) -> int:
    """Prints the tables; returns the exit status."""
    return run_command(_compare, argv)


def _compare(argv: Sequence[str]) -> None:
    given = COMMAND.parse(argv)
    options = read(CompareOptions, given.values)
    if len(given.rest) < 2:
        raise UsageError(with_help("one RUN is named, expected two or more", COMMAND.prog))
    place = place_of_page(options.page, given.rest, options.split)
    first, *others = (read_predicted(run, options.split, options.dataset) for run in given.rest)
    warnings = [f"{run.name}: {line}" for run in (first, *others) for line in run.warnings]
    pairs = {second.name: paired_draws(first, second) for second in others}
    warnings += filter(None, (left_out_text(first, run, len(pairs[run.name])) for run in others))
    say("".join(f"{wrapped(f'WARNING: {line}')}\n" for line in warnings), end="")
    found = {}
    for name, draws in pairs.items():
        one, other = zip(*draws, strict=True)
        found[name] = compare(one, other, first.label)
        say(comparison_text(first.name, name, found[name]))
    if place:
        from trainer.studies.comparison_page import write_page  # matplotlib is slow to import

        page = write_page(place, given.rest, options.split, warnings, found, options.paper)
        say(f"page: {page}")


if __name__ == "__main__":
    program.run(main)
