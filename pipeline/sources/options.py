"""The conversion's options: a dataclass that validates itself."""

import dataclasses
import math
import re
from typing import Any

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.sources.limits import (
    MAX_ANNOTATION_MIB,
    MAX_FRAME_PIXELS,
    MAX_RECORD_MIB,
    check_limits,
)
from pipeline.sources.names import require_class
from pipeline.sources.splits import SPLIT_NAME, SplitSpec
from pipeline.sources.window_labels import WindowLabels

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
DEFAULT_SPLITS = "train=0.8,validation=0.1,test=0.1"
ALL_TRAIN = "train=1"
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
_NOT_RECORDED = (
    "input_dir",
    "target_dir",
    "output_dir",
    "overwrite",
    "dry_run",
    "max_rejected_fraction",
)


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
    dry_run: bool = False

    def __post_init__(self) -> None:
        _check_names(self)
        _check_source(self)
        _check_window(self)
        _check_groups_and_splits(self)
        _check_numbers(self)
        _check_class_names(self.class_names)

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
        return SplitSpec.parse(self.splits or (ALL_TRAIN if official else DEFAULT_SPLITS))

    def recorded(self) -> dict[str, Any]:
        """The options that the records depend on, as JSON values, without folders."""
        values = dataclasses.asdict(self)
        kept = {key: value for key, value in values.items() if key not in _NOT_RECORDED}
        # Of the folder with labels only that there is one: whoever predicts reads signals alike.
        target_dir = "targets" if self.target_dir else ""
        return {**kept, "target_dir": target_dir, "class_names": list(self.class_names)}


def _check_names(options: ConvertOptions) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", options.name):
        raise UsageError(
            f"--name={options.name}: expected lower-case letters, digits and _, as in sleep_stages"
        )
    number = "(0|[1-9][0-9]*)"
    if not re.fullmatch(rf"{number}\.{number}\.{number}", options.dataset_version):
        raise UsageError(
            f"--dataset_version={options.dataset_version}: expected MAJOR.MINOR.PATCH, three "
            "numbers without leading zeros, as in 1.0.0"
        )


def _check_source(options: ConvertOptions) -> None:
    other = _SIGNAL_FLAGS if options.source == "image_folders" else _FRAME_FLAGS
    for flag in other:
        if getattr(options, flag) != getattr(ConvertOptions, flag):
            raise UsageError(f"--{flag} has no effect with --source={options.source}; leave it out")
    if options.signal_key and options.signal_key == options.label_key and not options.target_dir:
        raise UsageError(
            f"--signal_key and --label_key are both {options.label_key}; name two arrays"
        )
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
    needs_window = {
        "label_kind": options.label_kind.startswith("sample_"),
        "window_label": options.window_label != "auto",
        "tail": options.tail != "drop",
    }
    for name, needs in needs_window.items():
        if needs and not has_window:
            raise UsageError(
                f"--{name}={getattr(options, name)} is for continuous signals; add "
                "--window_samples, or --sample_rate_hz with --window_secs"
            )
    if (rate is None) != (secs is None):
        raise UsageError("--sample_rate_hz and --window_secs go together: give both, or neither")
    if rate is None or secs is None:
        _check_positive("window_samples", options.window_samples)
        return
    if options.window_samples is not None:
        raise UsageError("give --window_samples, or --sample_rate_hz with --window_secs, not both")
    samples = rate * secs
    is_positive = rate > 0 and secs > 0 and math.isfinite(samples) and round(samples) >= 1
    if not is_positive or abs(samples - round(samples)) > 1e-6:
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
            raise UsageError(f"--split_regex: {name!r} is no name of a split; use letters, not all")
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


def _check_class_names(names: tuple[str, ...]) -> None:
    if "" in names:
        raise UsageError(
            f"--class_names: name {names.index('') + 1} of {len(names)} is empty; name every "
            "class, with commas only between the names"
        )
    if len(set(names)) < len(names):
        raise UsageError("--class_names: a name occurs twice; name each class once")
    try:
        for name in names:
            require_class(name)
    except RejectedInputError as error:
        raise UsageError(f"--class_names: {error}") from error


def _check_numbers(options: ConvertOptions) -> None:
    _check_positive("num_shards", options.num_shards)
    _check_positive("shard_size_mib", options.shard_size_mib)
    if options.shard_size_mib * 2**20 < 1:
        raise UsageError(f"--shard_size_mib={options.shard_size_mib:g} is not a byte; give more")
    if not 0 <= options.max_rejected_fraction <= 1:
        raise UsageError(
            f"--max_rejected_fraction={options.max_rejected_fraction:g}: expected 0 to 1"
        )


def _check_positive(flag: str, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        finite = "a finite" if value == math.inf else "a"
        raise UsageError(f"--{flag}={value:g}: expected {finite} number above 0")


def _compile(flag: str, regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex)
    except re.error as error:
        raise UsageError(f"--{flag}={regex}: not a regular expression ({error})") from error
