"""Serialized Examples against protobuf's own."""

from typing import Any

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf

from tfrecords_schema import DatasetError, example
from tfrecords_schema.example import encode_example, int64_values, value_places

_INT64 = st.integers(-(2**63), 2**63 - 1)
_ARRAYS = hnp.arrays(
    hnp.scalar_dtypes().filter(lambda dtype: dtype.kind in "biuf"),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
)
# Lengths around the borders at which the length of a length changes, 128 and 16384.
_BYTES = st.one_of(st.binary(max_size=300), st.integers(16360, 16400).map(bytes))
_FEATURES = st.dictionaries(
    # No name begins with another: protobuf's implementations order those differently.
    st.text(max_size=130).map(lambda text: text.replace("|", "") + "|"),
    st.one_of(_INT64, st.lists(_BYTES, max_size=4), _ARRAYS.map(lambda array: [array])),
    max_size=4,
)


def _by_protobuf(features: dict[str, Any]) -> bytes:
    messages = {}
    for name, feature in features.items():
        if isinstance(feature, int):
            messages[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[feature]))
        else:
            values = [v if isinstance(v, bytes) else v.tobytes() for v in feature]
            messages[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    whole = tf.train.Example(features=tf.train.Features(feature=messages))
    return whole.SerializeToString(deterministic=True)


@hypothesis.settings(deadline=None, derandomize=True, max_examples=100)
@hypothesis.given(_FEATURES)
def test_bytes_are_protobufs(features: dict[str, Any]) -> None:
    assert encode_example(features) == _by_protobuf(features)


def test_a_large_array() -> None:
    array = np.arange(3_000_000, dtype=np.float32).reshape(-1, 3)
    assert encode_example({"signal": [array]}) == _by_protobuf({"signal": [array]})


def test_what_could_not_be_parsed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example, "_MAX_BYTES", 100)
    encode_example({"a": [bytes(80)]})
    with pytest.raises(DatasetError, match=r"has 1\d\d bytes, at most 100"):
        encode_example({"a": [bytes(120)]})


@hypothesis.settings(deadline=None, derandomize=True, max_examples=50)
@hypothesis.given(
    st.lists(st.tuples(_INT64, _BYTES, st.binary(max_size=9)), min_size=1, max_size=4)
)
def test_values_are_where_protobuf_finds_them(found: list[tuple[int, bytes, bytes]]) -> None:
    examples = [encode_example({"class": n, "signal": [a], "a": [b]}) for n, a, b in found]
    begin = np.cumsum([0, *map(len, examples)])[:-1]
    data = np.frombuffer(b"".join(examples), np.uint8)
    places = value_places(data, begin, ["a", "class", "signal"])
    assert int64_values(data, places["class"][0]).tolist() == [number for number, _, _ in found]
    for name, values in (("signal", [a for _, a, _ in found]), ("a", [b for _, _, b in found])):
        parts = [data[at : at + size].tobytes() for at, size in zip(*places[name], strict=True)]
        assert parts == values
    other = value_places(data, begin, ["a", "class", "singal"])
    assert other["singal"][1].tolist() == [-1] * len(found)
