"""Packs against Beam's own grouping."""

import collections

import apache_beam as beam
import hypothesis
import hypothesis.strategies as st
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from pipeline.conversion import packs
from pipeline.conversion.job import _weigh
from pipeline.conversion.packs import group_in_packs, pack, pack_all, shuffle_bucket, unpack
from pipeline.conversion.runner import make_runner
from pipeline.sources.labels.label import Label
from pipeline.sources.labels.looks import Looks
from pipeline.sources.source import Description, Reject

_REJECT = Reject("a.npz", "list", "it is empty")


@hypothesis.given(st.lists(st.tuples(st.text(), st.integers(), st.none() | st.floats())))
def test_what_is_packed_comes_out(items: list[tuple[object, ...]]) -> None:
    assert repr(list(unpack(pack(items), pack(items[:1])))) == repr(items + items[:1])


def test_descriptions_take_few_bytes_in_a_pack() -> None:
    label = Label("integer", "int64", (), (1,))
    ids = [f"{number // 100:03d}/{number % 100:03d}" for number in range(1000)]
    described = [
        Description(name, f"{name}.npz", name, "", f"x:{hash(name) % 2**32:08x}", "float32", 5,
                    (3,), (label,))
        for name in ids
    ]  # fmt: skip
    packed = pack(described)
    assert list(unpack(packed)) == described
    assert len(packed) < 40 * len(described)


def test_packs_are_of_limited_weight() -> None:
    limit = packs._PACKED_ITEMS
    items = list(range(3 * limit + 5))
    packed = list(pack_all(items))
    assert [len(list(unpack(one))) for one in packed] == [limit] * 3 + [5]
    assert list(unpack(*packed)) == items
    heavy = pack_all(items, lambda _: limit // 4)
    assert {len(list(unpack(one))) for one in heavy} == {4, len(items) % 4}
    assert not list(pack_all([]))


def test_a_description_weighs_what_its_classes_do() -> None:
    label = Label("integer", "int64", (), (1, 2))
    usual = Description("a", "a.npz", "a", "", "", "float32", 5, (3,), (label,))
    heavy = usual._replace(labels=(label._replace(classes=tuple(range(5000))),))
    assert _weigh(usual) == _weigh(usual._replace(labels=(None,))) == _weigh(_REJECT) == 1
    assert 200 < _weigh(heavy) < 500  # 180 kB
    rows = usual._replace(labels=(label._replace(looks=Looks(ones=(0,) * 5000)),))
    assert 40 < _weigh(rows) < 500  # 40 kB, or more of larger numbers.


def test_grouped_packs_are_groups() -> None:
    pairs = [(number % 7, number) for number in range(2 * packs._BUFFERED_ITEMS)]
    expected = collections.defaultdict(list)
    for key, number in pairs:
        expected[key].append(number)
    with _pipeline() as pipeline:
        groups = pipeline | beam.Create(pairs) | group_in_packs()
        unpacked = groups | beam.MapTuple(lambda key, found: (key, sorted(unpack(*found))))
        assert_that(unpacked, equal_to(list(expected.items())))


def test_names_spread_over_the_buckets() -> None:
    found = collections.Counter(shuffle_bucket(f"name {number}") for number in range(20_000))
    assert len(found) == packs._BUCKETS
    assert max(found.values()) < 2 * 20_000 / packs._BUCKETS


def _pipeline() -> beam.Pipeline:
    options = PipelineOptions([])
    return beam.Pipeline(runner=make_runner(options), options=options)
