"""Self-attention against a plain loop over records, heads and steps; in blocks; its gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer import layers

_LENGTHS = [3, 0, 1, 7]
_FEATURES = 8


def _layer(**options):
    keras.utils.set_random_seed(2)
    layer = layers.SelfAttention(2, **options)
    layer.build((None, _FEATURES))
    for variable in layer.variables:
        variable.assign(np.random.default_rng(variable.shape.rank).normal(size=variable.shape))
    return layer


def _rows(lengths=_LENGTHS):
    return np.random.default_rng(3).normal(size=(sum(lengths), _FEATURES)).astype("float32")


def _by_loops(layer, rows, causal):
    """One record: the sums as the papers write them, in complex numbers as RoFormer does."""
    kernels = [np.asarray(p.kernel, np.float64) for p in layer.projections]
    biases = [np.asarray(p.bias, np.float64) for p in layer.projections]
    query, key, value = (rows @ k + b for k, b in zip(kernels[:3], biases[:3], strict=True))
    size = _FEATURES // 2
    found = np.zeros_like(query)
    waves = 10_000.0 ** (-2 * np.arange(size // 2) / size)
    for head in range(2):
        of_head = slice(head * size, (head + 1) * size)
        q, k = (
            x[:, of_head][:, : size // 2] + 1j * x[:, of_head][:, size // 2 :] for x in (query, key)
        )
        for i in range(len(rows)):
            seen = range(i + 1 if causal else len(rows))
            products = [
                np.sum((q[i] * np.conj(k[j]) * np.exp(1j * (i - j) * waves)).real) for j in seen
            ]
            weights = np.exp(np.array(products) / np.sqrt(size))
            weights /= weights.sum()
            found[i, of_head] = sum(
                w * value[j, of_head] for w, j in zip(weights, seen, strict=True)
            )
    return found @ kernels[3] + biases[3]


@pytest.mark.parametrize("most_products", [1, 40, 200, 2**24])  # 200: two records at a time.
@pytest.mark.parametrize("causal", [False, True])
def test_equals_loops_in_blocks_of_any_size(causal, most_products):
    layer = _layer(causal=causal, most_products=most_products)
    outputs = layer(_rows(), tf.constant(_LENGTHS))
    records = np.split(_rows().astype(np.float64), np.cumsum(_LENGTHS)[:-1])
    expected = np.concatenate([_by_loops(layer, r, causal) for r in records])
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def _naive(layer, rows):
    """One record by TensorFlow's own operations, which it differentiates itself."""
    from trainer.layers.attention import _angles_at, _turned

    angles = _angles_at(tf.range(len(rows)), 4)
    query, key, value = (tf.reshape(p(rows), [-1, 2, 4]) for p in layer.projections[:3])
    query, key = _turned(query, *angles), _turned(key, *angles)
    products = tf.einsum("ihd,jhd->hij", query, key) / 2
    found = tf.einsum("hij,jhd->ihd", tf.nn.softmax(products), value)
    return layer.projections[3](tf.reshape(found, [-1, _FEATURES]))


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("most_products", [40, 2**24])
def test_gradients_equal_automatic_differentiation(most_products, in_graph):
    layer, rows = _layer(most_products=most_products), tf.constant(_rows())

    def results(call):
        with tf.GradientTape() as tape:
            tape.watch(rows)
            loss = tf.reduce_sum(tf.sin(call()))
        return tape.gradient(loss, [rows, *(v.value for v in layer.variables)])

    def ours():
        return results(lambda: layer(rows, tf.constant(_LENGTHS)))

    found = (tf.function(ours) if in_graph else ours)()
    expected = results(
        lambda: tf.concat([_naive(layer, r) for r in tf.split(rows, _LENGTHS) if len(r)], axis=0)
    )
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_blocks_of_a_long_record_add_up_in_half_precision():
    found = []
    for policy in ("float32", "mixed_bfloat16"):
        layer = layers.SelfAttention(2, most_products=1, dtype=policy)  # A query at a time.
        layer.build((None, _FEATURES))
        for variable in layer.variables:
            variable.assign(tf.ones_like(variable) / _FEATURES)

        @tf.function
        def gradients(rows, layer=layer):
            with tf.GradientTape() as tape:
                total = tf.reduce_sum(tf.cast(layer(rows, tf.constant([1000])), tf.float32))
            return tape.gradient(total, [v.value for v in layer.projections[2].variables])

        found.append(gradients(tf.ones([1000, _FEATURES], layer.compute_dtype)))
    for exact, half in zip(*found, strict=True):
        np.testing.assert_allclose(half, exact, rtol=0.02)


@pytest.mark.parametrize("lengths", [[], [0, 0]])
def test_without_a_step_there_is_nothing(lengths):
    lengths = tf.constant(lengths, tf.int32)
    layer, rows = _layer(), tf.zeros([0, _FEATURES])
    with tf.GradientTape() as tape:
        outputs = layer(rows, lengths)
        loss = tf.reduce_sum(outputs)
    assert outputs.shape == (0, _FEATURES)
    for gradient in tape.gradient(loss, [v.value for v in layer.variables]):
        assert not np.any(gradient)


def _sizes(most, monkeypatch):
    """Of all products of queries and keys, and of shares and values."""
    sizes = []

    def matmul(*args, **kwargs):
        found = tf.linalg.matmul(*args, **kwargs)
        if len(found.shape) == 4:  # No projection.
            sizes.append(tf.size(found).numpy())
        return found

    monkeypatch.setattr("trainer.layers.attention.tf.matmul", matmul)
    _layer(most_products=most)(_rows(), tf.constant(_LENGTHS))
    return sizes


def test_no_tensor_of_a_block_is_larger_than_asked(monkeypatch):
    most = 2 * 7 * 2  # Two queries of the longest record at a time.
    sizes = _sizes(most, monkeypatch)
    assert max(sizes) <= most
    assert len(sizes) >= 2 * 4


def test_products_are_as_many_as_the_lengths_say(monkeypatch):
    one_record_at_a_time = 2 * 7 * 7
    of_each = [2 * n * n + 2 * n * 4 for n in (7, 3, 1, 1)]  # Of a record of length 0 one is made.
    assert sum(_sizes(one_record_at_a_time, monkeypatch)) == sum(of_each)


def test_half_precision_keeps_far_positions_apart():
    from trainer.layers.attention import _angles_at, _turned

    rows = tf.ones([2, 1, 4], tf.bfloat16)
    turned = tf.cast(_turned(rows, *_angles_at(tf.constant([5000, 5001]), 4)), tf.float32)
    assert np.abs(turned[0] - turned[1]).max() > 0.1


def test_config_shape_and_heads_that_do_not_fit():
    layer = layers.SelfAttention(2, causal=True, most_products=5, name="attention")
    assert layer(keras.Input((8,)), keras.Input((), dtype="int32")).shape == (None, 8)
    again = layers.SelfAttention.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.heads, again.causal, again.most_products) == (2, True, 5)
    with pytest.raises(ValueError, match=r"multiple of 4 features.*got 6"):
        layers.SelfAttention(2)(tf.zeros([1, 6]), tf.constant([1]))
