"""The flags of `python -m pipeline`, and the options that they make."""

import argparse
import posixpath
from collections.abc import Sequence

from pipeline.console.command_line import CommandParser, one_of
from pipeline.sources.limits import add_limits
from pipeline.sources.options import ALL_TRAIN, DEFAULT_SPLITS, LABEL_KINDS, ConvertOptions
from pipeline.sources.window_labels import REDUCTIONS

SOURCES = ("signals", "image_folders")
# What `--help` shows; `--helpfull` shows all.
_COMMON = (
    "source",
    "input_dir",
    "target_dir",
    "output_dir",
    "name",
    "overwrite",
    "dry_run",
    "signal_key",
    "time_axis",
    "window_samples",
    "sample_rate_hz",
    "window_secs",
    "resize",
    "label_key",
    "label_kind",
    "class_names",
    "group_key",
    "group_regex",
    "splits",
    "split_regex",
)


def parse_args(argv: Sequence[str]) -> tuple[ConvertOptions, list[str]]:
    """Parses the command line.

    Args:
      argv: arguments without the program's name.

    Returns:
      The conversion's options, and the arguments that are Beam's.

    Raises:
      UsageError: if the values make no sense (argparse exits by itself with a message).
    """
    known, beam_args = make_parser().parse_known_args(list(argv))
    values = vars(known)
    values["class_names"] = _class_names(values["class_names"])
    return ConvertOptions(**values), beam_args


def _class_names(text: str) -> tuple[str, ...]:
    """Names between commas. One that is empty is kept: each counts for its place."""
    return tuple(name.strip() for name in text.split(",")) if text else ()


def _folder(text: str) -> str:
    """A folder as listings and all workers spell it: absolute, no `//`, no `/` at the end."""
    if not text.strip():
        raise argparse.ArgumentTypeError("no folder is named; is a variable of the shell not set?")
    is_remote = "://" in text
    return text.rstrip("/") if is_remote else posixpath.abspath(posixpath.expanduser(text))


def make_parser() -> CommandParser:
    """The parser of all flags but Beam's."""
    parser = CommandParser(
        "python -m pipeline",
        "Converts a folder of recordings into an indexed TFRecord dataset. Flags that are not "
        "listed go to Apache Beam: --runner, --direct_num_workers, --setup_file, ...",
        common=_COMMON,
    )
    _add_folders(parser)
    _add_signals(parser)
    _add_frames(parser)
    _add_labels(parser)
    _add_splits(parser)
    _add_output(parser)
    add_limits(parser)
    return parser


def _add_folders(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what and where")
    group.add_argument("--source", type=one_of(SOURCES), required=True, help="kind of raw data")
    group.add_argument(
        "--input_dir", type=_folder, required=True, help="folder with the recordings"
    )
    group.add_argument(
        "--target_dir",
        type=_folder,
        default=argparse.SUPPRESS,  # Only a folder that is given is checked.
        help="folder with labels under the same names",
    )
    group.add_argument(
        "--output_dir", type=_folder, required=True, help="writes OUTPUT_DIR/NAME/DATASET_VERSION/"
    )
    group.add_argument("--name", required=True, help="name of the dataset, such as sleep_stages")
    group.add_argument("--dataset_version", default="1.0.0", help="MAJOR.MINOR.PATCH")
    group.add_argument("--overwrite", action="store_true", help="replace a finished dataset")
    group.add_argument(
        "--dry_run",
        action="store_true",
        help="show what would become of every input, and write nothing",
    )


def _add_signals(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("signals")
    group.add_argument("--signal_key", default="", help="array with the signal; else the only one")
    group.add_argument(
        "--single_step",
        action="store_true",
        help="the whole array is one time step, as a vector that a sequence of labels follows from",
    )
    group.add_argument(
        "--time_axis", type=int, default=0, help="axis of time; 1 for [channels, samples]"
    )
    group.add_argument("--window_samples", type=int, help="cut continuous signals in such steps")
    group.add_argument("--sample_rate_hz", type=float, help="with --window_secs")
    group.add_argument("--window_secs", type=float, help="length of a step; needs --sample_rate_hz")
    group.add_argument(
        "--tail",
        type=one_of(["drop", "pad"]),
        default="drop",
        help="what to do with a part of a window",
    )
    group.add_argument(
        "--window_label",
        type=one_of(REDUCTIONS),
        default="auto",
        help="from labels of every sample to the label of a window; auto: majority of classes, "
        "mean of values",
    )
    group.add_argument(
        "--non_finite",
        type=one_of(["reject", "zero"]),
        default="reject",
        help="recordings with NaN or infinity in the signal: reject them, or put zeros there; a "
        "label with them is rejected always",
    )


def _add_frames(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("image folders")
    group.add_argument(
        "--resize",
        default="",
        help="HEIGHTxWIDTH in pixels, as 180x320: bicubic with antialias, stored as PNG; without "
        "it the files' bytes are stored as they are",
    )


def _add_labels(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("labels")
    group.add_argument(
        "--label_key",
        default="",
        help="array, or field of annotation.json, with the label; else label or y, and for image "
        "folders without annotation.json the name of the folder above the sample's",
    )
    group.add_argument(
        "--label_kind", type=one_of(LABEL_KINDS), default="auto", help="auto: inferred, and shown"
    )
    group.add_argument("--class_names", default="", help="in the order of their index: wake,sleep")


def _add_splits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("groups and splits")
    group.add_argument("--group_key", default="", help="array or field with the group: the subject")
    group.add_argument(
        "--group_regex", default="", help="finds the group in the relative path (group 1, or all)"
    )
    group.add_argument(
        "--splits",
        default="",
        help="shares of the groups (train=0.8,validation=0.1,test=0.1) or numbers of groups "
        f"(test=128,validation=128,train=rest); {DEFAULT_SPLITS} if not given, and with "
        f"--split_regex or --split_key {ALL_TRAIN}",
    )
    group.add_argument(
        "--split_regex",
        default="",
        help="official split: named groups searched in the relative path, such as "
        r"(?P<test>_[0-4]\.npz$); files that match none are divided by --splits",
    )
    group.add_argument("--split_key", default="", help="array or field with the official split")
    group.add_argument("--split_seed", type=int, default=0, help="another seed, another division")


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("shards and rejects")
    group.add_argument(
        "--shard_size_mib",
        type=float,
        default=128.0,
        help="wanted size of a shard, where every record counts 16 KiB more than its data has",
    )
    group.add_argument("--num_shards", type=int, help="shards per split, instead of a size")
    group.add_argument(
        "--max_rejected_fraction",
        type=float,
        default=0.1,
        help="nothing is committed if a greater share of the inputs is rejected",
    )
