"""`python -m pipeline.inspect DATASET`: what a dataset holds, on the terminal and as a page.

With --plan, or any option of the batches, also what an epoch of a training will look like.
"""

# ruff: noqa: E402
import dataclasses
import posixpath
import sys
from collections.abc import Sequence
from typing import Any

from pipeline.console import exit_codes, program
from pipeline.console.command import Command
from pipeline.console.options import Options, option, read

_MOST_REPLICAS = 100_000


@dataclasses.dataclass(frozen=True)
class ShowOptions(Options):
    """What is shown, and where."""

    split: str = option("", "Split to look at more closely; else the training split.", common=True)
    html: str = option("", "The page; else inspect-NAME-VERSION.html in this folder.", common=True)
    no_html: bool = option(False, "Write no page.", common=True)
    samples: int = option(6, "Records to draw.", low=0, common=True)


@dataclasses.dataclass(frozen=True)
class EpochOptions(Options):
    """An epoch, as python -m trainer will plan it."""

    plan: bool = option(False, "Show it, with the usual options.", common=True)
    batch_size: int | None = option(None, "Records in a global batch (default: 32).", common=True)
    batch_steps: int | None = option(None, "Or padded steps in a global batch.", common=True)
    num_buckets: int | None = option(None, "Padded lengths, at most (default: 8).", common=True)
    boundaries: tuple[int, ...] = option((), "Padded lengths in steps: 100,200,400.", common=True)
    boundary_align: int | None = option(
        None, "Boundaries are multiples of this (default: 1).", common=True
    )
    align: int | None = option(None, "The same, for short.", common=True)
    seed: int | None = option(None, "Of the training (default: 0).", common=True)
    replicas: int | None = option(
        None, "That share a global batch (default: 1).", high=_MOST_REPLICAS, common=True
    )

    @property
    def is_asked_for(self) -> bool:
        """Whether any of them is given."""
        return self != EpochOptions()

    @property
    def batches(self) -> dict[str, Any]:
        """What is given of the fields of `BatchOptions`."""
        names = ("batch_size", "batch_steps", "num_buckets", "boundaries")
        given = {name: getattr(self, name) for name in names}
        given["align"] = self.align if self.boundary_align is None else self.boundary_align
        return {name: value for name, value in given.items() if value not in (None, ())}


COMMAND = Command(
    "python -m pipeline.inspect",
    "Shows what a dataset folder, <output_dir>/<name>/<version>, holds, on the terminal and as a "
    "page. With --plan, or any option of the batches, also what an epoch of a training will look "
    "like.",
    (ShowOptions, EpochOptions),
    argument="DATASET",
)

if __name__ == "__main__":
    program.begin(COMMAND, gpu=False)

import tensorflow as tf

from pipeline.batches.plan import BatchOptions
from pipeline.console.run import run_command
from pipeline.console.terminal import say
from pipeline.inspect.facts import Facts, gather, usual_split
from pipeline.inspect.plan import EpochFacts, plan_facts
from pipeline.inspect.text import epoch_text, facts_text
from tfrecords_schema import Dataset, open_dataset
from tfrecords_schema.errors import UserError
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import atomic_write


def main(argv: Sequence[str]) -> int:
    """Inspects one dataset folder.

    Returns:
      0, or 1 if it is no dataset or the options do not suit it.
    """
    return run_command(_inspect, argv, unread=exit_codes.OK)


def _inspect(argv: Sequence[str]) -> None:
    given = COMMAND.parse(argv)
    options, planned = read(ShowOptions, given.values), read(EpochOptions, given.values)
    dataset = open_dataset(*given.rest)
    page = _page_path(options, dataset)
    facts = gather(dataset, options.split)
    epoch = _epoch(options, planned, dataset)
    try:
        say(facts_text(facts))
        if epoch:
            say(f"\n{epoch_text(epoch)}")
        sys.stdout.flush()
    finally:  # Also where nobody reads the text.
        if page:
            _write_page(page, facts, epoch, options.samples)


def _epoch(options: ShowOptions, planned: EpochOptions, dataset: Dataset) -> EpochFacts | None:
    """The epoch that is asked for, by --plan or by any of its options."""
    split = options.split or usual_split(dataset)
    if not split or not planned.is_asked_for:
        return None
    batches = BatchOptions(**planned.batches)
    replicas = 1 if planned.replicas is None else planned.replicas
    return plan_facts(dataset, split, batches, seed=planned.seed or 0, replicas=replicas)


def _page_path(options: ShowOptions, dataset: Dataset) -> str:
    """Where the page goes; empty if there shall be none.

    Raises:
      UserError: it would lie in the dataset folder.
    """
    if options.no_html:
        return ""
    manifest = dataset.manifest
    path = posixpath.expanduser(options.html or f"inspect-{manifest.name}-{manifest.version}.html")
    if _absolute(path).startswith(f"{_absolute(dataset.path)}/"):
        raise UserError(
            f"the page would be {path} in the dataset folder, where it does not belong; name "
            "another place with --html, or give --no_html"
        )
    return path


def _absolute(path: str) -> str:
    return path if "://" in path else posixpath.abspath(path)


def _write_page(path: str, facts: Facts, epoch: EpochFacts | None, samples: int) -> None:
    from pipeline.inspect.page import inspect_page  # matplotlib is slow to import

    content = inspect_page(facts, epoch, samples).encode(errors="backslashreplace")
    try:
        gfile.makedirs(posixpath.dirname(path) or ".")
        atomic_write(path, content)
    except tf.errors.OpError as error:
        raise UserError(f"the page cannot be written to {path}: {error.message}") from error
    say(f"\npage: {path}")


if __name__ == "__main__":
    program.run(main)
