"""Opening a dataset folder, with errors that say what is wrong with it."""

import dataclasses
import difflib
import weakref
from collections.abc import MutableMapping

import numpy as np
import tensorflow as tf

from tfrecords_schema.decoding import json_object
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.files import hash_file
from tfrecords_schema.index import SplitIndex, count_rows
from tfrecords_schema.manifest import Manifest, SplitEntry
from tfrecords_schema.names import INDEX, MANIFEST, OUTCOME, WORK_DIR, join
from tfrecords_schema.places import gfile
from tfrecords_schema.schema import RecordSchema
from tfrecords_schema.storage import read

_AT_ONCE = 1 << 20  # NumPy copies what it counts as 16 bytes a record.
_in_use: MutableMapping[tuple[str, str, str], SplitIndex] = weakref.WeakValueDictionary()
_FOR_SHARDS = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "hdfs", "file")
"""Where a selection's shards may be, besides local folders and where it is itself."""
_FRAME_BYTES = 2  # In front of each frame of a record, however small that is.


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A complete dataset folder: its path and its manifest."""

    path: str
    manifest: Manifest

    @property
    def schema(self) -> RecordSchema:
        """Features of a record."""
        return self.manifest.schema

    @property
    def shard_folder(self) -> str:
        """Where the shards are: here, or in the dataset that records were selected of."""
        return self.manifest.shards_of or self.path

    def split(self, name: str) -> SplitIndex:
        """Loads the index of one split (16 bytes a record), or gives one that is in use.

        Raises:
          DatasetError: if there is no such split, or it is empty.
        """
        self._require_split(name)
        key = (self.path, self.manifest.files[INDEX].sha256, name)
        if (used := _in_use.get(key)) is None:
            used = _in_use[key] = self._loaded(name)
        return used

    def _loaded(self, name: str) -> SplitIndex:
        index, entry = SplitIndex(join(self.path, INDEX), name), self.manifest.splits[name]
        place = f"{join(self.path, INDEX)}: split {name!r}"
        if len(index) != entry.records:
            raise DatasetError(
                f"{place} has {len(index)} rows, the manifest says {entry.records}; convert again"
            )
        for shard in {index.shard.min(), index.shard.max()} - {*range(len(entry.shards))}:
            raise DatasetError(
                f"{place} has rows of shard {shard}, there are {len(entry.shards)}; convert again"
            )
        self._require_room(index, entry, place)
        return index

    def _require_room(self, index: SplitIndex, entry: SplitEntry, place: str) -> None:
        """Refuses places outside of the shards, and steps that their bytes cannot hold.

        Memory is taken by them.
        """
        most = max(shard.size_bytes for shard in entry.shards)
        for offset in {index.offset.min(), index.offset.max()}:
            if not 0 <= offset < most:
                raise DatasetError(
                    f"{place} has a record at byte {offset} of a shard, the largest has {most} "
                    "bytes; convert again"
                )
        spec, label = self.schema.input, self.schema.label
        of_step = _FRAME_BYTES if spec.kind == "frames" else _bytes(spec.step_shape, spec.dtype)
        of_step += _bytes((len(spec.beside),), "float32")
        _require_steps(index.steps, of_step, index, entry, place)
        if label and label.per == "sequence":
            of_label = _bytes(label.shape, label.dtype)
            _require_steps(index.label_steps(), of_label, index, entry, place)

    def shard_paths(self, split: str) -> list[str]:
        """Paths of a split's shards, in the order of their numbers."""
        self._require_split(split)
        folder, shards = self.shard_folder, self.manifest.splits[split].shards
        return [join(folder, shard.file) for shard in shards]

    def _require_split(self, name: str) -> None:
        splits = self.manifest.splits
        if name not in splits:
            near = difflib.get_close_matches(name, splits, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise DatasetError(
                f"{self.path} has no split {name!r}, it has {', '.join(sorted(splits))}{hint}"
            )
        if splits[name].records == 0:
            raise DatasetError(
                f"split {name!r} of {self.path} is empty; convert with other --splits"
            )


def _bytes(shape: tuple[int, ...], dtype: str) -> float:
    return float(np.prod(shape, dtype=float) * np.dtype(dtype).itemsize)


def _require_steps(
    steps: np.ndarray, of_step: float, index: SplitIndex, entry: SplitEntry, place: str
) -> None:
    if steps.min() < 0:
        raise DatasetError(f"{place} has a record of fewer than 0 steps; convert again")
    needed = np.zeros(len(entry.shards))
    for start in range(0, len(steps), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        needed += np.bincount(index.shard[part], steps[part], len(entry.shards)) * of_step
    for shard, most in zip(entry.shards, needed, strict=True):
        if most > shard.size_bytes:
            raise DatasetError(
                f"{place} has more steps in {shard.file} than its {shard.size_bytes} bytes can "
                "hold; convert again"
            )


def open_dataset(path: str) -> Dataset:
    """Opens a dataset folder, `<output_dir>/<name>/<version>`.

    Checks the manifest, the index, and that the shards are there with the right sizes; their
    contents are not read (for those there is `python -m pipeline.verify`).

    Raises:
      DatasetError: if the folder is missing, was never completed, was written in another
        format, or the manifest, the index or the size of a shard are not as they were written.
    """
    path = path.rstrip("/")
    dataset = Dataset(path, read_manifest(path))
    for split in dataset.manifest.splits.values():
        for shard in split.shards:
            check_size(join(dataset.shard_folder, shard.file), shard.size_bytes)
    _check_index(join(path, INDEX), dataset.manifest)
    return dataset


def read_manifest(path: str) -> Manifest:
    """Reads the manifest of a dataset folder, and nothing else.

    Raises:
      DatasetError: if there is none, or it is not as it was written.
    """
    content = read(join(path, MANIFEST))
    if content is None:
        raise DatasetError(_why_no_manifest(path))
    try:
        manifest = Manifest.from_json(content.decode("utf-8"))
        _require_store(manifest.shards_of, path)
        return manifest
    except ValueError as error:
        raise DatasetError(f"{join(path, MANIFEST)}: {error}") from error


def _require_store(shards_of: str, path: str) -> None:
    """Refuses to ask just any server for shards because a file says so.

    Raises:
      DatasetError: it would be one.
    """
    scheme, is_remote, _ = shards_of.partition("://")
    if is_remote and scheme not in (path.partition("://")[0], *_FOR_SHARDS):
        raise DatasetError(
            f"shards_of: got {shards_of!r:.200}, expected a folder or an object store; do not use "
            "this dataset if you do not know why"
        )


def _why_no_manifest(path: str) -> str:
    if not gfile.isdir(path):
        return f"no dataset folder at {path}; give <output_dir>/<name>/<version>"
    if gfile.exists(join(path, WORK_DIR)):
        if refusal := _refusal(path):
            return f"{path} has no {MANIFEST}: its conversion committed nothing, as {refusal}"
        return (
            f"{path} has no {MANIFEST}: its conversion is still running or was interrupted; "
            "run the same conversion command again, it goes on where it was"
        )
    inside = sorted(name.rstrip("/") for name in gfile.listdir(path))
    nested = (join(path, name) for name in inside if gfile.exists(join(path, name, MANIFEST)))
    near = next(nested, "")
    return (
        f"{path} has no {MANIFEST}, so it is not a dataset folder (found: "
        f"{', '.join(inside[:5]) or 'nothing'}); "
        + (f"did you mean {near}?" if near else "give <output_dir>/<name>/<version>, or convert ")
        + ("" if near else "recordings to one with python -m pipeline")
    )


def _refusal(path: str) -> str:
    """Why the conversion of a folder was refused; empty if it was not, or is not known to be."""
    try:
        found = json_object(read(join(path, WORK_DIR, OUTCOME)) or b"").get("refusal")
    except DatasetError:
        return ""
    return " ".join(found.split()) if isinstance(found, str) else ""


def check_size(path: str, size_bytes: int) -> None:
    """Checks that a file is there and how large it is.

    Raises:
      DatasetError: if it is missing, or has another size than the manifest says.
    """
    try:
        found = gfile.stat(path).length
    except tf.errors.NotFoundError:
        raise DatasetError(
            f"{path} is missing; copy it again, or convert again with --overwrite"
        ) from None
    except tf.errors.OpError as error:  # Of a name that no file can have, say.
        raise DatasetError(f"{path} cannot be read ({error.message}); copy it again") from error
    if found != size_bytes:
        raise DatasetError(
            f"{path} has {found} bytes, the manifest says {size_bytes}; copy it again, or convert "
            "again with --overwrite"
        )


def _check_index(path: str, manifest: Manifest) -> None:
    entry = manifest.files.get(INDEX)
    if entry is None:
        raise DatasetError(f"the manifest beside {path} says nothing of it; convert again")
    check_size(path, entry.size_bytes)
    if hash_file(path).sha256 != entry.sha256:
        raise DatasetError(
            f"{path} is not the index that the manifest was written with: it is damaged, or of "
            "another dataset; copy it again, or convert again with --overwrite"
        )
    check_rows(path, manifest)


def check_rows(path: str, manifest: Manifest) -> None:
    """Checks how many rows an index has before any is read.

    Raises:
      DatasetError: if it has others than the manifest says.
    """
    expected = sum(split.records for split in manifest.splits.values())
    if (found := count_rows(path)) != expected:
        raise DatasetError(f"{path} has {found} rows, the manifest says {expected}; convert again")
