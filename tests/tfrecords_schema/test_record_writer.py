"""Written files against TensorFlow's own record writer."""

import hashlib
import pathlib
import tempfile
from concurrent.futures import ThreadPoolExecutor

import hypothesis
import hypothesis.strategies as st
import pytest
import tensorflow as tf

from tfrecords_schema.record_writer import RecordWriter

# Also above the size from which on another thread does the hashing.
_RECORDS = st.lists(st.one_of(st.binary(max_size=50), st.integers(0, 300_000).map(bytes)))


@hypothesis.settings(deadline=None, derandomize=True, max_examples=50)
@hypothesis.given(_RECORDS)
def test_the_file_is_tensorflows_and_so_is_its_hash(records: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as helpers:
        ours, theirs = pathlib.Path(folder, "ours"), pathlib.Path(folder, "theirs")
        with tf.io.TFRecordWriter(str(theirs)) as expected:
            for record in records:
                expected.write(record)
        with RecordWriter(str(ours), helpers) as writer:
            for record in records:
                writer.write(record)
        content = theirs.read_bytes()
        assert ours.read_bytes() == content
        assert writer.sha256 == hashlib.sha256(content).hexdigest()
        assert writer.size_bytes == len(content)


def test_a_file_that_is_cut_short_is_noticed(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "shard"

    def write() -> None:
        with ThreadPoolExecutor(1) as helpers, RecordWriter(str(path), helpers) as writer:
            writer.write(b"first")
            writer._file.close()
            path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(OSError, match=r"shard has 20 bytes, 21 were written"):
        write()
