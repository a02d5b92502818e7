"""Counts of what was left out: the same in any order, bounded, and nothing to older manifests."""

import dataclasses
import json

import hypothesis
import hypothesis.strategies as st

from tests.datasets import two_splits
from tfrecords_schema.left_out import MOST_KEPT, LeftOut, Tally
from tfrecords_schema.manifest import Manifest, sealed_json

_ROWS = st.builds(
    LeftOut,
    st.sampled_from(["file", "sample"]),
    st.sampled_from(["array 'a' not used", "array 'b' not used", "less than 5", "other"]),
    st.integers(1, 9),
    st.sampled_from(["x", "y", "z"]),
)


@hypothesis.given(
    st.lists(_ROWS, max_size=12), st.randoms(use_true_random=False), st.integers(0, 12)
)
def test_counts_add_up_in_any_order_and_in_any_parts(rows, random, cut):
    shuffled = random.sample(rows, len(rows))
    parts = [Tally(shuffled[:cut]), Tally(shuffled[cut:])]
    found = Tally([row for part in parts for row in part.rows()]).rows()
    assert found == Tally(rows).rows()
    assert sum(row.count for row in found) == sum(row.count for row in rows)
    for row in found:  # The arrays of many files are one reason.
        same = [r for r in rows if (r.what, r.reason[:5]) == (row.what, row.reason[:5])]
        assert row.count == sum(one.count for one in same)
        assert row.example == min(one.example for one in same)


def test_many_reasons_take_a_bounded_place_and_none_is_lost():
    letters = "abcdefghij"
    endings = [a + b + c + d for a in letters for b in letters for c in letters for d in "xyz"]
    found = Tally(LeftOut("file", f"ending in .{ending}") for ending in endings).rows()
    assert len(found) == MOST_KEPT + 1
    assert sum(row.count for row in found) == len(endings)


def test_a_manifest_keeps_them_and_one_without_is_read(tmp_path):
    written = two_splits(tmp_path).manifest
    rows = (LeftOut("link", "to a folder", 2, "caf\udce9"), LeftOut("", "few groups", 0))
    filled = dataclasses.replace(written, left_out=rows)
    assert Manifest.from_json(filled.to_json()) == filled
    assert filled.fingerprint == written.fingerprint
    older = json.loads(written.to_json())
    del older["left_out"]
    assert Manifest.from_json(sealed_json(older)) == written
