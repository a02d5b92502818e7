"""Where rows stand with gaps between records, or side by side: against plain loops."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.layers.gaps import Gaps

_LENGTHS = [[3, 0, 1, 7], [5], [0, 0], [], [2000, 300]]


@pytest.mark.parametrize("lengths", _LENGTHS, ids=str)
@pytest.mark.parametrize(("gap", "multiple"), [(0, 1), (20, 1), (3, 128)])
def test_gaps_are_at_least_as_wide_as_asked(lengths, gap, multiple):
    found = Gaps.around(tf.constant(lengths, tf.int32), gap, multiple)
    expected, place = [], gap
    for length in lengths:
        expected += range(place, place + length)
        place += length + gap
    assert found.places.numpy().tolist() == expected
    _require_inverse(found, len(expected))
    size = len(found.rows)
    assert size > max(place - 1, 2 * gap)  # A window that reaches as far has one place at least.
    assert size % (256 if place >= 1024 else max(16, multiple)) == 0
    assert size - place <= 256


def _require_inverse(found, valid):
    rows = found.rows.numpy()
    assert rows[found.places.numpy()].tolist() == list(range(valid))
    assert np.count_nonzero(rows != valid) == valid


@pytest.mark.parametrize("lengths", _LENGTHS[:4], ids=str)
@pytest.mark.parametrize("multiple", [1, 3])
def test_side_by_side_the_longest_is_first(lengths, multiple):
    found, ordered = Gaps.side_by_side(
        tf.constant(lengths, tf.int32), tf.constant(7), tf.constant(multiple)
    )
    assert len(ordered) == -(-max(len(lengths), 1) // multiple) * multiple
    assert ordered.numpy().tolist() == sorted(lengths, reverse=True) + [0] * (
        len(ordered) - len(lengths)
    )
    order = sorted(range(len(lengths)), key=lambda record: -lengths[record])
    expected = [
        7 * order.index(record) + step for record, n in enumerate(lengths) for step in range(n)
    ]
    assert found.places.numpy().tolist() == expected
    _require_inverse(found, len(expected))
