"""Rows of records against the arrays that were written, whichever way they are read."""

import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches import record_rows
from pipeline.batches.record_rows import RecordRows
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    CLASSES_PER_STEP,
    VALUE_PER_RECORD,
    VALUE_SEQUENCE,
    Record,
    random_records,
    write_dataset,
)
from tfrecords_schema import Dataset, InputSpec, LabelSpec, RecordSchema

_LENGTHS, _PADDED, _LABEL_STEPS = (3, 1, 12, 7), 13, 20


@pytest.fixture(params=["at once", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to read, whatever the size of the records."""
    monkeypatch.setattr(
        record_rows, "_LARGE_BYTES", 0 if request.param == "one by one" else 1 << 30
    )
    return request.param


def _dataset(
    folder: pathlib.Path | str, schema: RecordSchema, prefix: str = "r"
) -> tuple[Dataset, list[Record]]:
    records = random_records(_LENGTHS, schema, prefix=prefix)
    return write_dataset(folder, {"train": records}, schema, num_shards=2), records


def _read(dataset: Dataset, **changed: Any) -> dict[str, np.ndarray]:
    index = dataset.split("train")
    places = {"shard": index.shard, "offset": index.offset, "steps": index.steps}
    rows = RecordRows(dataset.shard_paths("train"), dataset.schema)
    return rows(**{**places, "padded_steps": _PADDED, "label_steps": _LABEL_STEPS, **changed})


def _padded(array: Any, steps: int, kept: int | None = None) -> np.ndarray:
    array = np.asarray(array)[:kept]
    return np.concatenate([array, np.zeros((steps - len(array), *array.shape[1:]), array.dtype)])


@pytest.mark.parametrize(
    ("label", "dtype", "shape"),
    [
        (None, "float32", (3,)),
        (CLASS_PER_STEP, "float32", (200,)),
        (CLASSES_PER_STEP, "int16", ()),
        (CLASS_PER_RECORD, "uint8", (4,)),
        (VALUE_PER_RECORD, "float16", (1,)),
        (VALUE_SEQUENCE, "bool", (2,)),
    ],
)
@pytest.mark.parametrize("most", [None, 2])
def test_rows_are_the_arrays_that_were_written(
    way: str,
    tmp_path: pathlib.Path,
    label: LabelSpec | None,
    dtype: str,
    shape: tuple[int, ...],
    most: int | None,
) -> None:
    dataset, records = _dataset(tmp_path, RecordSchema(InputSpec("signal", dtype, shape), label))
    cut = {} if most is None else {"most": np.full(len(records), most, np.int32)}
    found = _read(dataset, **cut)
    assert found["lengths"].tolist() == [*_LENGTHS]
    for row, record in enumerate(records):
        np.testing.assert_array_equal(found["signal"][row], _padded(record.data, _PADDED, most))
        if label is None:
            assert "label" not in found
        elif label.per == "record":
            np.testing.assert_array_equal(found["label"][row], record.label)
        elif label.per == "step":
            np.testing.assert_array_equal(found["label"][row], _padded(record.label, _PADDED, most))
        else:
            np.testing.assert_array_equal(found["label"][row], _padded(record.label, _LABEL_STEPS))
            assert found["label_lengths"][row] == len(record.label)


def test_what_stands_beside_the_steps_is_read_too(way: str, tmp_path: pathlib.Path) -> None:
    spec = InputSpec("signal", "float32", (2,), has_padding=True, beside=("age", "speed"))
    schema, rng = RecordSchema(spec, CLASS_PER_RECORD), np.random.default_rng(0)
    paddings = [0, 1, 300]
    signals = [rng.normal(size=(n, 2)).astype(np.float32) for n in _LENGTHS[:3]]
    besides = [rng.normal(size=(n, 2)).astype(np.float32) for n in _LENGTHS[:3]]
    offsets, path = [], tmp_path / "shard"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signal, beside, padding in zip(signals, besides, paddings, strict=True):
            writer.flush()
            offsets.append(path.stat().st_size)
            # An unknown class, whose number is the longest there is.
            writer.write(schema.encode("r", signal, -1, padding, beside))
    rows = RecordRows([str(path)], schema)
    found = rows(np.zeros(3, int), np.array(offsets), np.array(_LENGTHS[:3]), _PADDED, 0)
    assert found["padding"].tolist() == paddings
    assert found["label"].tolist() == [-1] * 3
    for row in range(3):
        np.testing.assert_array_equal(found["beside"][row], _padded(besides[row], _PADDED))
        np.testing.assert_array_equal(found["signal"][row], _padded(signals[row], _PADDED))


def test_a_flipped_bit_is_found_wherever_it_is(way: str, tmp_path: pathlib.Path) -> None:
    schema = RecordSchema(InputSpec("signal", "float32", (1,)), CLASS_PER_STEP)
    dataset, _ = _dataset(tmp_path, schema)
    whole, path = _read(dataset), pathlib.Path(dataset.shard_paths("train")[0])
    content, end = path.read_bytes(), int(dataset.split("train").offset[1])
    for at in range(end):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        found = _read(dataset)
        if found["lengths"][0] != -1:  # The checksum of the length, of which the other takes care.
            assert at in range(8, 12)
            np.testing.assert_array_equal(found["signal"], whole["signal"])
        np.testing.assert_array_equal(found["signal"][1:], whole["signal"][1:])
        assert found["lengths"][1:].tolist() == [*_LENGTHS[1:]]


@pytest.mark.parametrize("left", [0, 5, 14, 30])
def test_a_shard_that_ends_early_lacks_its_last_record(
    way: str, tmp_path: pathlib.Path, left: int
) -> None:
    dataset, _ = _dataset(tmp_path, RecordSchema(InputSpec("signal", "float32", (2,))))
    path = pathlib.Path(dataset.shard_paths("train")[1])
    path.write_bytes(path.read_bytes()[: int(dataset.split("train").offset[3]) + left])
    assert _read(dataset)["lengths"].tolist() == [*_LENGTHS[:3], -1]


@pytest.mark.parametrize("instead", ["nothing", "a folder"])
def test_shards_that_are_gone_have_no_records(
    way: str, tmp_path: pathlib.Path, instead: str, caplog: pytest.LogCaptureFixture
) -> None:
    dataset, _ = _dataset(tmp_path, RecordSchema(InputSpec("signal", "float32", (2,))))
    path = pathlib.Path(dataset.shard_paths("train")[1])
    path.unlink()
    if instead == "a folder":
        path.mkdir()
    assert _read(dataset)["lengths"].tolist() == [*_LENGTHS[:2], -1, -1]
    assert path.name in caplog.text


def test_a_record_of_another_length_than_the_index_says(way: str, tmp_path: pathlib.Path) -> None:
    dataset, _ = _dataset(tmp_path, RecordSchema(InputSpec("signal", "float32", (2,))))
    found = _read(dataset, steps=np.array([3, 2, 11, 7], np.int32))
    assert found["lengths"].tolist() == [3, -1, -1, 7]


def test_a_row_without_a_record_is_zeros(way: str, tmp_path: pathlib.Path) -> None:
    dataset, _ = _dataset(
        tmp_path, RecordSchema(InputSpec("signal", "float32", (2,)), CLASS_PER_STEP)
    )
    found = _read(dataset, steps=np.array([0, 1, 12, 7], np.int32))
    assert found["lengths"].tolist() == [0, 1, 12, 7]
    assert not found["signal"][0].any()
    assert not found["label"][0].any()


def test_long_names_and_other_file_systems(way: str) -> None:
    schema = RecordSchema(InputSpec("signal", "float32", (2,)), CLASS_PER_RECORD)
    dataset, records = _dataset(f"ram://rows-{way}", schema, prefix="long" * 200)
    found = _read(dataset)
    for row, record in enumerate(records):
        np.testing.assert_array_equal(found["signal"][row], _padded(record.data, _PADDED))
    tf.io.gfile.remove(dataset.shard_paths("train")[0])
    assert _read(dataset)["lengths"].tolist() == [-1, -1, *_LENGTHS[2:]]
