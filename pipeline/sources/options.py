"""The conversion's options: dataclasses that validate themselves."""

import dataclasses
import functools
import posixpath
import re
from collections.abc import Sequence
from typing import Any

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import REQUIRED, Effect, Options, option
from pipeline.sources.outside.options import OutsideOptions
from pipeline.sources.splits import SPLIT_NAME, SplitSpec
from pipeline.sources.window_labels import WindowLabels
from tfrecords_schema.names import UNLABELLED

DEFAULT_SPLITS = "train=0.8,validation=0.1,test=0.1"
ALL_TRAIN = "train=1"
MAX_RECORD_MIB = 1024.0
_LARGEST_RECORD_MIB = 2047.0  # A serialized record must stay below 2 GiB.
_MIB = 1 << 20


def as_folder(text: str) -> str:
    """A folder as listings and all workers spell it: absolute, no `//`, no `/` at the end.

    Raises:
      UsageError: if none is named.
    """
    if not text.strip():
        raise UsageError("no folder is named; is a variable of the shell not set?")
    if "://" not in text:
        return posixpath.abspath(posixpath.expanduser(text))
    folder = text.rstrip("/")
    if "://" not in folder:
        raise UsageError(f"{text} names no bucket or folder; give one, as in s3://BUCKET/FOLDER")
    return folder


# An option for a folder that is read, which must be there.
read_folder = functools.partial(option, common=True, effect=Effect.NONE, parse=as_folder)


