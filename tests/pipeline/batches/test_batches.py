import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.batches.batch_reader import BatchReader, _cut_lengths
from pipeline.batches.deal import deal_batch
from pipeline.batches.plan import BatchOptions, plan_epoch, with_partners
from tests.datasets import (
    CLASS_PER_RECORD,
    CLASS_PER_STEP,
    VALUE_PER_RECORD,
    VALUE_PER_STEP,
    VALUE_SEQUENCE,
    toy_dataset,
)
from tfrecords_schema.names import INDEX

SOURCES = [
    (None, "float32", (3,)),
    (CLASS_PER_STEP, "float32", (3, 2)),
    (CLASS_PER_STEP, "int16", ()),
    (CLASS_PER_RECORD, "uint8", (4,)),
    (VALUE_PER_STEP, "bool", (2,)),
    (VALUE_PER_RECORD, "float16", (1,)),
    (VALUE_SEQUENCE, "int64", (2,)),
]
SOURCE_NAMES = [f"{label and (label.per, label.kind)}-{dtype}" for label, dtype, _ in SOURCES]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def readers(toy):
    """A reader for each (replicas, worker's replicas): building one takes longer than reading."""
    made = {}

    def get(num_replicas, replicas=None):
        key = (num_replicas, replicas)
        if key not in made:
            made[key] = BatchReader(toy[0], "train", num_replicas=num_replicas, replicas=replicas)
        return made[key]

    return get


def make_plan(dataset, options=None, split="train", **kwargs):
    options = options or BatchOptions(batch_size=4, num_buckets=3)
    return plan_epoch(dataset.split(split).steps, options, seed=1, epoch=0, **kwargs)


def padded_batches(dataset, split, plan, *, start_step=0, **replicas):
    return BatchReader(dataset, split, **replicas).epoch(plan, start_step=start_step)


def elements(batches):
    return list(batches.as_numpy_iterator())


def rows_of(batches):
    """(element, row) for each row that is a record."""
    for element in batches:
        for row, record in enumerate(element["record"]):
            if record >= 0:
                yield record, {name: value[row] for name, value in element.items()}


@pytest.mark.parametrize(("label", "dtype", "step_shape"), SOURCES, ids=SOURCE_NAMES)
def test_property_01_batches_deliver_the_source_arrays(tmp_path, label, dtype, step_shape):
    dataset, splits = toy_dataset(tmp_path, label=label, dtype=dtype, step_shape=step_shape)
    plan = make_plan(dataset)
    delivered = dict(rows_of(elements(padded_batches(dataset, "train", plan, num_replicas=2))))
    assert sorted(delivered) == list(range(len(splits["train"])))
    for record, row in delivered.items():
        source = splits["train"][record]
        assert row["signal"].dtype == np.dtype(dtype)
        assert row["signal"][: source.steps].tobytes() == source.data.tobytes()
        assert row["lengths"] == source.steps
        assert_label(row, source, label)


def assert_label(row, source, label):
    if label is None:
        assert "label" not in row
        return
    label_steps = row.get("label_lengths", source.steps)
    found = row["label"] if label.per == "record" else row["label"][:label_steps]
    assert found.dtype == np.dtype(label.dtype)
    assert found.tobytes() == np.asarray(source.label).tobytes()


