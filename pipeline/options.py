"""The conversion's flags, read once into a dataclass that validates itself."""

import argparse
import dataclasses
import posixpath
import re
from collections.abc import Sequence
from typing import Any

from pipeline.errors import UsageError
from pipeline.limits import (
    MAX_ANNOTATION_MIB,
    MAX_FRAME_PIXELS,
    MAX_RECORD_MIB,
    add_limits,
    check_limits,
)
from pipeline.splits import SPLIT_NAME, SplitSpec
from pipeline.window_labels import REDUCTIONS, WindowLabels

LABEL_KINDS = (
    "auto",
    "step_class",
    "record_class",
    "sample_class",
    "step_value",
    "record_value",
    "sample_value",
    "sequence_class",
    "sequence_value",
    "none",
)
_DEFAULT_SPLITS = "train=0.8,validation=0.1,test=0.1"
_ALL_TRAIN = "train=1"
_SIGNAL_FLAGS = (
    "target_dir",
    "signal_key",
    "single_step",
    "time_axis",
    "window_samples",
    "sample_rate_hz",
    "window_secs",
    "window_label",
    "tail",
    "non_finite",
)
_FRAME_FLAGS = ("resize", "max_frame_pixels", "max_annotation_mib")
# These say where to read and write, and when to stop; the records do not depend on them.
_NOT_RECORDED = ("input_dir", "target_dir", "output_dir", "overwrite", "max_rejected_fraction")


@dataclasses.dataclass(frozen=True)
class ConvertOptions:
    """Everything a conversion depends on; the fields are the flags of `python -m pipeline`.

    Raises:
      UsageError: if a value, or a combination of values, makes no sense.
    """

    input_dir: str
    output_dir: str
    name: str
    source: str = "signals"
    target_dir: str = ""
    dataset_version: str = "1.0.0"
    signal_key: str = ""
    single_step: bool = False
    time_axis: int = 0
    label_key: str = ""
    group_key: str = ""
    group_regex: str = ""
    window_samples: int | None = None
    sample_rate_hz: float | None = None
    window_secs: float | None = None
    tail: str = "drop"
    window_label: str = "auto"
    resize: str = ""
    non_finite: str = "reject"
    max_record_mib: float = MAX_RECORD_MIB
    max_frame_pixels: int = MAX_FRAME_PIXELS
    max_annotation_mib: float = MAX_ANNOTATION_MIB
    label_kind: str = "auto"
    class_names: tuple[str, ...] = ()
    splits: str = ""
    split_regex: str = ""
    split_key: str = ""
    split_seed: int = 0
    shard_size_mib: float = 128.0
    num_shards: int | None = None
    max_rejected_fraction: float = 0.1
    overwrite: bool = False

    def __post_init__(self) -> None:
        _check_names(self)
        _check_source(self)
        _check_window(self)
        _check_groups_and_splits(self)
        _check_numbers(self)
        if len(set(self.class_names)) < len(self.class_names):
            raise UsageError("--class_names: a name occurs twice; name each class once")

    @property
    def dataset_dir(self) -> str:
        """`<output_dir>/<name>/<version>`."""
        return f"{self.output_dir.rstrip('/')}/{self.name}/{self.dataset_version}"

    @property
    def window(self) -> int | None:
        """Samples per step, or None if the signals have a time axis of steps already."""
        if self.window_samples is not None or self.window_secs is None:
            return self.window_samples
        assert self.sample_rate_hz is not None
        return round(self.sample_rate_hz * self.window_secs)

    @property
    def window_labels(self) -> WindowLabels | None:
        """How labels of every sample become labels of windows; None without windows."""
        if not self.window:
            return None
        return WindowLabels(self.window, self.window_label, keeps_tail=self.tail == "pad")

    @property
    def resize_shape(self) -> tuple[int, int] | None:
        """Height and width of the frames in pixels, or None if they stay as they are."""
        if not self.resize:
            return None
        height, _, width = self.resize.partition("x")
        return int(height), int(width)

    @property
    def split_spec(self) -> SplitSpec:
        """How groups without an official split are divided."""
        official = self.split_regex or self.split_key
        return SplitSpec.parse(self.splits or (_ALL_TRAIN if official else _DEFAULT_SPLITS))

    def recorded(self) -> dict[str, Any]:
        """The options that the records depend on, as JSON values, without folders."""
        values = dataclasses.asdict(self)
        kept = {key: value for key, value in values.items() if key not in _NOT_RECORDED}
        # Of the folder with labels only that there is one: whoever predicts reads signals alike.
        target_dir = "targets" if self.target_dir else ""
        return {**kept, "target_dir": target_dir, "class_names": list(self.class_names)}


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
    for folder in ("input_dir", "target_dir", "output_dir"):
        values[folder] = _normal(values[folder])
    values["class_names"] = tuple(filter(None, (values["class_names"] or "").split(",")))
    return ConvertOptions(**values), beam_args


