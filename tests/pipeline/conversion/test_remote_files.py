"""Conversions from and to a file system that is not the machine's own: `ram://`."""

import pathlib
import uuid

import pytest
import tensorflow as tf

from pipeline.conversion.convert import main
from pipeline.verify import main as verify
from tests.pipeline.conversions import Converter, Folders, hashes, write_recordings
from tests.ram_files import copy_to_ram, files_under, hashes_under

_FLAGS = ["--source=signals", "--name=test", "--splits=train=0.5,validation=0.5", "--num_shards=2"]


@pytest.fixture
def ram(tmp_path: pathlib.Path) -> str:
    """A folder in memory; a fresh one for each test, as memory lasts as long as the process."""
    return f"ram://test/{uuid.uuid4().hex}"


def _convert(inputs: str, output: str, *flags: str) -> int:
    return main([*_FLAGS, f"--input_dir={inputs}", f"--output_dir={output}", *flags])


def test_property_02_another_file_system_holds_the_same_bytes(
    folders: Folders, converter: Converter, ram: str
) -> None:
    write_recordings(folders, 12)
    (folders.inputs / "g1_broken.npz").write_bytes(b"not a zip file")
    converter.dataset(*_FLAGS)
    copy_to_ram(str(folders.inputs), f"{ram}/in")
    assert _convert(f"{ram}/in/", f"{ram}/out") == 0
    assert hashes_under(f"{ram}/out/test/1.0.0") == hashes(folders.dataset)
    assert verify([f"{ram}/out/test/1.0.0"]) == 0


def test_damage_is_found_on_another_file_system(folders: Folders, ram: str) -> None:
    write_recordings(folders, 6)
    assert _convert(str(folders.inputs), f"{ram}/out") == 0
    shard = tf.io.gfile.glob(f"{ram}/out/test/1.0.0/test-train*")[0]
    content = bytearray(files_under(f"{ram}/out/test/1.0.0")[shard.rpartition("/")[2]])
    content[len(content) // 2] ^= 1
    with tf.io.gfile.GFile(shard, "wb") as file:
        file.write(bytes(content))
    assert verify([f"{ram}/out/test/1.0.0"]) == 1
