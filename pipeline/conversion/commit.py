"""The last step: from written shards to a dataset. The manifest is written last, by rename."""

import collections
import dataclasses
import fnmatch
import itertools
import json
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from pipeline.batches.channel_sums import merged
from pipeline.console.errors import UsageError
from pipeline.conversion.indistinct import indistinct
from pipeline.conversion.inputs import Decision, too_many_rejects
from pipeline.conversion.parts import Part, part_path, read_part
from pipeline.conversion.shard_plan import ShardPlan
from pipeline.conversion.work_dir import WorkDir
from pipeline.sources.options import ConvertOptions
from pipeline.sources.rejects import group_rejects
from pipeline.sources.source import Reject
from pipeline.sources.splits import stable_hash
from tfrecords_schema.files import finish_dataset, hash_file
from tfrecords_schema.flushing import flush, want
from tfrecords_schema.index import groups_in, merge_indexes
from tfrecords_schema.left_out import LeftOut, Tally
from tfrecords_schema.locks import require_lock
from tfrecords_schema.manifest import Manifest, ShardEntry, SplitEntry, Statistics
from tfrecords_schema.names import CLASS_NAMES, INDEX, MANIFEST, REJECTS, join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import atomic_write, is_temporary, make_folder, remove, replace

_PREPARED = "dataset"  # All files but the shards, while an older dataset is still whole.
_PACKAGES = ("apache-beam", "numpy", "tensorflow", "tensorflow-datasets")


def commit(
    options: ConvertOptions,
    lock_path: str,
    decision: Decision,
    plan: ShardPlan | None,
    refusal: str,
    rejects: Iterable[Reject],
    total: int,
    passed_over: Iterable[LeftOut],
) -> None:
    """Turns the work folder's shards into a dataset, or records why there is none.

    Args:
      options: the conversion's options.
      lock_path: of the conversion's lock.
      decision: the schema.
      plan: the shards, all of them written; None if the conversion is refused.
      refusal: why the conversion is refused; empty if it is not.
      rejects: inputs that were rejected before the shards were written.
      total: number of inputs.
      passed_over: what is not among them.

    Raises:
      LockedError: another process took the folder over, as after this machine slept.
    """
    want(options.durable)
    require_lock(lock_path)
    work_dir = WorkDir(options.dataset_dir)
    parts = _read_parts(work_dir, plan) if plan else []
    all_rejects = sorted({*rejects, *(reject for part in parts for reject in part.rejects)})
    left_out = Tally([*passed_over, *decision.left_out, *(plan.left_out if plan else ())])
    left_out.update(row for part in parts for row in part.left_out)
    left_out.update(indistinct(parts))
    outcome = {
        "rejects": group_rejects(all_rejects),
        "total": total,
        "left_out": [*map(dataclasses.asdict, left_out.rows())],
        "why": decision.labels.why if decision.labels else "",
        "refusal": "",
    }
    try:
        if refusal:
            raise UsageError(refusal)
        _require_unchanged(all_rejects)
        _require_records(parts, len(all_rejects), total, options)
        prepared = _prepare(options, decision, parts, all_rejects, left_out.rows())
        require_lock(lock_path)
        sha256 = hash_file(join(prepared, MANIFEST)).sha256
        work_dir.write_outcome({**outcome, "manifest": sha256})
        _place(options, prepared, parts)
    except UsageError as error:
        work_dir.write_outcome({**outcome, "refusal": str(error)})


def _read_parts(work_dir: WorkDir, plan: ShardPlan) -> list[Part]:
    return [
        read_part(part_path(work_dir.path, split, shard))
        for split in sorted(plan.borders)
        for shard in range(plan.num_shards(split))
    ]


def _require_unchanged(rejects: Sequence[Reject]) -> None:
    """What changed while it was read is not bad input: without it a record would be lost."""
    changed = [reject.path for reject in rejects if reject.stage == "changed"]
    if changed:
        raise UsageError(
            f"{len(changed)} inputs changed or vanished while the conversion ran (the first is "
            f"{changed[0]}); when nothing writes to them any more, run the same command again: "
            "only the shards with them are written again"
        )


def _require_records(
    parts: Sequence[Part], rejected: int, total: int, options: ConvertOptions
) -> None:
    message = too_many_rejects(rejected, total, options)
    if message:
        raise UsageError(message)
    for split, members in _by_split(parts).items():
        if not any(part.records for part in members):
            raise UsageError(
                f"all inputs of split {split!r} were rejected; repair them, or divide otherwise "
                "with --splits"
            )


