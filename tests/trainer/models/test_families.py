"""What holds for every family that is built by the rules; a new one is tested by being there."""

import contextlib
import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_RECORD, VALUE_PER_STEP
from tfrecords_schema import InputSpec, Statistics
from tfrecords_schema.errors import UserError
from trainer.models.family import DataSpec, families
from trainer.models.parts.random_convolutions import RandomConvolutionOptions
from trainer.serving.export import export
from trainer.serving.serving import Serving
from trainer.step.task import Task

_FAMILIES = sorted(
    name for name, family in families().items() if family.automatic and "signal" in family.inputs
)
# Every kind of label and every shape of a step; not each with each.
_DATA = {
    "class_per_record": ((3,), CLASS_PER_RECORD),
    "value_per_step": ((5, 2), VALUE_PER_STEP),
    "class_per_step": ((), CLASS_PER_STEP),
    "value_per_record": ((5, 2), VALUE_PER_RECORD),
}
_FRONT_ENDS = {
    "log_mel": {"front_end": "log_mel", "frame_samples": 8, "hop_samples": 4, "mel_bands": 4},
    "patches": {"patch_samples": 3},
    "both": {"normalization": "both"},
}
# The shortcut of the one spans three blocks; the other has as many layers as it has.
_DEPTHS = {"inception_time": 3, "fcn": None}
_CONVOLUTIONS = RandomConvolutionOptions(kernel_groups=1, dilations=2)
_LENGTHS = np.array([4, 0, 1, 7, 2], np.int32)
_CLOSE = {"rtol": 1e-5, "atol": 1e-5}

_each_family = pytest.mark.parametrize("name", _FAMILIES)


def _each(*data):
    """Every family with every kind of data, of these, that it says it predicts a label for."""
    pairs = [
        (name, kind)
        for name in _FAMILIES
        for kind in data or _DATA
        if _DATA[kind][1].per in families()[name].labels
    ]
    return pytest.mark.parametrize(("name", "data"), pairs)


@functools.cache
def _built(name, data, ensemble=1, both=False, **options):
    """A small model of a family, its variables all random."""
    keras.utils.set_random_seed(5)
    shape, label = _DATA[data]
    size = {"width": 4, "depth": _DEPTHS.get(name, 2)}
    given = {**size, "ensemble": ensemble, "random_convolutions": both, **options}
    family = families()[name]
    known = {field.name for field in dataclasses.fields(family.options[0])}
    convolutions = dataclasses.replace(_CONVOLUTIONS, rocket_biases=int(label.per == "record"))
    built = family.build(
        DataSpec(InputSpec("signal", "float32", shape), label, _statistics(shape)),
        family.options[0](**{key: value for key, value in given.items() if key in known}),
        convolutions if both or name == "hydra" else RandomConvolutionOptions(),
    )
    if built.fit is not None:
        batches = [{**_batch(data, seed=s), "group": np.arange(5 * s, 5 * s + 5)} for s in (1, 2)]
        built.fit([{k: tf.constant(v) for k, v in batch.items()} for batch in batches], 100)
    rng = np.random.default_rng(6)
    ridge = [v for v in built.full.variables if "ridge/" in v.path]
    for variable in (*built.full.trainable_variables, *_moving_averages(built.full), *ridge):
        variable.assign(variable + rng.uniform(0.05, 0.3, variable.shape))
    return built


def _statistics(shape):
    channels = shape[-1] if shape else 1
    numbers = [tuple(number + 0.1 * c for c in range(channels)) for number in (0.2, 1.5, -3, 3)]
    return Statistics(*numbers, count=100)


def _model(name, data, **options):
    return _built(name, data, **options).full


def _moving_averages(model):
    return [v for v in model.non_trainable_variables if "moving" in v.path]


def _batch(data, lengths=_LENGTHS, time=7, seed=0):
    """A batch with labels; padding holds values like any other."""
    shape, label = _DATA[data]
    rng = np.random.default_rng(seed)
    leading = (len(lengths), time) if label.per == "step" else (len(lengths),)
    if label.kind == "class":
        target = rng.integers(0, 3, leading)
    else:
        target = rng.normal(size=(*leading, 2)).astype(np.float32)
    signal = rng.normal(size=(len(lengths), time, *shape)).astype(np.float32)
    return {"signal": signal, "lengths": np.asarray(lengths, np.int32), "label": target}


