"""Where rows stand with gaps between records, or side by side: against plain loops."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.layers.rows.gaps import Gaps

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
@pytest.mark.parametrize("together", [1, 3])
def test_side_by_side_the_longest_is_first(lengths, together):
    found, ordered, times = Gaps.side_by_side(tf.constant(lengths, tf.int32), tf.constant(together))
    descending = sorted(lengths, reverse=True)
    groups = -(-max(len(lengths), 1) // together)
    descending += [0] * (groups * together - len(lengths))
    assert ordered.numpy().tolist() == np.reshape(descending, [-1, together]).tolist()
    of_groups = [max(longest, 1) for longest in descending[::together]]
    assert times.numpy().tolist() == of_groups
    firsts = np.cumsum([0, *np.repeat(of_groups, together)])
    order = sorted(range(len(lengths)), key=lambda record: -lengths[record])
    expected = [
        firsts[order.index(record)] + step for record, n in enumerate(lengths) for step in range(n)
    ]
    assert found.places.numpy().tolist() == expected
    assert len(found.rows) == firsts[-1]
    _require_inverse(found, len(expected))


def test_what_layers_ask_for_again_is_made_once_in_each_graph():
    @tf.function
    def same(lengths):
        found = [Gaps.around(lengths, gap) for gap in (2, 2, 3)]
        inner = tf.cond(lengths[0] > 0, lambda: Gaps.around(lengths, 2).rows, lambda: found[0].rows)
        assert found[0] is found[1] is not found[2]
        return found[0].rows, inner, Gaps.around(lengths + 1, 2).rows

    ours, inner, others = same(tf.constant([3, 1]))
    assert ours.numpy().tolist() == inner.numpy().tolist() != others.numpy().tolist()
