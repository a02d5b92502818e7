"""Features of frozen layers, computed once per frame and kept as an ordinary dataset.

Each split of a dataset becomes a dataset folder of its own, with that split alone: the same ids,
order, shards and labels, and instead of frames a signal of `[time, values]` float32. It is read
through the same plan and reader. The folder's name holds a key of all that the features depend on.

What a record gives does not depend on the others of its split. So folds, whose splits are parts of
shards, take theirs from the features of whole shards, which are computed once for all folds.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import tensorflow as tf

from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.plan import EpochPlan
from pipeline.batches.valid_labels import label_lengths, unpadded
from pipeline.console.terminal import say
from tfrecords_schema import (
    Dataset,
    DatasetError,
    IndexRow,
    Manifest,
    RecordSchema,
    ShardEntry,
    SplitEntry,
    finish_dataset,
    hash_file,
    open_dataset,
    read_rows,
    write_index,
)
from tfrecords_schema.names import INDEX, MANIFEST, join, shard_name
from tfrecords_schema.places import gfile
from tfrecords_schema.record_writer import FRAMING_BYTES, RecordWriter
from tfrecords_schema.selection import write_selection
from tfrecords_schema.storage import make_folder, remove_abandoned, replacing
from trainer.layers.packing import pack_steps
from trainer.models.family import BuiltModel
from trainer.models.frames import FrameModelOptions
from trainer.runs.asked import Asked
from trainer.runs.checkpoints import Checkpoints, load_trained

_FORMAT_VERSION = 1
_ALL = "records"  # The one split of all records of some shards.
# Frames that go through the network together, and that are decoded together at most.
_FRAMES_PER_CALL = 32


class FeatureCache:
    """The features of one dataset under one frozen network."""

    def __init__(self, folder: str, dataset: Dataset, network: keras.Model):
        """Prepares; nothing is computed yet.

        Args:
          folder: where the folders of the splits are, or will be.
          dataset: has frames.
          network: `[rows, height, width, 3]` uint8 to `[rows, values]` float32, in its final state.
        """
        self._dataset = dataset
        self._network = network
        self.key = cache_key(dataset, network)
        self._root = folder
        self._name = f"{dataset.manifest.name}-{self.key[:16]}"
        values = dataclasses.replace(
            dataset.schema.input, kind="signal", dtype="float32",
            step_shape=tuple(network.output.shape[1:]),
        )  # fmt: skip
        self._schema = RecordSchema(values, dataset.schema.label)
        frame = tf.TensorSpec([None, *dataset.schema.input.step_shape], tf.uint8)
        self._compute = tf.function(
            lambda frames: network(frames, training=False),
            input_signature=[frame],
            autograph=False,
        )

    def dataset(self, split: str) -> Dataset:
        """Opens the features of one split, after computing them where they are not there yet.

        Shards that an interrupted computation left are kept.

        Raises:
          DatasetError: the dataset has no such split, or the features there are of something else.
        """
        names = (self._name, split, self._dataset.manifest.version)
        path = join(self._root, *names)
        if not gfile.exists(join(path, MANIFEST)):
            entry = self._dataset.manifest.splits[split]
            is_whole = entry.records == sum(shard.records for shard in entry.shards)
            write = self._write if is_whole else self._select
            write(split, make_folder(self._root, *names))
        dataset = open_dataset(path)
        if dataset.manifest.options.get("key") != self.key:
            raise DatasetError(f"{path} holds features of something else; remove the folder")
        return dataset

    def _write(self, split: str, path: str) -> None:
        entry = self._dataset.manifest.splits[split]
        started = time.monotonic()
        remove_abandoned(path)
        index = self._dataset.split(split)
        reader = BatchReader(self._dataset, split, parallel_batches=2, index=index)
        ids = index.ids()
        shards, sizes = [], []
        for number in range(len(entry.shards)):
            records = np.flatnonzero(index.shard == number).astype(np.int32)
            file = shard_name(self._dataset.manifest.name, split, number, len(entry.shards))
            written = _found_shard(join(path, file), len(records))
            if written is None:
                plan = _in_order(records, index.steps[records])
                written = self._write_shard(join(path, file), reader.epoch(plan), ids)
            sizes.append(written[0])
            shards.append(ShardEntry(file, len(records), sum(written[0]), written[1]))
        write_index(join(path, INDEX), self._rows(split, sizes))
        self._commit(path, split, entry, shards)
        secs = time.monotonic() - started
        say(f"features of {entry.steps} frames of split {split}: {secs:.1f} s, in {path}")

    def _select(self, split: str, path: str) -> None:
        """Takes the features of a part of some shards from those of all their records."""
        whole = self._of_whole_shards(split)
        own = {**whole.manifest.options, "key": self.key}
        source = dataclasses.replace(
            whole, manifest=dataclasses.replace(whole.manifest, options=own)
        )
        ids = {*self._dataset.split(split).ids()}
        entry = self._dataset.manifest.splits[split]
        write_selection(
            path,
            source,
            (_ALL,),
            lambda row: split if row.id in ids else "",
            {split: entry.class_counts},
            None,
            {split: entry.missing_labels},
        )

    def _of_whole_shards(self, split: str) -> Dataset:
        """The features of every record in the shards of a split."""
        shards = {shard.file for shard in self._dataset.manifest.splits[split].shards}
        source = open_dataset(self._dataset.shard_folder)
        splits = sorted(
            name
            for name, entry in source.manifest.splits.items()
            if shards & {shard.file for shard in entry.shards}
        )
        key = hashlib.sha256(json.dumps([source.manifest.fingerprint, splits]).encode())
        folder = make_folder(self._root, f"{source.manifest.name}-shards-{key.hexdigest()[:16]}")
        records = write_selection(folder, source, splits, lambda row: _ALL, {_ALL: {}}, None)
        return FeatureCache(self._root, records, self._network).dataset(_ALL)

    def _write_shard(
        self, path: str, batches: tf.data.Dataset, ids: list[str]
    ) -> tuple[list[int], str]:
        """Sizes in bytes of the records, with their framing, and the shard's SHA-256 (hex)."""
        with (
            replacing(path) as temporary,
            ThreadPoolExecutor(1) as helpers,
            RecordWriter(temporary, helpers) as writer,
        ):
            ends = [0]
            for batch in batches:
                for record_id, features, label, beside in self._records(batch, ids):
                    writer.write(self._schema.encode(record_id, features, label, beside=beside))
                    ends.append(writer.size_bytes)
        return np.diff(ends).tolist(), writer.sha256

    def _records(
        self, batch: dict[str, tf.Tensor], ids: list[str]
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray | None, np.ndarray | None]]:
        lengths = batch["lengths"].numpy()
        packed = self._features(pack_steps(batch["frames"], batch["lengths"]))
        features = np.split(packed, np.cumsum(lengths)[:-1])
        labels = self._labels(batch)
        padded = batch["beside"].numpy() if "beside" in batch else [None] * len(lengths)
        columns = (batch["record"].numpy(), features, labels, padded)
        for record, values, label, beside in zip(*columns, strict=True):
            yield ids[record], values, label, None if beside is None else beside[: len(values)]

    def _labels(self, batch: dict[str, tf.Tensor]) -> Sequence[np.ndarray | None]:
        """Of each record, as it is stored."""
        label = self._schema.label
        if label is None:
            return [None] * len(batch["lengths"])
        values = batch["label"].numpy()
        if label.per == "record":
            return list(values)
        return unpadded(values, label_lengths(batch, label).numpy(), label)

    def _features(self, frames: tf.Tensor) -> np.ndarray:
        parts = [
            self._compute(frames[begin : begin + _FRAMES_PER_CALL]).numpy()
            for begin in range(0, len(frames), _FRAMES_PER_CALL)
        ]
        return np.concatenate(parts)

    def _rows(self, split: str, sizes: list[list[int]]) -> Iterator[IndexRow]:
        """The dataset's own rows, at their places in the shards of features."""
        places = [zip(np.cumsum([0, *shard]).tolist(), shard, strict=False) for shard in sizes]
        for row in read_rows(join(self._dataset.path, INDEX)):
            if row.split == split:
                offset, size = next(places[row.shard])  # Splits may come in another order.
                yield dataclasses.replace(row, offset=offset, size_bytes=size)

    def _commit(self, path: str, split: str, entry: SplitEntry, shards: list[ShardEntry]) -> None:
        """Writes the manifest last: a folder without it is not a dataset."""
        written = dataclasses.replace(
            entry, shards=tuple(shards), size_bytes=sum(shard.size_bytes for shard in shards)
        )
        source = self._dataset.manifest
        manifest = Manifest(
            source.name, source.version, self._schema, {split: written}, None,
            options={"features_of": source.fingerprint, "key": self.key},
            versions={"tensorflow": tf.__version__, "keras": keras.__version__},
        )  # fmt: skip
        finish_dataset(path, manifest)