def _with_garbage(data, steps=4):
    """The same batch with more padding, and other values in all of it."""
    batch = _batch(data)
    batch["signal"] = _padded(batch["signal"], steps)
    batch["signal"][np.arange(7 + steps) >= _LENGTHS[:, None]] = np.nan
    if batch["label"].shape[1:2] == (7,):
        batch["label"] = _padded(batch["label"], steps)
    return batch


def _padded(array, steps):
    return np.pad(array, [(0, 0), (0, steps)] + [(0, 0)] * (array.ndim - 2))


def _answer(model, batch):
    return model({k: batch[k] for k in ("signal", "lengths")}, training=False).numpy()


def _trained(model, data, batch):
    """Loss, its gradients and all other variables after one batch; everything is put back."""
    before = [v.numpy() for v in model.variables]
    task = Task(_DATA[data][1])
    with tf.GradientTape() as tape:
        outputs = model({k: tf.constant(batch[k]) for k in ("signal", "lengths")}, training=True)
        loss, weight = tf.unstack(task.loss_sum(batch, outputs))
        mean = tf.math.divide_no_nan(loss, weight)
    variables = [v.value for v in model.trainable_variables]
    gradients = tape.gradient(mean, variables, unconnected_gradients="zero")
    found = [mean, *gradients, *_moving_averages(model)]
    found = [np.asarray(x) for x in found]
    for variable, value in zip(model.variables, before, strict=True):
        variable.assign(value)
    return found


def _valid(label, outputs, row):
    """Of an answer, what belongs to a record: its vector, or those of its steps."""
    return outputs[row] if label.per == "record" else outputs[row, : _LENGTHS[row]]


def _assert_alone_equals_batch(model, data):
    label, batch = _DATA[data][1], _batch(data)
    together = _answer(model, batch)
    assert np.isfinite(together).all()
    assert np.ptp(_valid(label, together, 3)) > 1e-3  # Says anything at all.
    assert not together[1].any()
    for row in (2, 3, 4):
        one = {"signal": batch["signal"][[row], : _LENGTHS[row]], "lengths": _LENGTHS[[row]]}
        np.testing.assert_allclose(_answer(model, one)[0], _valid(label, together, row), **_CLOSE)


@_each()
def test_padding_changes_no_output_loss_gradient_or_statistic(name, data):
    model, batches = _model(name, data), (_batch(data), _with_garbage(data))
    label = _DATA[data][1]
    short, wide = (_answer(model, batch) for batch in batches)
    for row in range(len(_LENGTHS)):
        np.testing.assert_allclose(_valid(label, wide, row), _valid(label, short, row), **_CLOSE)
    for first, second in zip(*(_trained(model, data, batch) for batch in batches), strict=True):
        assert np.isfinite(first).all()
        np.testing.assert_allclose(first, second, **_CLOSE)


@_each()
def test_a_record_alone_gives_the_same_as_in_a_batch(name, data):
    _assert_alone_equals_batch(_model(name, data), data)


def _behind_front_ends():
    """Every family behind every front end, for labels of records and of steps in turn; one both."""
    for place, name in enumerate(_FAMILIES):
        kinds = [f"class_per_{per}" for per in ("record", "step") if per in families()[name].labels]
        for number, front_end in enumerate(_FRONT_ENDS):
            in_turn = kinds[(place + number) % len(kinds)]
            yield from ((name, front_end, kind) for kind in (kinds if name == "fcn" else [in_turn]))


@pytest.mark.parametrize(("name", "front_end", "data"), _behind_front_ends())
def test_it_does_so_behind_every_front_end(name, front_end, data):
    _assert_alone_equals_batch(_model(name, data, **_FRONT_ENDS[front_end]), data)


# What TensorFlow sums in the precision of its inputs: 1,020 ones are 256 in bfloat16.
_SUMS_IN_HALF = {"BiasAddGrad", "UnsortedSegmentSum", "SegmentSum", "Cumsum"}


