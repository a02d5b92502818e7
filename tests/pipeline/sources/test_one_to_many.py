"""One vector or image, followed by a sequence of labels of any length."""

import json

import numpy as np
import pytest

from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.plan import BatchOptions, plan_epoch, plan_lengths
from tests.pipeline.batches.test_frames_batches import encoded_image, pillow_decode
from tests.pipeline.conversions import Converter, Folders, read_records, write_npz
from tfrecords_schema import Dataset

_LENGTHS = [3, 1, 9, 4, 4, 7, 2, 5]


def _labels(number: int) -> np.ndarray:
    random = np.random.default_rng(number)
    return random.normal(size=(_LENGTHS[number], 2)).astype(np.float32)


@pytest.mark.parametrize("shape", [(6,), (4, 3)])
def test_a_vector_is_one_step_and_the_labels_decide_the_batches(
    folders: Folders, converter: Converter, shape: tuple[int, ...]
) -> None:
    inputs = [np.full(shape, i, np.float32) for i in range(8)]
    for i, signal in enumerate(inputs):
        write_npz(folders, f"r{i}", signal=signal, label=_labels(i))
    dataset = converter.dataset("--single_step", "--label_kind=sequence_value", "--splits=train=1")
    assert dataset.schema.input.step_shape == shape
    for i, signal in enumerate(inputs):
        np.testing.assert_array_equal(read_records(dataset)[f"r{i}"]["signal"], signal[None])
    seen = _check_batches(dataset)
    for name, (signal, _) in seen.items():
        np.testing.assert_array_equal(signal, inputs[int(name[1:])][None])


def test_an_image_is_followed_by_the_lists_of_its_annotation(
    folders: Folders, converter: Converter
) -> None:
    for i in range(8):
        folder = folders.inputs / f"r{i}"
        folder.mkdir()
        (folder / "image.png").write_bytes(encoded_image(i, "PNG"))
        (folder / "annotation.json").write_text(json.dumps({"path": _labels(i).tolist()}))
    dataset = converter.dataset(
        "--source=image_folders",
        "--label_key=path",
        "--label_kind=sequence_value",
        "--splits=train=1",
    )
    for name, (frames, _) in _check_batches(dataset).items():
        expected = pillow_decode(encoded_image(int(name[1:]), "PNG"))
        np.testing.assert_array_equal(frames, expected[None])


def _check_batches(dataset: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Input and label of every record as delivered; the labels are those of `_labels`."""
    index = dataset.split("train")
    names = index.ids()
    lengths = plan_lengths(index, dataset.schema.label)
    assert lengths.dtype == np.int32
    assert lengths.tolist() == [_LENGTHS[int(name[1:])] for name in names]
    plan = plan_epoch(lengths, BatchOptions(batch_size=3, num_buckets=2), seed=0, epoch=0)
    seen = {}
    batches = BatchReader(dataset, "train", num_replicas=2).epoch(plan)
    for number, element in enumerate(batches.as_numpy_iterator()):
        inputs = element[dataset.schema.input.kind]
        assert inputs.shape[1] == 1
        assert element["label"].shape[1] == max(lengths[plan.rows(number // 2)])
        for row, record in enumerate(element["record"]):
            if record >= 0:
                label = element["label"][row, : element["label_lengths"][row]]
                np.testing.assert_array_equal(label, _labels(int(names[record][1:])))
                seen[names[record]] = (inputs[row], label)
    assert sorted(seen) == sorted(names)
    return seen


def test_a_sequence_of_classes_follows_a_vector(folders: Folders, converter: Converter) -> None:
    for i in range(8):
        write_npz(folders, f"r{i}", signal=np.ones(4), label=np.arange(_LENGTHS[i]) % 3)
    dataset = converter.dataset("--single_step", "--label_kind=sequence_class", "--splits=train=1")
    index = dataset.split("train")
    assert sorted(index.label_steps().tolist()) == sorted(_LENGTHS)
    assert set(index.steps.tolist()) == {1}


def test_labels_of_their_own_length_have_to_be_named(
    folders: Folders, converter: Converter
) -> None:
    for i in range(8):
        write_npz(folders, f"r{i}", signal=np.ones(4), label=_labels(i))
    outcome = converter.run("--single_step", "--splits=train=1")
    assert outcome.code == 1
    assert "name --label_kind (sequence_value" in outcome.text


def test_single_step_does_not_go_with_windows(converter: Converter) -> None:
    outcome = converter.run("--single_step", "--window_samples=4")
    assert outcome.code == 2
    assert (
        "--single_step does not go with --time_axis, several signals, the window flags"
        in outcome.text
    )