@dataclasses.dataclass(frozen=True)
class FolderOptions(Options):
    """What and where."""

    input_dir: str = read_folder(REQUIRED, "Folder with the recordings.")
    output_dir: str = option(
        REQUIRED,
        "Writes OUTPUT_DIR/NAME/DATASET_VERSION/.",
        common=True,
        effect=Effect.PLACE,
        parse=as_folder,
    )
    name: str = option(REQUIRED, "Name of the dataset, such as sleep_stages.", common=True)
    dataset_version: str = option("1.0.0", "MAJOR.MINOR.PATCH.")
    overwrite: bool = option(False, "Replace a finished dataset.", common=True, effect=Effect.NONE)
    dry_run: bool = option(
        False,
        "Show what would become of every input, and write nothing.",
        common=True,
        effect=Effect.NONE,
    )
    durable: bool = option(
        True,
        "Flush what is written to the disk before anything says that it is there, for power cuts.",
        effect=Effect.NONE,
    )
    follow_links: bool = option(False, "Look into folders that links lead to, once into each.")

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
class SplitOptions(Options):
    """Groups and splits."""

    group_key: str = option("", "Array, field or column with the group: the subject.", common=True)
    group_regex: str = option("", "Finds the group in the path (group 1, or all).", common=True)
    group_column: str = option("", "Column with the group, in the table of --labels.")
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
    split_key: str = option("", "Array, field or column with the official split.")
    split_column: str = option("", "Column with the official split, in the table of --labels.")
    split_seed: int = option(0, "Another seed, another division.")
    stratify: bool = option(
        False,
        "Give every split about its share of every class, too, as far as whole groups allow.",
        common=True,
    )
    splits_from: str = read_folder(
        "",
        "Folder of an earlier dataset: every group in it stays in the split that it has there.",
        common=False,
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        _require_one(self, "group_key", "group_regex", "group_column")
        _require_one(self, "split_key", "split_regex", "split_column")
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

        if UNLABELLED in (*named, *spec.names):
            raise UsageError(
                f"split {UNLABELLED!r} is that of recordings without a label (--unlabelled); give "
                "yours another name"
            )
        if not spec.fractions and (self.stratify or self.splits_from):
            flag = "stratify" if self.stratify else "splits_from"
            raise UsageError(
                f"--{flag} divides by shares, got --splits={self.splits}; give shares, as in "
                f"{DEFAULT_SPLITS}"
            )
        if self.stratify and len(spec.names) == 1:
            raise UsageError(
                f"--stratify has no effect: what has no official split is all in {spec.names[0]}; "
                "leave it out, or give --splits"
            )

    @property
    def split_spec(self) -> SplitSpec:
        """How groups without an official split are divided."""
        official = self.split_regex or self.split_key or self.split_column
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
    """Limits of one input, checked before it is read.

    A file of a few kB can announce arrays, images or texts of many GB, and unpack to them.
    """

    max_record_mib: float = option(
        MAX_RECORD_MIB,
        "Larger arrays, or frames of a sample together, are rejected; at most 2047.",
        positive=True,
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if self.max_record_mib > _LARGEST_RECORD_MIB:
            raise UsageError(
                f"--max_record_mib={self.max_record_mib:g}: a record holds less than 2 GiB; give "
                f"at most {_LARGEST_RECORD_MIB:g}"
            )


@dataclasses.dataclass(frozen=True)
class ConvertOptions(ShardOptions, LimitOptions, SplitOptions, OutsideOptions, FolderOptions):
    """What every conversion depends on; the options of a kind of raw folder derive from it."""

    def check(self) -> None:
        """See `Options`."""
        super().check()
        for one in ("label_key", "label_column"):
            _require_one(self, one, "label_regex")
        if self.splits_from == self.dataset_dir:
            raise UsageError(
                f"--splits_from={self.splits_from} would be replaced; keep it, and give another "
                "--dataset_version"
            )
        in_table = ("id_column", "label_column", "group_column", "split_column")
        named = [name for name in in_table if getattr(self, name)]
        if named and not self.labels and not self.reads_metadata:
            raise UsageError(f"--{named[0]} is of a table; name that with --labels")
        if self.labels and not named and self.names_label:
            raise UsageError(
                f"--labels={self.labels} has no effect: the label is elsewhere, and no column is "
                "named; leave it out, or name --group_column or --split_column"
            )
        kinds = [asked.kind for asked in self.asked_labels]
        if self.label_separator and kinds and all(k.endswith(("_class", "_value")) for k in kinds):
            raise UsageError(
                f"--label_separator={self.label_separator} is between names of classes, and "
                f"--label_kind={self.label_kind} is not of any number of them; leave one out"
            )
        if any(kind.startswith("sample_") for kind in kinds) and self.window_labels is None:
            raise UsageError(
                f"--label_kind={self.label_kind} is for continuous signals; add --window_samples, "
                "or --sample_rate_hz with --window_secs"
            )

    @property
    def names_label(self) -> bool:
        """Whether a flag says where the label is, that is not in the table of `labels`."""
        return bool(self.label_key or self.label_regex)

    @property
    def source(self) -> str:
        """Name of the kind of raw folder: that of its file."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def window_labels(self) -> WindowLabels | None:
        """How labels of every sample become labels of windows; None without windows."""
        return None

    def recorded(self) -> dict[str, Any]:
        """The options that the records depend on, as JSON values, without folders."""
        fields = dataclasses.fields(self)
        kept = [f.name for f in fields if f.metadata["effect"] is Effect.RESULT]
        values = {name: getattr(self, name) for name in kept}
        lists = {name: [*value] for name, value in values.items() if isinstance(value, tuple)}
        labels = "table" if self.labels else ""  # Its rows are in the records.
        found = {"source": self.source, "labels": labels, **values, **lists}
        return self.without_unused(found, ("ignore_label", "unlabelled", "label_separator"))

    def without_unused(self, recorded: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
        """Without options that have their defaults: manifests are as before there were such."""
        unused = [name for name in names if getattr(self, name) == getattr(type(self), name)]
        return {name: value for name, value in recorded.items() if name not in unused}


def require_size(what: str, size_bytes: int, flag: str, limit_mib: float) -> None:
    """Checks a size that a header declares.

    Raises:
      RejectedInputError: if it is above the limit.
    """
    if size_bytes > limit_mib * _MIB:
        raise RejectedInputError(
            f"{what} has {size_bytes} bytes, more than --{flag}={limit_mib:g} MiB; cut it into "
            "several, or allow more"
        )


def _require_one(options: Options, *flags: str) -> None:
    given = [f"--{flag}" for flag in flags if getattr(options, flag)]
    if len(given) > 1:
        raise UsageError(f"give {' or '.join(given)}, not {'both' if len(given) == 2 else 'all'}")


def _compile(flag: str, regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex)
    except re.error as error:
        raise UsageError(f"--{flag}={regex}: not a regular expression ({error})") from error
