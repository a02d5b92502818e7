"""`python -m pipeline.inspect DATASET`: what a dataset holds, on the terminal and as a page.

With --plan, or any option of the batches, also what an epoch of a training will look like.
"""

# ruff: noqa: E402
import argparse
import posixpath
import sys
from collections.abc import Sequence

from pipeline.console import quiet
from pipeline.console.command_line import CommandParser


def make_parser() -> CommandParser:
    """The parser of all flags."""
    parser = CommandParser(
        "python -m pipeline.inspect",
        "Shows what a dataset holds, on the terminal and as a page. With --plan, or any option of "
        "the batches, also what an epoch of a training will look like.",
    )
    parser.add_argument("dataset", help="dataset folder, <output_dir>/<name>/<version>")
    parser.add_argument("--split", help="split to look at more closely; else the training split")
    parser.add_argument("--html", help="the page; else inspect-NAME-VERSION.html in this folder")
    parser.add_argument("--no_html", action="store_true", help="write no page")
    parser.add_argument("--samples", type=int, default=6, help="records to draw")
    _add_plan(parser)
    return parser


def _add_plan(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("an epoch, as python -m trainer will plan it")
    group.add_argument("--plan", action="store_true", help="show it, with the usual options")
    group.add_argument("--batch_size", type=int, help="records in a global batch (default: 32)")
    group.add_argument("--batch_steps", type=int, help="or padded steps in a global batch")
    group.add_argument("--num_buckets", type=int, help="padded lengths, at most (default: 8)")
    group.add_argument("--boundaries", type=_numbers, help="padded lengths in steps: 100,200,400")
    group.add_argument(
        "--align",
        "--boundary_align",
        dest="align",
        type=int,
        help="boundaries are multiples of this (default: 1)",
    )
    group.add_argument("--seed", type=int, help="of the training (default: 0)")
    group.add_argument("--replicas", type=int, help="that share a global batch (default: 1)")


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of steps, such as 100,200,400"
        ) from None


if __name__ == "__main__":
    make_parser().answer(sys.argv[1:])  # At once: TensorFlow takes seconds to import.
    quiet.start(gpu=False)

import tensorflow as tf

from pipeline.batches.plan import BatchOptions
from pipeline.console.run import run_command
from pipeline.inspect.facts import Facts, gather, usual_split
from pipeline.inspect.plan import EpochFacts, plan_facts
from pipeline.inspect.text import epoch_text, facts_text
from tfrecords_schema import Dataset, open_dataset
from tfrecords_schema.errors import UserError
from tfrecords_schema.storage import atomic_write

_BATCH_OPTIONS = ("batch_size", "batch_steps", "num_buckets", "boundaries", "align")
_PLAN_OPTIONS = (*_BATCH_OPTIONS, "seed", "replicas")


def main(argv: Sequence[str]) -> int:
    """Inspects one dataset folder.

    Returns:
      0, or 1 if it is no dataset or the options do not suit it.
    """
    return run_command(_inspect, argv)


def _inspect(argv: Sequence[str]) -> None:
    options = make_parser().parse_args(argv)
    dataset = open_dataset(options.dataset)
    page = _page_path(options, dataset)
    facts = gather(dataset, options.split)
    epoch = _epoch(options, dataset)
    print(facts_text(facts))
    if epoch:
        print(f"\n{epoch_text(epoch)}")
    if page:
        _write_page(page, facts, epoch, options.samples)


def _epoch(options: argparse.Namespace, dataset: Dataset) -> EpochFacts | None:
    """The epoch that is asked for, by --plan or by any of its options."""
    given = {name: getattr(options, name) for name in _PLAN_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    split = options.split or usual_split(dataset)
    if not split or not (options.plan or given):
        return None
    batches = BatchOptions(**{name: given[name] for name in _BATCH_OPTIONS if name in given})
    seed, replicas = given.get("seed", 0), given.get("replicas", 1)
    return plan_facts(dataset, split, batches, seed=seed, replicas=replicas)


def _page_path(options: argparse.Namespace, dataset: Dataset) -> str:
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

    content = inspect_page(facts, epoch, samples).encode()
    try:
        tf.io.gfile.makedirs(posixpath.dirname(path) or ".")
        atomic_write(path, content)
    except tf.errors.OpError as error:
        raise UserError(f"the page cannot be written to {path}: {error.message}") from error
    print(f"\npage: {path}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
