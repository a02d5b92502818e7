import collections
from fractions import Fraction

import hypothesis
import hypothesis.strategies as st
import pytest

from pipeline.console.errors import UsageError
from pipeline.sources.splits import HASH_RANGE, SplitSpec, stable_hash


def test_the_hash_is_the_same_on_every_machine_and_day() -> None:
    # The first 8 bytes of `printf '0\0george' | sha256sum`.
    assert stable_hash(0, "george") == 0x2726_2853_EA7C_56B9
    assert stable_hash("a", "b") != stable_hash("ab")


@hypothesis.given(st.integers(0, HASH_RANGE - 1))
def test_fractions_are_thresholds_in_the_order_given(group_hash: int) -> None:
    spec = SplitSpec.parse("train=0.8,validation=0.1,test=0.1")
    place = Fraction(group_hash, HASH_RANGE)
    expected = "train" if place < Fraction(8, 10) else "validation"
    expected = "test" if place >= Fraction(9, 10) else expected
    assert spec.split_of(group_hash, []) == expected


def test_fractions_take_about_their_share() -> None:
    spec = SplitSpec.parse("train=0.7,test=0.3")
    found = collections.Counter(spec.split_of(stable_hash(1, n), []) for n in range(10_000))
    assert found["test"] == pytest.approx(3000, abs=150)  # Three deviations.


@hypothesis.given(st.sets(st.integers(0, HASH_RANGE - 1), min_size=6, max_size=40))
def test_counts_take_the_smallest_hashes(hashes: set[int]) -> None:
    spec = SplitSpec.parse("test=2,validation=3,train=rest")
    smallest = sorted(hashes)[: spec.counted_groups]
    found = [spec.split_of(value, smallest) for value in sorted(hashes)]
    assert found == ["test"] * 2 + ["validation"] * 3 + ["train"] * (len(hashes) - 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name each split once"),
        ("train=0.5,train=0.5", "name each split once"),
        ("train", "got 'train', expected train=0.8"),
        ("a-b=1", "got 'a-b=1'"),
        ("train=0.5,all=0.5", "all means every split together; use another name"),
        ("train=x", "shares must be numbers"),
        ("train=0.5", "sum to 1, got a sum of 0.5"),
        ("train=1.5,test=-0.5", "above 0"),
        ("train=rest,test=rest", "exactly one has rest"),
        ("train=rest,test=0.5", "a whole number of groups"),
        ("train=rest,test=0", "a whole number of groups"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SplitSpec.parse(text)
