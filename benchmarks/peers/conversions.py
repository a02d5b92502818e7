"""Worker process: converts a folder of npz signals in one of several ways, whenever it is asked to.

python -m benchmarks.peers.conversions --way=ours --inputs=FOLDER --output=FOLDER --core=0

The ways: `ours`, `bare` (a loop of `np.load` and `tf.io.TFRecordWriter`, bytes features, no
statistics, no hashes), `float_lists` (Beam's WriteToTFRecord of float lists, as most examples have
it), `tfds_beam` (a BeamBasedBuilder of tensorflow-datasets, bytes features).
"""

import contextlib
import os
import pathlib
import shutil
import sys
import time
from typing import Any

from pipeline.console import quiet

quiet.start(gpu=False)

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.recordings import conversion_flags
from benchmarks.harness.worker import report, turns
from pipeline.conversion.convert import main as convert

NUM_SHARDS = 8


def ours(inputs: str, output: str) -> None:
    """`python -m pipeline`."""
    flags = [f"--input_dir={inputs}", f"--num_shards={NUM_SHARDS}", *conversion_flags(output)]
    assert convert(flags) == 0


def bare(inputs: str, output: str) -> None:
    """The least that makes records of arrays."""
    paths = _paths(inputs)
    for shard in range(NUM_SHARDS):
        name = f"{output}/bench.tfrecord-{shard:05d}-of-{NUM_SHARDS:05d}"
        with tf.io.TFRecordWriter(name) as writer:
            for path in paths[shard::NUM_SHARDS]:
                record = _load(path)
                example = _example(
                    id=_bytes(record["id"].encode()),
                    signal=_bytes(record["signal"].tobytes()),
                    label=_bytes(record["label"].tobytes()),
                )
                writer.write(example)


def float_lists(inputs: str, output: str) -> None:
    """Beam's own writer."""
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create(_paths(inputs))
            | beam.Reshuffle()
            | beam.Map(_load)
            | beam.Map(_float_example)
            | beam.io.WriteToTFRecord(f"{output}/bench.tfrecord", num_shards=NUM_SHARDS)
        )


def tfds_beam(inputs: str, output: str) -> None:
    """A builder of tensorflow-datasets."""
    _Bench.inputs = inputs
    config = tfds.download.DownloadConfig(
        beam_runner=FnApiRunner(), beam_options=PipelineOptions([]), num_shards=NUM_SHARDS
    )
    _Bench(data_dir=output).download_and_prepare(download_config=config)


class _Bench(tfds.core.BeamBasedBuilder):
    """The same signals."""

    VERSION = tfds.core.Version("1.0.0")
    inputs = ""

    def _info(self) -> tfds.core.DatasetInfo:
        stored = tfds.features.Encoding.BYTES
        features = {
            "id": tfds.features.Text(),
            "signal": tfds.features.Tensor(
                shape=(None, 3000, 1), dtype=np.float32, encoding=stored
            ),
            "label": tfds.features.Tensor(shape=(None,), dtype=np.int64, encoding=stored),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, _: Any) -> dict[str, Any]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Any:
        return beam.Create(_paths(self.inputs)) | beam.Map(lambda path: (path, _load(path)))


def _paths(inputs: str) -> list[str]:
    return sorted(map(str, pathlib.Path(inputs).glob("*.npz")))


def _load(path: str) -> dict[str, Any]:
    with np.load(path) as arrays:
        return {"id": pathlib.Path(path).stem, "signal": arrays["signal"], "label": arrays["label"]}


def _example(**features: tf.train.Feature) -> bytes:
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _float_example(record: dict[str, Any]) -> bytes:
    return _example(
        id=_bytes(record["id"].encode()),
        signal=tf.train.Feature(float_list=tf.train.FloatList(value=record["signal"].ravel())),
        steps=tf.train.Feature(int64_list=tf.train.Int64List(value=[len(record["signal"])])),
        label=tf.train.Feature(int64_list=tf.train.Int64List(value=record["label"])),
    )


_WAYS = {way.__name__: way for way in (ours, bare, float_lists, tfds_beam)}


def main() -> None:
    """Converts once for each turn, and reports the processor seconds of all threads."""
    args = parse_flags(__doc__, way=str, inputs=str, output=str, core=0)
    os.sched_setaffinity(0, {args.core})
    for _ in turns():
        os.makedirs(args.output)
        started = time.process_time()
        with contextlib.redirect_stdout(sys.stderr):
            _WAYS[args.way](args.inputs, args.output)
        cpu_secs = time.process_time() - started
        shutil.rmtree(args.output)
        report(cpu_secs=cpu_secs)


if __name__ == "__main__":
    main()