@pytest.mark.parametrize(("label", "dtype", "step_shape"), SOURCES, ids=SOURCE_NAMES)
def test_property_08_padding_is_zero_and_as_long_as_planned(tmp_path, label, dtype, step_shape):
    dataset, _ = toy_dataset(tmp_path, label=label, dtype=dtype, step_shape=step_shape)
    plan = make_plan(dataset)
    found = elements(padded_batches(dataset, "train", plan, num_replicas=3))
    assert len(found) == plan.num_steps * 3
    for number, element in enumerate(found):
        padded_steps = plan.padded_steps[number // 3]
        rows = len(element["record"])
        assert element["signal"].shape == (rows, padded_steps, *step_shape)
        for row, length in enumerate(element["lengths"]):
            assert not element["signal"][row, length:].any()
            if label is not None and label.per == "step":
                assert element["label"].shape[1] == padded_steps
                assert not element["label"][row, length:].any()
            if label is not None and label.per == "sequence":
                assert not element["label"][row, element["label_lengths"][row] :].any()


def test_sequence_labels_are_padded_alike_on_all_replicas(tmp_path):
    dataset, splits = toy_dataset(tmp_path, label=VALUE_SEQUENCE)
    plan = make_plan(dataset, BatchOptions(batch_size=3))
    found = elements(padded_batches(dataset, "train", plan, num_replicas=4, start_step=1))
    assert len(found) == (plan.num_steps - 1) * 4 > 0
    for number, element in enumerate(found):
        records = plan.rows(1 + number // 4)
        longest = max(len(splits["train"][record].label) for record in records)
        assert element["label"].shape[1:] == (longest, 2)


@settings(max_examples=15, deadline=None)
@given(
    num_replicas=st.sampled_from([1, 2, 3, 8]),
    workers=st.sampled_from([1, 2]),
    sizes=st.one_of(
        st.builds(BatchOptions, batch_size=st.integers(1, 25), num_buckets=st.integers(1, 4)),
        st.builds(BatchOptions, batch_steps=st.integers(12, 80), num_buckets=st.integers(1, 4)),
    ),
)
def test_property_06_each_record_is_read_once(toy, readers, num_replicas, workers, sizes):
    dataset, splits = toy
    plan = make_plan(dataset, sizes)
    shares = [tuple(range(num_replicas))[worker::workers] for worker in range(workers)]
    found = [
        record
        for share in shares
        if share
        for record, _ in rows_of(elements(readers(num_replicas, share).epoch(plan)))
    ]
    assert sorted(found) == list(range(len(splits["train"])))


@pytest.mark.parametrize("num_replicas", [1, 2, 4, 8])
def test_property_07_the_global_batch_is_the_same_for_any_replicas(toy, readers, num_replicas):
    plan = make_plan(toy[0])
    found = elements(readers(num_replicas).epoch(plan))
    assert len(found) == plan.num_steps * num_replicas
    for step in range(plan.num_steps):
        parts = [e["record"] for e in found[step * num_replicas : (step + 1) * num_replicas]]
        dealt = np.concatenate(parts)
        np.testing.assert_array_equal(np.sort(dealt[dealt >= 0]), np.sort(plan.rows(step)))


@pytest.mark.parametrize("num_replicas", [1, 2, 4])
def test_property_07_a_resumed_epoch_goes_on_as_planned(toy, readers, num_replicas):
    plan = make_plan(toy[0])
    reader = readers(num_replicas)
    whole = elements(reader.epoch(plan))
    for start_step in (1, plan.num_steps - 1, plan.num_steps):
        resumed = elements(reader.epoch(plan, start_step=start_step))
        expected = whole[start_step * num_replicas :]
        assert len(resumed) == len(expected)
        for element, other in zip(resumed, expected, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, element, other)


def test_workers_read_their_replicas_of_the_same_batches(toy, readers):
    plan = make_plan(toy[0])
    whole = elements(readers(4).epoch(plan))
    second_worker = elements(readers(4, (2, 3)).epoch(plan))
    expected = [element for number, element in enumerate(whole) if number % 4 in (2, 3)]
    assert len(second_worker) == plan.num_steps * 2
    for element, other in zip(second_worker, expected, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, element, other)


@pytest.mark.parametrize(("replicas", "start_step"), [((0,), 0), ((0, 2), 1)])
def test_partners_go_with_their_records_and_are_cut_to_their_length(toy, replicas, start_step):
    dataset, splits = toy
    plan = with_partners(make_plan(dataset), seed=1, epoch=0)
    partners = dict(zip(plan.records, plan.partners, strict=True))
    num_replicas = 2 * len(replicas) - 1
    reader = BatchReader(
        dataset, "train", num_replicas=num_replicas, replicas=replicas, has_partners=True
    )
    found = elements(reader.epoch(plan, start_step=start_step))
    plain = padded_batches(
        dataset, "train", make_plan(dataset), start_step=start_step,
        num_replicas=num_replicas, replicas=replicas,
    )  # fmt: skip
    for element, own in zip(found, elements(plain), strict=True):
        partner = element.pop("partner")
        tf.nest.map_structure(np.testing.assert_array_equal, element, own)
        assert partner["signal"].shape == own["signal"].shape
        for row, record in enumerate(own["record"]):
            assert partner["record"][row] == partners.get(record, -1)
            steps = partner["lengths"][row]
            for values in (partner["signal"][row], partner["label"][row]):
                assert not values[steps:].any()
            if record >= 0:
                source = splits["train"][partners[record]]
                assert steps == min(source.steps, splits["train"][record].steps)
                np.testing.assert_array_equal(partner["signal"][row, :steps], source.data[:steps])
                np.testing.assert_array_equal(partner["label"][row, :steps], source.label[:steps])


def test_a_partner_that_is_cut_has_no_padding_in_its_last_step():
    found = _cut_lengths({"lengths": tf.constant([5, 3, 4]), "padding": tf.constant([2, 2, 2])}, 4)
    assert found["lengths"].numpy().tolist() == [4, 3, 4]
    assert found["padding"].numpy().tolist() == [0, 2, 2]


def test_rows_are_dealt_as_batches_are(toy, readers):
    plan = make_plan(toy[0])
    steps = toy[0].split("train").steps
    firsts = elements(readers(2).epoch(plan))[::2]
    for step, first in zip(range(plan.num_steps), firsts, strict=True):
        rows = plan.rows(step)
        np.testing.assert_array_equal(first["record"], rows[deal_batch(steps[rows], 2)[0]])


@pytest.mark.parametrize("label", [CLASS_PER_STEP, VALUE_PER_RECORD, VALUE_SEQUENCE])
def test_a_replica_without_a_record_gets_one_row_of_zeros(tmp_path, label):
    dataset, _ = toy_dataset(tmp_path, label=label, sizes={"train": 2})
    found = elements(padded_batches(dataset, "train", make_plan(dataset), num_replicas=4))
    empty = [element for element in found if element["record"][0] == -1]
    assert len(empty) == 2
    for element in empty:
        assert element["record"].tolist() == [-1]
        assert element["lengths"].tolist() == [0]
        assert element["signal"].shape[:2] == (1, found[0]["signal"].shape[1])
        assert not element["signal"].any()
        assert not element["label"].any()


@pytest.mark.parametrize("label", [None, CLASS_PER_STEP, VALUE_SEQUENCE])
def test_the_static_shapes_are_known_but_for_batch_and_time(tmp_path, label):
    dataset, _ = toy_dataset(tmp_path, label=label, step_shape=(3, 2), dtype="int16")
    batches = padded_batches(dataset, "train", make_plan(dataset))
    spec = batches.element_spec
    assert spec["signal"] == tf.TensorSpec([None, None, 3, 2], tf.int16)
    assert spec["record"] == spec["lengths"] == tf.TensorSpec([None], tf.int32)
    assert batches.cardinality() == make_plan(dataset).num_steps
    for element in batches:
        assert {
            name: spec[name].is_compatible_with(element[name]) for name in spec
        } == dict.fromkeys(spec, True)
        assert set(element) == set(spec)


def test_property_11_shapes_are_at_most_one_per_bucket(toy, readers):
    options = BatchOptions(batch_size=4, num_buckets=2)
    found = elements(readers(2).epoch(make_plan(toy[0], options)))
    assert len({element["signal"].shape[1] for element in found}) <= 2


def test_one_reader_traces_once_for_all_epochs(toy):
    reader = BatchReader(toy[0], "train")
    traces = []
    for epoch in range(3):
        steps = toy[0].split("train").steps
        plan = plan_epoch(steps, BatchOptions(batch_size=3 + epoch), seed=0, epoch=epoch)
        elements(reader.epoch(plan))
        traces.append(reader._trace.experimental_get_tracing_count())
    assert traces == [1, 1, 1]


def test_an_index_that_is_loaded_is_not_read_again(tmp_path):
    dataset, _ = toy_dataset(tmp_path)
    index, plan = dataset.split("train"), make_plan(dataset)
    expected = elements(BatchReader(dataset, "train").epoch(plan))
    tf.io.gfile.remove(f"{dataset.path}/{INDEX}")
    found = elements(BatchReader(dataset, "train", index=index).epoch(plan))
    tf.nest.map_structure(np.testing.assert_array_equal, found, expected)


def test_a_corrupt_record_is_named(tmp_path):
    dataset, _ = toy_dataset(tmp_path)
    path, index = dataset.shard_paths("train")[1], dataset.split("train")
    row = np.flatnonzero(index.shard == 1)[2]
    content = bytearray(open_bytes(path))
    content[index.offset[row] + 20] ^= 1
    write_bytes(path, content)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=message_about(row, 1, index.offset[row])
    ):
        elements(padded_batches(dataset, "train", make_plan(dataset)))


def test_a_shortened_shard_is_named(tmp_path):
    dataset, _ = toy_dataset(tmp_path)
    path, index = dataset.shard_paths("train")[0], dataset.split("train")
    row = np.flatnonzero(index.shard == 0)[-1]
    write_bytes(path, open_bytes(path)[: index.offset[row]])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=message_about(row, 0, index.offset[row])
    ):
        elements(padded_batches(dataset, "train", make_plan(dataset)))