def open_cache(asked: Asked, model: BuiltModel, dataset: Dataset) -> FeatureCache | None:
    """The cache of a run, or None where nothing is frozen or `--nocache_features` was given.

    None also where training changes the recordings: what is frozen sees others in every epoch.

    The weights that the run has left so far are restored first: the features rest on them.
    After training these are the ones that `--evaluate_with` names.
    """
    options = next((o for o in asked.model.options if isinstance(o, FrameModelOptions)), None)
    if model.features is None or options is None or not options.cache_features:
        return None
    if asked.augmentations:
        return None
    run_dir = asked.run.run_dir
    if asked.run.mode == "train":
        checkpoints = Checkpoints(join(run_dir, "checkpoints"), keep=1)
        checkpoints.restore_latest({"model": model.full.variables})
    else:
        load_trained(run_dir, asked.training.evaluate_with, model.full)
    folder = options.feature_cache_dir or make_folder(run_dir, "features")
    return FeatureCache(folder, dataset, model.features)


def cache_key(dataset: Dataset, network: keras.Model) -> str:
    """SHA-256 (hex) over the data, the network's layers and weights, its output and precision."""
    digest = hashlib.sha256()
    policy = keras.config.dtype_policy().name
    names = [weight.path.rsplit("/", 1)[-1] for weight in network.weights]
    shapes = [list(network.input.shape), list(network.output.shape)]
    data = dataset.manifest.fingerprint
    content = [_FORMAT_VERSION, data, names, shapes, policy, _structure(network)]
    digest.update(json.dumps(content).encode())
    for weight in network.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def _structure(layer: keras.layers.Layer) -> list[str]:
    """Kinds of all layers within, without names: Keras numbers those over the whole process."""
    found = [f"{type(layer).__name__} {getattr(layer, 'backbone', '')}"]
    inner = getattr(layer, "layers", None) or [getattr(layer, "layer", None)]
    for part in filter(None, inner):
        found += _structure(part)
    return found


def _in_order(records: np.ndarray, steps: np.ndarray) -> EpochPlan:
    """A plan of these records in this order, a few frames at a time, and one record at least."""
    if not len(records):
        return EpochPlan(records, np.zeros(1, np.int32), records, 0)
    starts, frames = [0], 0
    for position, count in enumerate(steps.tolist()):
        longest = max(frames, count)
        if (position + 1 - starts[-1]) * longest > _FRAMES_PER_CALL and position > starts[-1]:
            starts.append(position)
            longest = count
        frames = longest
    return EpochPlan(
        records=records,
        step_starts=np.array([*starts, len(records)], np.int32),
        padded_steps=np.maximum.reduceat(steps, starts).astype(np.int32),
        valid_steps=int(steps.sum()),
    )


def _found_shard(path: str, records: int) -> tuple[list[int], str] | None:
    """Like `_write_shard`, of a shard that is there; None if it is not, or is damaged."""
    try:
        sizes = [len(record.numpy()) + FRAMING_BYTES for record in tf.data.TFRecordDataset(path)]
    except (tf.errors.NotFoundError, tf.errors.DataLossError):
        return None
    return (sizes, hash_file(path).sha256) if len(sizes) == records else None
