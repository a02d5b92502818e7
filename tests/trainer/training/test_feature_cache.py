import pathlib
import socket

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.plan import BatchOptions
from tests.datasets import (
    CLASS_PER_RECORD,
    VALUE_PER_RECORD,
    VALUE_PER_STEP,
    VALUE_SEQUENCE,
)
from tests.trainer import frame_models
from tests.trainer.frame_models import SMALL_HEAD, frames_dataset
from tfrecords_schema import DatasetError, open_dataset
from tfrecords_schema.storage import temporary_path
from trainer.data.split_data import SplitData
from trainer.models.frames import build_frame_model
from trainer.runs.asked import asked
from trainer.session import build, open_data
from trainer.step.steps import Steps
from trainer.step.task import Task
from trainer.training.feature_cache import FeatureCache, open_cache

_LENGTHS = [3, 1, 4, 2, 2, 5, 1]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return frame_models.write_backbone_weights(
        tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    )


@pytest.fixture(scope="module")
def network():
    """A frozen network that is quickly built: the mean colour of a frame, and its brightest."""
    frame = keras.Input((32, 32, 3), dtype="uint8")
    pixels = keras.layers.Rescaling(1 / 255)(frame)
    parts = [
        keras.layers.GlobalAveragePooling2D()(pixels),
        keras.layers.GlobalMaxPooling2D()(pixels),
    ]
    dense = keras.layers.Dense(6, kernel_initializer="orthogonal", trainable=False)
    return keras.Model(frame, dense(keras.layers.Concatenate()(parts)))


def _batches(dataset, split):
    data = SplitData(dataset, split, BatchOptions(batch_size=3, num_buckets=2))
    return list(data.read(data.plan(shuffle=False)))


@pytest.mark.parametrize(
    "label", [CLASS_PER_RECORD, VALUE_PER_STEP, VALUE_SEQUENCE], ids=lambda label: label.per
)
def test_features_are_an_ordinary_dataset_of_the_same_records(label, network, tmp_path):
    dataset = frames_dataset(tmp_path, label, {"train": _LENGTHS, "test": [2]})
    cached = FeatureCache(str(tmp_path / "features"), dataset, network).dataset("train")
    for read in ("ids", "groups", "sources", "labels"):
        assert getattr(cached.split("train"), read)() == getattr(dataset.split("train"), read)()
    assert list(cached.manifest.splits) == ["train"]
    shards = [[s.records for s in d.manifest.splits["train"].shards] for d in (cached, dataset)]
    assert shards[0] == shards[1]
    for frames, signal in zip(_batches(dataset, "train"), _batches(cached, "train"), strict=True):
        for same in frames.keys() - {"frames"}:
            np.testing.assert_array_equal(signal[same], frames[same])
        for row, length in enumerate(frames["lengths"].numpy()):
            expected = network(frames["frames"][row, :length])
            np.testing.assert_allclose(signal["signal"][row, :length], expected, atol=1e-6)
            assert not np.any(signal["signal"][row, length:])


def test_an_interrupted_computation_goes_on_and_ends_in_the_same_bytes(
    network, tmp_path, monkeypatch
):
    dataset = frames_dataset(tmp_path, VALUE_PER_RECORD, {"train": _LENGTHS})
    whole = FeatureCache(str(tmp_path / "whole"), dataset, network).dataset("train")
    cache = FeatureCache(str(tmp_path / "cut"), dataset, network)
    write, written = FeatureCache._write_shard, []

    def write_one_then_stop(self, path, batches, ids):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        return write(self, path, batches, ids)

    monkeypatch.setattr(FeatureCache, "_write_shard", write_one_then_stop)
    with pytest.raises(KeyboardInterrupt):
        cache.dataset("train")
    (folder,) = (tmp_path / "cut").glob("*/train/*")
    with pytest.raises(DatasetError, match="has no manifest"):
        open_dataset(str(folder))
    shard = next(folder.glob("*.tfrecord-00000*"))
    left = pathlib.Path(f"{shard}.{2**22 + 1}-1-{socket.gethostname()}-{'0' * 32}.tmp")
    left.write_bytes(b"of a process that was killed")
    others = pathlib.Path(temporary_path(str(shard)))
    others.write_bytes(b"of one that is alive")
    again = []
    monkeypatch.setattr(
        FeatureCache,
        "_write_shard",
        lambda self, path, *rest: again.append(path) or write(self, path, *rest),
    )
    resumed = cache.dataset("train")
    assert (left.exists(), others.exists()) == (False, True)
    assert len(again) == len(whole.manifest.splits["train"].shards) - 1
    assert resumed.manifest == whole.manifest
    assert (folder / "index.parquet").read_bytes() == tf.io.gfile.GFile(
        f"{whole.path}/index.parquet", "rb"
    ).read()