@pytest.mark.filterwarnings("ignore:Even though the")
def test_functions_that_run_as_python_read_the_same(toy, readers):
    plan = make_plan(toy[0])
    expected = elements(readers(1).epoch(plan))
    tf.config.run_functions_eagerly(True)
    try:
        found = elements(readers(1).epoch(plan))
    finally:
        tf.config.run_functions_eagerly(False)
    for batch, other in zip(found, expected, strict=True):
        for name, value in other.items():
            np.testing.assert_array_equal(batch[name], value)


def test_a_plan_of_another_split_is_an_error(toy):
    plan = make_plan(toy[0])
    with pytest.raises(
        ValueError, match=r"plan has record 19 and split 'test' of .* has 5 records"
    ):
        padded_batches(toy[0], "test", plan)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_step": 99}, "start_step is 99; the epoch has . steps"),
        ({"num_replicas": 2, "replicas": [2]}, r"replicas are \[2\]; .* from 0 to 1"),
        ({"num_replicas": 2, "replicas": [1, 1]}, r"replicas are \[1, 1\]; they must be different"),
        ({"num_replicas": 0, "replicas": []}, "num_replicas is 0; it must be at least 1"),
    ],
)
def test_errors_say_what_is_wrong(toy, arguments, message):
    with pytest.raises(ValueError, match=message):
        padded_batches(toy[0], "train", make_plan(toy[0]), **arguments)


def message_about(row, shard, offset):
    return rf"split train cannot be read.*rows.*\[{row}\].*\[{shard}\].*\[{offset}\].*verify"


def open_bytes(path):
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read()


def write_bytes(path, content):
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(bytes(content))
