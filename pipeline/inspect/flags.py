"""The flags of `python -m pipeline.inspect`."""

import argparse

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