def test_features_are_found_again_and_only_under_the_same_weights_and_data(
    network, tmp_path, monkeypatch
):
    dataset = frames_dataset(tmp_path / "one", VALUE_PER_RECORD, {"train": [2, 1], "test": [1]})
    folder = str(tmp_path / "features")
    first = FeatureCache(folder, dataset, network).dataset("train")
    monkeypatch.setattr(FeatureCache, "_write", lambda *_: pytest.fail("computed again"))
    assert FeatureCache(folder, dataset, network).dataset("train").path == first.path
    key = FeatureCache(folder, dataset, network).key
    longer = frames_dataset(tmp_path / "two", VALUE_PER_RECORD, {"train": [2, 2], "test": [1]})
    assert FeatureCache(folder, longer, network).key != key
    variable = network.weights[0]
    before = variable.numpy()
    variable.assign(before + np.eye(6)[0] * 1e-6)
    assert FeatureCache(folder, dataset, network).key != key
    variable.assign(before)
    assert FeatureCache(folder, dataset, network).key == key


def test_long_records_go_through_the_network_a_few_frames_at_a_time(network, tmp_path, monkeypatch):
    dataset = frames_dataset(tmp_path, VALUE_PER_RECORD, {"train": [9, 1, 3]}, num_shards=1)
    whole = FeatureCache(str(tmp_path / "whole"), dataset, network).dataset("train")
    monkeypatch.setattr("trainer.training.feature_cache._FRAMES_PER_CALL", 4)
    parts = FeatureCache(str(tmp_path / "parts"), dataset, network).dataset("train")
    for one, other in zip(_batches(whole, "train"), _batches(parts, "train"), strict=True):
        np.testing.assert_allclose(one["signal"], other["signal"], atol=1e-6)


def test_training_on_cached_features_ends_in_the_same_weights(weights, tmp_path):
    """Also with numbers beside the frames, which are trained on either way."""
    dataset = frames_dataset(
        tmp_path, VALUE_PER_RECORD, {"train": _LENGTHS}, input_spec=frame_models.BESIDE
    )

    def train(cached: bool) -> list[np.ndarray]:
        keras.utils.clear_session()
        keras.utils.set_random_seed(3)
        options = frame_models.mobilenet_options(weights, trainable=4)
        model = build_frame_model(options, SMALL_HEAD, frame_models.BESIDE, VALUE_PER_RECORD)
        data, computed = dataset, model.full
        if cached:
            data = FeatureCache(str(tmp_path / "features"), dataset, model.features).dataset(
                "train"
            )
            computed = model.from_features
        start = [v.numpy() for v in model.full.variables]
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
        steps = Steps(tf.distribute.get_strategy(), computed, optimizer, Task(VALUE_PER_RECORD))
        split = SplitData(data, "train", BatchOptions(batch_size=3, num_buckets=2))
        for epoch in range(2):
            plan = split.plan(seed=1, epoch=epoch)
            batches, spec = split.batches(plan, tf.distribute.get_strategy())
            for _ in range(plan.num_steps):
                steps.train(next(batches), spec)
        trained = {id(v) for v in model.full.trainable_variables}
        moved = [
            bool(np.any(v.numpy() != before))
            for v, before in zip(model.full.variables, start, strict=True)
            if id(v) in trained
        ]
        assert all(moved)
        return [v.numpy() for v in model.full.variables]

    for without, with_cache in zip(train(False), train(True), strict=True):
        np.testing.assert_allclose(with_cache, without, atol=1e-5, rtol=0)


def test_no_features_are_kept_of_recordings_that_training_changes(weights, tmp_path):
    dataset = frames_dataset(tmp_path, VALUE_PER_RECORD, {"train": _LENGTHS})
    network = ["--model=frames", "--backbone=MobileNetV2", f"--backbone_weights={weights}"]
    flags = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run", *network, "--rnn_cell=none"]
    caches = []
    for more in ([], ["--flip"]):
        command = asked([*flags, *more])
        built = build(command, data := open_data(command), tf.distribute.get_strategy())
        caches.append(open_cache(command, built, data.dataset))
        assert built.features is not None
    assert caches[0] is not None
    assert caches[1] is None
