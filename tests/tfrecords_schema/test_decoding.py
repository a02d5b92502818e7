"""What a file may hold against what its dataclass has."""

import collections
import contextlib
import dataclasses
import json
import math
from typing import Any, Literal, NamedTuple

import hypothesis
import hypothesis.strategies as st
import pytest

from tfrecords_schema import DatasetError
from tfrecords_schema.decoding import decode, json_object


class _Pair(NamedTuple):
    name: str
    kind: Literal["a", "b"]


@dataclasses.dataclass
class _Inner:
    sizes: tuple[int, ...]
    share: float | None = None


@dataclasses.dataclass
class _Outer:
    name: str
    by_length: dict[int, int]
    counts: collections.Counter[int]
    inner: dict[str, _Inner]
    pairs: list[_Pair]
    is_on: bool = True
    anything: Any = None


_TEXT, _COUNT = st.text(max_size=9), st.integers(-(2**63), 2**63)
_KEYS = st.integers(-(10**18), 10**18)
_ANY = st.recursive(
    st.none() | st.booleans() | _COUNT | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=9,
)
_OUTER = st.builds(
    _Outer,
    name=_TEXT,
    by_length=st.dictionaries(_KEYS, _COUNT, max_size=4),
    counts=st.dictionaries(_KEYS, _COUNT, max_size=4).map(collections.Counter),
    inner=st.dictionaries(
        _TEXT,
        st.builds(
            _Inner,
            sizes=st.lists(_COUNT, max_size=3).map(tuple),
            share=st.none() | st.floats(allow_nan=False),
        ),
        max_size=3,
    ),
    pairs=st.lists(st.builds(_Pair, name=_TEXT, kind=st.sampled_from(["a", "b"])), max_size=3),
    is_on=st.booleans(),
    anything=_ANY,
)


def _json(value: _Outer) -> dict[str, Any]:
    counts = dict(value.counts)  # `asdict` counts the pairs of a Counter.
    return {**dataclasses.asdict(dataclasses.replace(value, counts={})), "counts": counts}


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(_OUTER)
def test_what_was_written_comes_back(value):
    found = decode(_Outer, json_object(json.dumps(_json(value))))
    assert found == value
    assert type(found.counts) is collections.Counter
    assert list(found.by_length) == sorted(value.by_length)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(_OUTER, _ANY, st.data())
def test_anything_else_is_refused_and_raises_nothing_else(value, other, data):
    document = json.loads(json.dumps(_json(value)))
    document[data.draw(st.sampled_from([*document, "other"]))] = other
    with contextlib.suppress(DatasetError):
        assert isinstance(decode(_Outer, document), _Outer)


_WHOLE = {"name": "n", "by_length": {}, "counts": {}, "inner": {}, "pairs": []}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": None}, "name: got None, expected a text"),
        ({"name": 3}, "name: got 3, expected a text"),
        ({"is_on": 1}, "is_on: got 1, expected true or false"),
        ({"by_length": []}, "by_length: got [], expected an object"),
        ({"by_length": {"x": 1}}, "by_length: got 'x', expected whole numbers"),
        ({"by_length": {"01": 1}}, "by_length: got '01', expected whole numbers"),
        ({"counts": {"1": "2"}}, "counts['1']: got '2', expected a whole number"),
        ({"counts": {"1": True}}, "counts['1']: got True, expected a whole number"),
        ({"counts": {"1": 1.0}}, "counts['1']: got 1.0, expected a whole number"),
        ({"inner": {"a\x1b": {}}}, r"inner['a\x1b'].sizes is missing"),
        ({"inner": {"a": {"sizes": 3}}}, "inner['a'].sizes: got 3, expected a list"),
        ({"inner": {"a": {"sizes": [3, None]}}}, "inner['a'].sizes[1]: got None, expected a"),
        (
            {"inner": {"a": {"sizes": [], "share": "1"}}},
            "inner['a'].share: got '1', expected a number",
        ),
        (
            {"inner": {"a": {"sizes": [], "x\n": 0}}},
            r"inner['a'].field: got 'x\n', expected one of sizes, share",
        ),
        ({"pairs": [["n", "c"]]}, "pairs[0][1]: got 'c', expected one of ('a', 'b')"),
        ({"pairs": [["n"]]}, "pairs[0]: got ['n'], expected 2 values"),
        ({"x" * 999: 1}, "field: got 'xxxxxxxxxxxx...xxxxxxxxxxxxx', expected one of name, by_le"),
    ],
)
def test_a_wrong_field_is_named_with_what_came_and_what_was_expected(change, message):
    with pytest.raises(DatasetError) as error:
        decode(_Outer, {**_WHOLE, **change})
    assert str(error.value).startswith(message)


def test_whole_numbers_are_numbers():
    assert decode(_Inner, {"sizes": [], "share": 3}) == _Inner((), 3)
    assert math.isnan(decode(_Inner, json_object('{"sizes": [], "share": NaN}')).share)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is no JSON that can be read"),
        (b"\xff", "it is no JSON that can be read"),
        ("[" * 200_000, "it is no JSON that can be read"),
        ('{"a": ' * 60 + "0" + "}" * 60, "it is nested more than 50 deep"),
        ('{"a": ' + "9" * 9999 + "}", "it is no JSON that can be read"),
        ("[]", "top level: got [], expected an object"),
        ("null", "top level: got None, expected an object"),
    ],
)
def test_what_is_no_object_is_refused(content, message):
    with pytest.raises(DatasetError, match="^" + message.replace("[", r"\[")):
        json_object(content)
