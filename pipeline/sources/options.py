"""The conversion's options: dataclasses that validate themselves."""

import dataclasses
import math
import posixpath
import re
from typing import Any

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import REQUIRED, Effect, Options, option
from pipeline.sources.limits import LARGEST_RECORD_MIB, MAX_RECORD_MIB
from pipeline.sources.names import require_class
from pipeline.sources.splits import SPLIT_NAME, SplitSpec
from pipeline.sources.window_labels import REDUCTIONS, WindowLabels

SOURCES = ("signals", "image_folders")
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


def folder(text: str) -> str:
    """A folder as listings and all workers spell it: absolute, no `//`, no `/` at the end.

    Raises:
      ValueError: if none is named.
    """
    if not text.strip():
        raise ValueError("no folder is named; is a variable of the shell not set?")
    is_remote = "://" in text
    return text.rstrip("/") if is_remote else posixpath.abspath(posixpath.expanduser(text))


@dataclasses.dataclass(frozen=True)
class FolderOptions(Options):
    """What and where."""

    input_dir: str = option(
        REQUIRED, "Folder with the recordings.", common=True, effect=Effect.PLACE, parse=folder
    )
    output_dir: str = option(
        REQUIRED,
        "Writes OUTPUT_DIR/NAME/DATASET_VERSION/.",
        common=True,
        effect=Effect.PLACE,
        parse=folder,
    )
    name: str = option(REQUIRED, "Name of the dataset, such as sleep_stages.", common=True)
    source: str = option(REQUIRED, "Kind of raw data.", SOURCES, common=True)
    dataset_version: str = option("1.0.0", "MAJOR.MINOR.PATCH.")
    overwrite: bool = option(False, "Replace a finished dataset.", common=True, effect=Effect.NONE)
    dry_run: bool = option(
        False,
        "Show what would become of every input, and write nothing.",
        common=True,
        effect=Effect.NONE,
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise UsageError(
                f"--name={self.name}: expected lower-case letters, digits and _, as in sleep_stages"
            )
        number = "(0|[1-9][0-9]*)"
        if not re.fullmatch(rf"{number}\.{number}\.{number}", self.dataset_version):
            raise UsageError(
                f"--dataset_version={self.dataset_version}: expected MAJOR.MINOR.PATCH, three "
                "numbers without leading zeros, as in 1.0.0"
            )

    @property
    def dataset_dir(self) -> str:
        """`<output_dir>/<name>/<version>`."""
        return f"{self.output_dir.rstrip('/')}/{self.name}/{self.dataset_version}"


@dataclasses.dataclass(frozen=True)
class LabelOptions(Options):
    """Labels."""

    label_key: str = option(
        "",
        "Array, or field of annotation.json, with the label; else label or y, and for image "
        "folders without annotation.json the name of the folder above the sample's.",
        common=True,
    )
    label_kind: str = option(
        "auto", "With auto it is inferred, and shown.", LABEL_KINDS, common=True
    )
    class_names: tuple[str, ...] = option(
        (), "In the order of their index: wake,sleep.", common=True
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        names = self.class_names
        if "" in names:  # It is not left out: each counts for its place.
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


@dataclasses.dataclass(frozen=True)
class SplitOptions(Options):
    """Groups and splits."""

    group_key: str = option("", "Array or field with the group: the subject.", common=True)
    group_regex: str = option(
        "", "Finds the group in the relative path (group 1, or all).", common=True
    )
    splits: str = option(
        "",
        "Shares of the groups (train=0.8,validation=0.1,test=0.1) or numbers of groups "
        f"(test=128,validation=128,train=rest); {DEFAULT_SPLITS} if not given, and with "
        f"--split_regex or --split_key {ALL_TRAIN}.",
        common=True,
    )
    split_regex: str = option(
        "",
        "Official split: named groups searched in the relative path, such as "
        r"(?P<test>_[0-4]\.npz$); files that match none are divided by --splits.",
        common=True,
    )
    split_key: str = option("", "Array or field with the official split.")
    split_seed: int = option(0, "Another seed, another division.")

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.group_key and self.group_regex:
            raise UsageError("give --group_key or --group_regex, not both")
        if self.split_key and self.split_regex:
            raise UsageError("give --split_key or --split_regex, not both")
        _compile("group_regex", self.group_regex)
        named = list(_compile("split_regex", self.split_regex).groupindex)
        spec = self.split_spec
        for name in named:
            if not SPLIT_NAME.fullmatch(name):
                raise UsageError(
                    f"--split_regex: {name!r} is no name of a split; use letters, not all"
                )
            if self.splits and name in spec.names:
                raise UsageError(
                    f"split {name!r} is in --split_regex and in --splits={self.splits}: other "
                    "groups would be mixed into the official split; leave it out of --splits"
                )
        if self.split_regex and not named:
            raise UsageError(
                f"--split_regex={self.split_regex}: no named group; name the split, as in "
                r"(?P<test>_[0-4]\.npz$)"
            )

    @property
    def split_spec(self) -> SplitSpec:
        """How groups without an official split are divided."""
        official = self.split_regex or self.split_key
        return SplitSpec.parse(self.splits or (ALL_TRAIN if official else DEFAULT_SPLITS))


@dataclasses.dataclass(frozen=True)
class ShardOptions(Options):
    """Shards and rejects."""

    shard_size_mib: float = option(
        128.0,
        "Wanted size of a shard, where every record counts 16 KiB more than its data has.",
        positive=True,
    )
    num_shards: int | None = option(None, "Shards per split, instead of a size.", positive=True)
    max_rejected_fraction: float = option(
        0.1,
        "Nothing is committed if a greater share of the inputs is rejected.",
        low=0,
        high=1,
        effect=Effect.NONE,
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.shard_size_mib * 2**20 < 1:
            raise UsageError(f"--shard_size_mib={self.shard_size_mib:g} is not a byte; give more")


@dataclasses.dataclass(frozen=True)
class LimitOptions(Options):
    """Limits of one input, checked before it is read."""

    max_record_mib: float = option(
        MAX_RECORD_MIB,
        f"Larger arrays, or frames of a sample together, are rejected; at most "
        f"{LARGEST_RECORD_MIB:g}.",
        positive=True,
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.max_record_mib > LARGEST_RECORD_MIB:
            raise UsageError(
                f"--max_record_mib={self.max_record_mib:g}: a record holds less than 2 GiB; give "
                f"at most {LARGEST_RECORD_MIB:g}"
            )


@dataclasses.dataclass(frozen=True)
class SignalOptions(Options):
    """Signals."""

    target_dir: str = option(
        "",
        "Folder with labels under the same names.",
        common=True,
        effect=Effect.PLACE,
        parse=folder,
    )
    signal_key: str = option("", "Array with the signal; else the only one.", common=True)
    single_step: bool = option(
        False,
        "The whole array is one time step, as a vector that a sequence of labels follows from.",
    )
    time_axis: int = option(0, "Axis of time; 1 for [channels, samples].", common=True)
    window_samples: int | None = option(
        None, "Cut continuous signals in such steps.", positive=True, common=True
    )
    sample_rate_hz: float | None = option(None, "With --window_secs.", common=True)
    window_secs: float | None = option(
        None, "Length of a step; needs --sample_rate_hz.", common=True
    )
    tail: str = option("drop", "What to do with a part of a window.", ("drop", "pad"))
    window_label: str = option(
        "auto",
        "From labels of every sample to the label of a window; auto: majority of classes, mean of "
        "values.",
        REDUCTIONS,
    )
    non_finite: str = option(
        "reject",
        "Recordings with NaN or infinity in the signal: reject them, or put zeros there; a label "
        "with them is rejected always.",
        ("reject", "zero"),
    )


@dataclasses.dataclass(frozen=True)
class ImageFolderOptions(Options):
    """Image folders."""

    resize: str = option(
        "",
        "HEIGHTxWIDTH in pixels, as 180x320: bicubic with antialias, stored as PNG; without it the "
        "files' bytes are stored as they are.",
        common=True,
    )
    max_frame_pixels: int = option(64_000_000, "Larger frames are rejected.", positive=True)
    max_annotation_mib: float = option(
        16.0,
        "Larger annotation.json are rejected; parsed, JSON takes up to 30 times its size.",
        positive=True,
    )


@dataclasses.dataclass(frozen=True)
class ConvertOptions(
    ShardOptions,
    LimitOptions,
    SplitOptions,
    LabelOptions,
    ImageFolderOptions,
    SignalOptions,
    FolderOptions,
):
    """Everything a conversion depends on."""

    def check(self) -> None:
        """See `Options`."""
        super().check()
        _check_source(self)
        _check_window(self)

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

    def recorded(self) -> dict[str, Any]:
        """The options that the records depend on, as JSON values, without folders."""
        fields = dataclasses.fields(self)
        kept = [f.name for f in fields if f.metadata["effect"] is Effect.RESULT]
        values = {name: getattr(self, name) for name in kept}
        # Of the folder with labels only that there is one: whoever predicts reads signals alike.
        target_dir = "targets" if self.target_dir else ""
        return {**values, "target_dir": target_dir, "class_names": list(self.class_names)}


def _check_source(options: ConvertOptions) -> None:
    other = SignalOptions if options.source == "image_folders" else ImageFolderOptions
    for field in dataclasses.fields(other):
        if getattr(options, field.name) != field.default:
            raise UsageError(
                f"--{field.name} has no effect with --source={options.source}; leave it out"
            )
    if options.signal_key and options.signal_key == options.label_key and not options.target_dir:
        raise UsageError(
            f"--signal_key and --label_key are both {options.label_key}; name two arrays"
        )
    if options.resize and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", options.resize):
        raise UsageError(
            f"--resize={options.resize}: expected HEIGHTxWIDTH in pixels, as in 180x320"
        )


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


def _compile(flag: str, regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex)
    except re.error as error:
        raise UsageError(f"--{flag}={regex}: not a regular expression ({error})") from error