def _prepare(
    options: ConvertOptions,
    decision: Decision,
    parts: Sequence[Part],
    rejects: Sequence[Reject],
    left_out: tuple[LeftOut, ...],
) -> str:
    """Writes all but the shards into a folder of their own, and returns its path."""
    assert decision.schema is not None
    work_dir = WorkDir(options.dataset_dir)
    remove(join(work_dir.path, _PREPARED))
    prepared = make_folder(work_dir.path, _PREPARED)
    merge_indexes(join(prepared, INDEX), _part_paths(work_dir.path, parts))
    lines = "".join(json.dumps(reject._asdict(), ensure_ascii=False) + "\n" for reject in rejects)
    atomic_write(join(prepared, REJECTS), lines.encode("utf-8", "surrogateescape"))
    manifest = Manifest(
        name=options.name,
        version=options.dataset_version,
        schema=decision.schema,
        splits={
            split: _split_entry(decision, members, _part_paths(work_dir.path, members))
            for split, members in _by_split(parts).items()
        },
        statistics=_statistics(parts),
        options=recorded_options(options, decision.rate_hz, *_of_channels(decision)),
        versions=_versions(),
        rejects=len(rejects),
        left_out=left_out,
    )
    finish_dataset(prepared, manifest)
    return prepared


def recorded_options(
    options: ConvertOptions, rate_hz: float, channels: Sequence[str], units: Sequence[str]
) -> dict[str, Any]:
    """What a manifest records of the options; also rate, channels and units that were found.

    Recordings that are predicted later are read by these.
    """
    recorded = options.recorded()
    found = {"sample_rate_hz": rate_hz, "channels": [*channels], "units": [*units]}
    not_named = {name: value for name, value in found.items() if value and not recorded.get(name)}
    return {**recorded, **not_named}


def _of_channels(decision: Decision) -> tuple[list[str], list[str]]:
    """Names and units of the channels, where all recordings say the same; else none."""
    names = decision.channels
    units = [channel.unit for channel in decision.layout] if names else []
    return names, units if any(units) else []


def _place(options: ConvertOptions, prepared: str, parts: Sequence[Part]) -> None:
    """Puts everything into the dataset folder, in the place of an older dataset.

    All is written by now, so a disk that is full leaves the older one as it was. After a kill in
    here the same command finds each shard in one folder or the other, and prepares the rest again.
    Names are flushed before and after those of the files: no power cut leaves a manifest beside
    files of another dataset, or the work folder gone and the manifest not there.
    """
    folder, work_dir = options.dataset_dir, WorkDir(options.dataset_dir).path
    remove(join(folder, MANIFEST))
    flush(folder)
    for part in parts:
        if gfile.exists(join(work_dir, part.file)):
            replace(join(work_dir, part.file), join(folder, part.file))
    files = {*gfile.listdir(prepared)} - {MANIFEST}
    for name in files:
        replace(join(prepared, name), join(folder, name))
    _remove_replaced(options, {*files, *(part.file for part in parts)})
    flush(folder)
    replace(join(prepared, MANIFEST), join(folder, MANIFEST))
    flush(folder)


def _remove_replaced(options: ConvertOptions, kept: set[str]) -> None:
    """Removes what is left of an older dataset, and of files that a kill left half written."""
    patterns = (f"{options.name}-*.tfrecord-*-of-*", CLASS_NAMES)
    for name in {*gfile.listdir(options.dataset_dir)} - kept:
        is_old = any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        if is_old or is_temporary(name):
            remove(join(options.dataset_dir, name))


def _by_split(parts: Sequence[Part]) -> dict[str, list[Part]]:
    groups = itertools.groupby(parts, key=lambda part: part.split)
    return {split: list(members) for split, members in groups}


def _part_paths(work_dir: str, parts: Sequence[Part]) -> list[str]:
    return [part_path(work_dir, part.split, part.shard) for part in parts]


def _count_groups(paths: Iterable[str]) -> int:
    """Number of groups in index files; of each, 8 bytes are in memory at a time."""
    groups = itertools.chain.from_iterable(map(groups_in, paths))
    hashes = np.fromiter(map(stable_hash, groups), np.uint64)
    hashes.sort()
    return len(hashes[:1]) + int(np.count_nonzero(hashes[1:] != hashes[:-1]))


def _split_entry(decision: Decision, parts: Sequence[Part], paths: Iterable[str]) -> SplitEntry:
    lengths: collections.Counter[int] = collections.Counter()
    classes: collections.Counter[int] = collections.Counter()
    missing_heads: collections.Counter[str] = collections.Counter()
    for part in parts:
        missing_heads.update(part.missing_heads)
        lengths.update(part.lengths)
        classes.update(part.class_counts)
    names = decision.labels.spec.class_names if decision.labels else ()
    return SplitEntry(
        shards=tuple(ShardEntry(p.file, p.records, p.size_bytes, p.sha256) for p in parts),
        records=sum(part.records for part in parts),
        groups=_count_groups(paths),
        steps=sum(steps * count for steps, count in lengths.items()),
        size_bytes=sum(part.size_bytes for part in parts),
        class_counts={name: classes[index] for index, name in enumerate(names)},
        length_histogram=dict(sorted(lengths.items())),
        missing_labels=sum(part.missing_labels for part in parts),
        missing_heads=dict(missing_heads),
    )


def _statistics(parts: Sequence[Part]) -> Statistics | None:
    total = merged(part.channels for part in parts)  # Only the training split's parts have them.
    return total.statistics() if total else None


def _versions() -> dict[str, str]:
    found = {package: metadata.version(package) for package in _PACKAGES}
    return {**found, "python": platform.python_version()}