def _normal(folder: str) -> str:
    """A folder as listings and all workers spell it: absolute, no `//`, no `/` at the end."""
    is_remote = "://" in folder
    return folder.rstrip("/") if is_remote or not folder else posixpath.abspath(folder)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all flags but Beam's."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Converts a folder of recordings into an indexed TFRecord dataset. Flags that "
        "are not listed here go to Apache Beam: --runner, --direct_num_workers, --setup_file, ...",
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
    group.add_argument(
        "--source", choices=["signals", "image_folders"], required=True, help="kind of raw data"
    )
    group.add_argument("--input_dir", required=True, help="folder with the recordings")
    group.add_argument("--target_dir", default="", help="folder with labels under the same names")
    group.add_argument(
        "--output_dir", required=True, help="writes OUTPUT_DIR/NAME/DATASET_VERSION/"
    )
    group.add_argument("--name", required=True, help="name of the dataset, such as sleep_stages")
    group.add_argument("--dataset_version", default="1.0.0", help="MAJOR.MINOR.PATCH")
    group.add_argument("--overwrite", action="store_true", help="replace a finished dataset")


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
        "--tail", choices=["drop", "pad"], default="drop", help="what to do with a part of a window"
    )
    group.add_argument(
        "--window_label",
        choices=REDUCTIONS,
        default="auto",
        help="from labels of every sample to the label of a window; auto: majority of classes, "
        "mean of values",
    )
    group.add_argument(
        "--non_finite",
        choices=["reject", "zero"],
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
        "--label_kind", choices=LABEL_KINDS, default="auto", help="auto: inferred, and shown"
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
        f"(test=128,validation=128,train=rest); {_DEFAULT_SPLITS} if not given, and with "
        f"--split_regex or --split_key {_ALL_TRAIN}",
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
    group.add_argument("--shard_size_mib", type=float, default=128.0, help="wanted size of a shard")
    group.add_argument("--num_shards", type=int, help="shards per split, instead of a size")
    group.add_argument(
        "--max_rejected_fraction",
        type=float,
        default=0.1,
        help="nothing is committed if a greater share of the inputs is rejected",
    )


def _check_names(options: ConvertOptions) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", options.name):
        raise UsageError(
            f"--name={options.name}: expected lower-case letters, digits and _, as in sleep_stages"
        )
    if not re.fullmatch(r"\d+\.\d+\.\d+", options.dataset_version):
        raise UsageError(
            f"--dataset_version={options.dataset_version}: expected MAJOR.MINOR.PATCH, as in 1.0.0"
        )


def _check_source(options: ConvertOptions) -> None:
    other = _SIGNAL_FLAGS if options.source == "image_folders" else _FRAME_FLAGS
    for flag in other:
        if getattr(options, flag) != getattr(ConvertOptions, flag):
            raise UsageError(f"--{flag} has no effect with --source={options.source}; leave it out")
    if options.resize and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", options.resize):
        raise UsageError(
            f"--resize={options.resize}: expected HEIGHTxWIDTH in pixels, as in 180x320"
        )
    for limit in ("max_record_mib", "max_frame_pixels", "max_annotation_mib"):
        _check_positive(limit, getattr(options, limit))
    check_limits(options.max_record_mib)


def _check_window(options: ConvertOptions) -> None:
    rate, secs = options.sample_rate_hz, options.window_secs
    has_window = options.window_samples is not None or secs is not None
    if options.single_step and (has_window or options.time_axis):
        raise UsageError(
            "--single_step does not go with --time_axis and the window flags; leave out one of them"
        )
    per_sample = options.label_kind.startswith("sample_")
    if not has_window and (per_sample or options.window_label != "auto"):
        named = "label_kind" if per_sample else "window_label"
        raise UsageError(
            f"--{named}={getattr(options, named)} is for continuous signals; add --window_samples, "
            "or --sample_rate_hz with --window_secs"
        )
    if (rate is None) != (secs is None):
        raise UsageError("--sample_rate_hz and --window_secs go together: give both, or neither")
    if rate is None or secs is None:
        _check_positive("window_samples", options.window_samples)
        return
    if options.window_samples is not None:
        raise UsageError("give --window_samples, or --sample_rate_hz with --window_secs, not both")
    samples = rate * secs
    if rate <= 0 or secs <= 0 or round(samples) < 1 or abs(samples - round(samples)) > 1e-6:
        raise UsageError(
            f"--sample_rate_hz={rate:g} with --window_secs={secs:g} is a window of {samples:g} "
            "samples; it must be a whole number of at least 1"
        )


def _check_groups_and_splits(options: ConvertOptions) -> None:
    if options.group_key and options.group_regex:
        raise UsageError("give --group_key or --group_regex, not both")
    if options.split_key and options.split_regex:
        raise UsageError("give --split_key or --split_regex, not both")
    _compile("group_regex", options.group_regex)
    named = list(_compile("split_regex", options.split_regex).groupindex)
    spec = options.split_spec
    for name in named:
        if not SPLIT_NAME.fullmatch(name):
            raise UsageError(f"--split_regex: {name!r} is no name of a split; use letters")
        if options.splits and name in spec.names:
            raise UsageError(
                f"split {name!r} is in --split_regex and in --splits={options.splits}: other "
                "groups would be mixed into the official split; leave it out of --splits"
            )
    if options.split_regex and not named:
        raise UsageError(
            f"--split_regex={options.split_regex}: no named group; name the split, as in "
            r"(?P<test>_[0-4]\.npz$)"
        )


def _check_numbers(options: ConvertOptions) -> None:
    _check_positive("num_shards", options.num_shards)
    _check_positive("shard_size_mib", options.shard_size_mib)
    if not 0 <= options.max_rejected_fraction <= 1:
        raise UsageError(
            f"--max_rejected_fraction={options.max_rejected_fraction:g}: expected 0 to 1"
        )


def _check_positive(flag: str, value: float | None) -> None:
    if value is not None and not value > 0:
        raise UsageError(f"--{flag}={value:g}: expected a number above 0")


def _compile(flag: str, regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex)
    except re.error as error:
        raise UsageError(f"--{flag}={regex}: not a regular expression ({error})") from error
