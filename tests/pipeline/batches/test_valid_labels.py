import numpy as np
import pytest
import tensorflow as tf

from pipeline.batches.valid_labels import label_lengths, unpadded, validity
from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_SEQUENCE

_LABELS = [CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_SEQUENCE]
_ROWS = {"record": [1, 1, 0], "step": [3, 1, 0], "sequence": [2, 0, 0]}


def _batch(label):
    """Rows of 3, 1 and 0 steps, the last no record; sequences of 2, 0 and 0 labels."""
    values = np.arange(3 if label.per == "record" else 12).reshape(3, -1)
    label_steps = {"label_lengths": tf.constant([2, 0, 0])} if label.per == "sequence" else {}
    array = np.squeeze(values, 1) if label.per == "record" else values
    return {"lengths": tf.constant([3, 1, 0]), "label": tf.constant(array), **label_steps}


@pytest.mark.parametrize("label", _LABELS, ids=lambda label: label.per)
@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_padding_and_rows_that_are_no_record_are_no_labels(label, wrap):
    batch = _batch(label)
    lengths = wrap(lambda batch: label_lengths(batch, label))(batch)
    valid = wrap(lambda batch: validity(batch, label))(batch)
    assert lengths.numpy().tolist() == _ROWS[label.per]
    assert lengths.dtype == tf.int32
    assert valid.dtype == tf.float32
    assert valid.shape == batch["label"].shape
    assert np.sum(valid.numpy().reshape(3, -1), -1).tolist() == _ROWS[label.per]


@pytest.mark.parametrize("label", _LABELS, ids=lambda label: label.per)
def test_unpadded_rows_are_the_entries_that_are_valid(label):
    batch = _batch(label)
    values = batch["label"].numpy()
    rows = unpadded(values, label_lengths(batch, label).numpy(), label)
    assert [len(row) for row in rows] == _ROWS[label.per]
    np.testing.assert_array_equal(np.concatenate(rows), values[validity(batch, label).numpy() > 0])
