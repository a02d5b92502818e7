"""Worker process: reads or converts a folder of recordings, by this project or by a bare loop.

python -m benchmarks.peers.kind_loops --way=ours_read --kind=audio --inputs=FOLDER --output=FOLDER

The ways: `ours_read` lists the inputs of the kind and reads each, as a prediction does;
`bare_read` is the loop that everybody writes with the library of the field; `ours_convert` is
`python -m pipeline`; `bare_convert` the bare loop, which writes what it has read with
`tf.io.TFRecordWriter`, without statistics, hashes, labels or an index.
"""

import contextlib
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any

from pipeline.console import quiet

quiet.start(gpu=False)

import numpy as np
import tensorflow as tf

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.worker import report, turns
from pipeline.conversion.convert import main as convert
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source, sources
from pipeline.sources.source import InputFile

FRAME_SIZE = 112
_SUFFIXES = {"audio": "wav", "edf": "edf", "wfdb": "hea", "video": "mp4"}


def ours_read(kind: str, inputs: str, output: str) -> None:
    """Lists and reads."""
    del output
    resize = {"resize": f"{FRAME_SIZE}x{FRAME_SIZE}"} if kind == "video" else {}
    options = sources()[kind].options_kind()(inputs, "", "bench", **resize)
    source = make_source(options, GFiles())
    for file in source.list_inputs():
        assert isinstance(file, InputFile)
        source.read_data(file.path)


def bare_read(kind: str, inputs: str, output: str) -> None:
    """The loop of the library's own examples."""
    del output
    for path in _paths(kind, inputs):
        _read(kind, path)


def ours_convert(kind: str, inputs: str, output: str) -> None:
    """A conversion, in one process."""
    flags = [f"--source={kind}", f"--input_dir={inputs}", f"--output_dir={output}", "--name=bench"]
    flags += [f"--resize={FRAME_SIZE}x{FRAME_SIZE}"] if kind == "video" else []
    assert convert([*flags, "--splits=train=1", "--num_shards=1"]) == 0


def bare_convert(kind: str, inputs: str, output: str) -> None:
    """The bare loop, with records."""
    with tf.io.TFRecordWriter(f"{output}/bench.tfrecord") as writer:
        for path in _paths(kind, inputs):
            data = _read(kind, path)
            if kind == "video":
                values = [tf.io.encode_png(frame, compression=1).numpy() for frame in data]
            else:
                values = [data.tobytes()]
            features = {
                "id": _bytes([pathlib.Path(path).stem.encode()]),
                "steps": tf.train.Feature(int64_list=tf.train.Int64List(value=[len(data)])),
                "data": _bytes(values),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def _paths(kind: str, inputs: str) -> list[str]:
    return sorted(map(str, pathlib.Path(inputs).glob(f"*.{_SUFFIXES[kind]}")))


def _read(kind: str, path: str) -> np.ndarray:
    """`[time, ...]` as the library reads it, in the dtype in which it is trained on."""
    if kind == "audio":
        import soundfile

        return soundfile.read(path, dtype="int16", always_2d=True)[0]
    if kind == "edf":
        import edfio

        signals = edfio.read_edf(path).signals
        return np.stack([signal.data for signal in signals], axis=1).astype(np.float32)
    if kind == "wfdb":
        import wfdb

        return wfdb.rdrecord(path.removesuffix(".hea")).p_signal.astype(np.float32)
    return np.stack([*_frames(path)])


def _frames(path: str) -> Iterator[np.ndarray]:
    import av

    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(
                format="rgb24", width=FRAME_SIZE, height=FRAME_SIZE, interpolation="BICUBIC"
            )


def _bytes(values: list[bytes]) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


_WAYS: dict[str, Any] = {
    way.__name__: way for way in (ours_read, bare_read, ours_convert, bare_convert)
}


def main() -> None:
    """Does it once for each turn, and reports the processor seconds of all threads."""
    args = parse_flags(__doc__, way=str, kind=str, inputs=str, output=str)
    for _ in turns():
        os.makedirs(args.output)
        started = time.process_time()
        with contextlib.redirect_stdout(sys.stderr):
            _WAYS[args.way](args.kind, args.inputs, args.output)
        cpu_secs = time.process_time() - started
        shutil.rmtree(args.output)
        report(cpu_secs=cpu_secs)


if __name__ == "__main__":
    main()
