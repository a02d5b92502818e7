"""Frames arrive decoded, each as a plain Pillow decode of its file has it."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.frames import decode_frame
from pipeline.batches.plan import BatchOptions, plan_epoch, with_partners
from tests.datasets import CLASS_PER_RECORD, VALUE_SEQUENCE, Record, write_dataset
from tfrecords_schema import InputSpec, RecordSchema

HEIGHT, WIDTH = 24, 40
MODES = [
    ("JPEG", "RGB"),
    ("JPEG", "L"),
    ("JPEG", "CMYK"),
    ("PNG", "RGB"),
    ("PNG", "L"),
    ("PNG", "LA"),
    ("PNG", "RGBA"),
    ("PNG", "P"),
    ("PNG", "1"),
]


def encoded_image(seed, format="JPEG", mode="RGB", height=HEIGHT, width=WIDTH):
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, format)
    return buffer.getvalue()


def pillow_decode(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))


def frames_dataset(folder, label=None, lengths=(1, 3, 5, 2, 8, 4), shape=(HEIGHT, WIDTH, 3)):
    """With numbers beside the frames where a record has a label."""
    names = () if label is None else ("speed", "age")
    schema = RecordSchema(InputSpec("frames", "uint8", shape, beside=names), label)
    rng = np.random.default_rng(0)
    records = []
    for number, length in enumerate(lengths):
        modes = [MODES[i] for i in rng.integers(0, len(MODES), length)]
        frames = [encoded_image(number * 100 + i, *mode) for i, mode in enumerate(modes)]
        label_value = {None: None, CLASS_PER_RECORD: number % 3}.get(label)
        if label == VALUE_SEQUENCE:
            label_value = rng.normal(size=(number + 1, 2)).astype(np.float32)
        beside = rng.normal(size=(length, len(names))).astype(np.float32)
        records.append(Record(f"r{number}", frames, label_value, beside=beside))
    return write_dataset(folder, {"train": records}, schema), records


def delivered(dataset, replicas=1):
    plan = plan_epoch(
        dataset.split("train").steps, BatchOptions(batch_size=2, num_buckets=2), seed=0, epoch=0
    )
    has_partners = dataset.schema.label == CLASS_PER_RECORD
    plan = with_partners(plan, seed=0, epoch=0) if has_partners else plan
    reader = BatchReader(dataset, "train", num_replicas=replicas, has_partners=has_partners)
    batches = reader.epoch(plan)
    found = list(batches.as_numpy_iterator())
    for number, element in enumerate(found):
        assert element["frames"].shape[1] == plan.padded_steps[number // replicas]
        values = tf.nest.map_structure(tf.constant, element)
        for spec, value in zip(*map(tf.nest.flatten, (batches.element_spec, values)), strict=True):
            assert spec.is_compatible_with(value)
    return found


@pytest.mark.parametrize(("format", "mode"), MODES)
def test_a_frame_is_what_pillow_decodes(format, mode):
    encoded = encoded_image(3, format, mode)
    in_graph = tf.function(decode_frame)(tf.constant(encoded))
    np.testing.assert_array_equal(decode_frame(encoded), pillow_decode(encoded))
    np.testing.assert_array_equal(in_graph, pillow_decode(encoded))


@pytest.mark.parametrize("label", [None, CLASS_PER_RECORD, VALUE_SEQUENCE], ids=str)
@pytest.mark.parametrize("replicas", [1, 3])
def test_property_01_frames_are_delivered_decoded(tmp_path, label, replicas):
    dataset, records = frames_dataset(tmp_path, label)
    seen = []
    for element in delivered(dataset, replicas):
        for row, record in enumerate(element["record"]):
            length = element["lengths"][row]
            assert not element["frames"][row, length:].any()
            if record < 0:
                assert length == 0
                continue
            seen.append(record)
            expected = np.stack([pillow_decode(frame) for frame in records[record].data])
            np.testing.assert_array_equal(element["frames"][row, :length], expected)
            if label is not None:
                beside = element["beside"][row]
                np.testing.assert_array_equal(beside[:length], records[record].beside)
                assert not beside[length:].any()
            if label == CLASS_PER_RECORD:
                assert element["label"][row] == records[record].label
                partner = element["partner"]
                own = records[partner["record"][row]]
                cut = min(length, len(own.data))
                assert partner["lengths"][row] == cut
                first = np.stack([pillow_decode(frame) for frame in own.data[:cut]])
                np.testing.assert_array_equal(partner["frames"][row, :cut], first)
                assert not partner["frames"][row, cut:].any()
                np.testing.assert_array_equal(partner["beside"][row, :cut], own.beside[:cut])
                assert not partner["beside"][row, cut:].any()
    assert sorted(seen) == list(range(len(records)))


def test_a_frame_of_another_shape_than_the_schema_says_is_an_error(tmp_path):
    dataset, _ = frames_dataset(tmp_path, shape=(HEIGHT, WIDTH + 1, 3))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"24,40,3.*24,41,3"):
        delivered(dataset)