@_each("class_per_record", "value_per_step")
def test_nothing_is_summed_over_rows_in_half_precision(name, data):
    with _policy("mixed_bfloat16"):
        model = _built.__wrapped__(name, data).full

    def gradients(batch):
        with tf.GradientTape() as tape:
            outputs = model({k: batch[k] for k in ("signal", "lengths")}, training=True)
            loss, _ = tf.unstack(Task(_DATA[data][1]).loss_sum(batch, outputs))
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    batch = {key: tf.constant(value) for key, value in _batch(data).items()}
    graph = tf.function(gradients, autograph=False).get_concrete_function(batch).graph
    nodes = graph.as_graph_def()
    nodes = [*nodes.node, *(n for function in nodes.library.function for n in function.node_def)]
    sums = [node for node in nodes if node.op in _SUMS_IN_HALF]
    is_half = any(node.attr["T"].type == tf.bfloat16.as_datatype_enum for node in nodes)
    assert is_half or not model.trainable_variables
    assert not [node.name for node in sums if tf.as_dtype(node.attr["T"].type).size < 4]


@contextlib.contextmanager
def _policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("lengths", [[], [0, 0], [1]], ids=str)
@_each("class_per_record", "value_per_step")
def test_few_steps_or_none_are_finite(name, data, lengths):
    model, batch = _model(name, data), _batch(data, lengths, time=3)
    shape = (len(lengths), 3) if _DATA[data][1].per == "step" else (len(lengths),)
    outputs = _answer(model, batch)
    assert outputs.shape[:-1] == shape
    assert np.isfinite(outputs).all()
    found = _trained(model, data, batch)
    assert all(np.isfinite(x).all() for x in found)
    if not sum(lengths):
        assert not outputs.any()
        averages = _moving_averages(model)
        for after, before in zip(found[len(found) - len(averages) :], averages, strict=True):
            np.testing.assert_array_equal(after, before)


@_each("value_per_step")
def test_causal_steps_do_not_see_later_ones(name, data):
    batch = _batch(data)
    changed = {**batch, "signal": batch["signal"].copy()}
    changed["signal"][:, 4:] += 1
    for causal, model in ((True, _model(name, data, causal=True)), (False, _model(name, data))):
        before, after = _answer(model, batch)[3], _answer(model, changed)[3]
        assert np.abs(after - before)[4:].max() > 1e-3
        if causal:
            np.testing.assert_allclose(after[:4], before[:4], **_CLOSE)
        else:
            assert np.abs(after - before)[:4].max() > 1e-3


@_each_family
def test_a_second_model_of_a_process_has_the_same_names(name):
    names = [variable.path for variable in _built(name, "class_per_record").full.variables]
    again = _built.__wrapped__(name, "class_per_record").full.variables
    assert [variable.path for variable in again if "seed_generator" not in variable.path] == [
        each for each in names if "seed_generator" not in each
    ]


@_each_family
def test_both_exports_give_the_same(name, tmp_path):
    data = "class_per_record"
    model, batch = _model(name, data), _batch(data)
    export(Serving(model, Task(_DATA[data][1])), str(tmp_path))
    expected = _answer(model, batch)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(_answer(loaded, batch), expected, **_CLOSE)
    served = tf.saved_model.load(str(tmp_path / "saved_model"))
    found = served.serve(batch["signal"], batch["lengths"])["probabilities"]
    valid = _LENGTHS > 0
    np.testing.assert_allclose(found[valid], tf.nn.softmax(expected)[valid], **_CLOSE)


def test_an_ensemble_gives_the_mean_of_its_members_probabilities():
    data = "class_per_record"
    built, batch = _built("fcn", data, ensemble=2, both=True), _batch(data)
    inputs = {k: batch[k] for k in ("signal", "lengths")}
    mean, *members = built.members(inputs, training=False)
    ridge = keras.Model(built.full.inputs, built.full.get_layer("unpack_ridge").output)
    shares = [tf.nn.softmax(each) for each in (*members, ridge(inputs))]
    assert len(shares) == 3
    assert np.abs(shares[0] - shares[1]).max() > 1e-3
    found = tf.nn.softmax(_answer(built.full, batch))
    np.testing.assert_allclose(found, np.mean(shares, axis=0), **_CLOSE)
    np.testing.assert_allclose(tf.nn.softmax(mean), np.mean(shares[:2], axis=0), **_CLOSE)


def test_multi_rocket_is_refused_for_labels_of_steps():
    shape, label = _DATA["class_per_step"]
    data = DataSpec(InputSpec("signal", "float32", shape), label, _statistics(shape))
    family = families()["hydra"]
    with pytest.raises(UserError, match=r"rocket_biases is for labels of recordings.*leave it out"):
        family.build(data, family.options[0](), RandomConvolutionOptions(rocket_biases=1))
