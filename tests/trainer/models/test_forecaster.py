"""The forecaster against stock layers stepped by hand, and what it may not see."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets import random_records, write_dataset
from tests.trainer.in_process import train
from tfrecords_schema import DatasetError, InputSpec, RecordSchema, Statistics
from trainer.data.split_data import load_split
from trainer.layers.feedback_decoder import FeedbackDecoder
from trainer.models.forecaster import ForecastOptions, build_forecaster
from trainer.models.signal import SignalModelOptions
from trainer.options.options import DataOptions
from trainer.step.forecast import ForecastTask, forecast_label, split_horizon

_RNG = np.random.default_rng(5)
_INPUT = InputSpec("signal", "float32", (3,))
_HORIZON = 4


def _normal(*shape):
    return _RNG.normal(size=shape).astype(np.float32)


def _model(cell="lstm", units=(4, 4), statistics=None, normalization="none", **forecast):
    options = SignalModelOptions(
        rnn_cell=cell, rnn_units=units, rnn_activation="tanh", normalization=normalization
    )
    keras.utils.set_random_seed(1)
    return build_forecaster(
        options, ForecastOptions(horizon_steps=_HORIZON, **forecast), _INPUT, statistics
    )


# ---- The decoder ------------------------------------------------------------------------------


class _ByHand:
    """Stock recurrent layers called one step at a time, with the weights of a decoder."""

    def __init__(self, decoder):
        stock = keras.layers.LSTM if decoder.cell == "lstm" else keras.layers.GRU
        self.layers = []
        for cell in decoder.cells:
            layer = stock(cell.units, return_state=True)
            layer.build((None, 1, cell.kernel.shape[0]))
            layer.set_weights(cell.get_weights())
            self.layers.append(layer)
        self.head = keras.layers.Dense(decoder.features)
        self.head.build((None, decoder.units[-1]))
        self.head.set_weights(decoder.head.get_weights())
        self.residual = decoder.residual

    @property
    def variables(self):
        return [v for layer in (*self.layers, self.head) for v in layer.trainable_variables]

    def __call__(self, start, states, steps, truth=None):
        states = [list(states)] + [None] * (len(self.layers) - 1)
        read, outputs = start, []
        for step in range(steps):
            value = read
            for number, layer in enumerate(self.layers):
                value, *states[number] = layer(value[:, None], initial_state=states[number])
            value = read + self.head(value) if self.residual else self.head(value)
            outputs.append(value)
            read = value if truth is None else truth[:, step]
        return tf.stack(outputs, axis=1)


def _decoder(cell, **options):
    keras.utils.set_random_seed(2)
    decoder = FeedbackDecoder(3, (4, 5, 4), cell, **options)
    decoder.build()
    return decoder, [_normal(6, 4) for _ in range(2 if cell == "lstm" else 1)]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_decoder_equals_one_unrolled_by_hand_gradients_included(cell, residual):
    decoder, states = _decoder(cell, residual=residual)
    reference = _ByHand(decoder)
    start, weights = tf.constant(_normal(6, 3)), _normal(6, 7, 3)
    states = [tf.constant(state) for state in states]

    def run(function, variables):
        with tf.GradientTape() as tape:
            tape.watch([start, *states])
            outputs = function()
            loss = tf.reduce_sum(outputs * weights)
        return outputs, tape.gradient(loss, [start, *states, *[v.value for v in variables]])

    in_graph = tf.function(lambda: decoder(start, states, steps=7))
    expected, expected_gradients = run(lambda: reference(start, states, 7), reference.variables)
    for function in (lambda: decoder(start, states, steps=7), in_graph):
        outputs, gradients = run(function, decoder.trainable_variables)
        np.testing.assert_allclose(outputs, expected, atol=1e-5)
        for gradient, other in zip(gradients, expected_gradients, strict=True):
            np.testing.assert_allclose(gradient, other, atol=1e-5, rtol=1e-5)


def test_full_teacher_forcing_reads_the_truth_and_only_in_training():
    decoder, states = _decoder("gru", teacher_forcing=1.0)
    reference, start, truth = _ByHand(decoder), _normal(6, 3), _normal(6, 5, 3)
    forced = decoder(start, states, steps=5, target=truth, training=True)
    np.testing.assert_allclose(forced, reference(start, states, 5, truth), atol=1e-5)
    free = decoder(start, states, steps=5, target=truth, training=False)
    np.testing.assert_allclose(free, reference(start, states, 5), atol=1e-5)


def test_half_teacher_forcing_lies_between():
    decoder, states = _decoder("gru", teacher_forcing=0.5)
    start, truth = _normal(6, 3), _normal(6, 5, 3)
    first, second = (
        decoder(start, states, steps=5, target=truth, training=True).numpy() for _ in range(2)
    )
    assert (first[:, 0] == second[:, 0]).all()  # The first step reads the start in any case.
    assert (first != second).any()


# ---- The model --------------------------------------------------------------------------------


def test_the_published_model_has_its_parameters():
    options = SignalModelOptions(rnn_cell="lstm", rnn_units=(40,) * 4, rnn_activation="tanh")
    model = build_forecaster(options, ForecastOptions(), InputSpec("signal", "float32", (5,)))
    first, other, head = 4 * 40 * (5 + 40 + 1), 4 * 40 * (40 + 40 + 1), 40 * 5 + 5
    assert model.count_params() == 2 * (first + 3 * other) + head
    assert model.output.shape == (None, 150, 5)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_property_08_padding_changes_no_forecast(cell, apart):
    model = _model(cell, forecast_apart=apart)
    lengths = np.array([3, 5, 0, 1], np.int32)
    signal = _normal(4, 5, 3)
    longer = np.concatenate([signal, np.full((4, 3, 3), np.nan, np.float32)], axis=1)
    for row, length in enumerate(lengths):
        longer[row, length:] = np.nan
    results = [_forecast_and_gradients(model, x, lengths) for x in (signal, longer)]
    for first, second in zip(*results, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6, rtol=1e-6)


def _forecast_and_gradients(model, signal, lengths):
    with tf.GradientTape() as tape:
        outputs = model({"signal": signal, "lengths": lengths})
        outputs = tf.boolean_mask(outputs, lengths > 0)
        loss = tf.reduce_sum(tf.square(outputs - 1))
    return [outputs, *tape.gradient(loss, [v.value for v in model.trainable_variables])]


def test_features_apart_are_forecast_from_themselves_alone():
    model = _model(forecast_apart=True)
    signal, lengths = _normal(2, 6, 3), np.array([6, 4])
    changed = signal.copy()
    changed[..., 1] += 1
    before, after = (model({"signal": x, "lengths": lengths}).numpy() for x in (signal, changed))
    np.testing.assert_array_equal(before[..., [0, 2]], after[..., [0, 2]])
    assert (before[..., 1] != after[..., 1]).all()


def test_normalization_is_undone():
    statistics = Statistics((10.0, 20.0, 30.0), (1.0, 2.0, 4.0), (), (), 1)
    plain, scaled = _model(), _model(statistics=statistics, normalization="training_split")
    scaled.set_weights(plain.get_weights())
    x, lengths = _normal(2, 6, 3), np.array([6, 4])
    mean, deviation = np.float32(statistics.mean), np.float32(statistics.deviation)
    expected = plain({"signal": x, "lengths": lengths}) * deviation + mean
    found = scaled({"signal": x * deviation + mean, "lengths": lengths})
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_half_precision_keeps_what_a_large_offset_hides():
    statistics = Statistics((1000.0,) * 3, (1.0,) * 3, (), (), 1)
    inputs = {"signal": _normal(2, 6, 3) + 1000, "lengths": np.array([6, 4])}
    options = {"normalization": "training_split", "forecast_residual": True}
    full = _model(statistics=statistics, **options)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = _model(statistics=statistics, **options)
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(full.get_weights())
    expected, found = full(inputs), half(inputs)
    assert found.dtype == tf.float32
    assert np.ptp(expected) > 1, "there is nothing to lose"
    np.testing.assert_allclose(found, expected, atol=0.05, rtol=0)


@pytest.mark.parametrize("forcing", [0.0, 0.5])
def test_a_saved_model_forecasts_the_same(forcing, tmp_path):
    model = _model(teacher_forcing=forcing, forecast_apart=True, forecast_residual=True)
    inputs = {"signal": _normal(2, 6, 3), "lengths": np.array([6, 4], np.int32)}
    if forcing:
        inputs["label"] = _normal(2, _HORIZON, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rnn_cell": "none"}, "give lstm or gru"),
        ({"rnn_units": (4, 8)}, "first and the last size must be equal"),
        ({"rnn_units": (4,), "normalization": "record"}, "cannot be undone"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_forecaster(SignalModelOptions(**options), ForecastOptions(), _INPUT)


# ---- The task ---------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.one_of(st.just(0), st.integers(_HORIZON + 1, 9)), min_size=1, max_size=4),
    st.sampled_from(["float32", "int16"]),
)
def test_the_horizon_is_cut_off_every_record(lengths, dtype):
    padded = max(*lengths, _HORIZON + 1) + 1
    signal = (100 * _normal(len(lengths), padded, 3)).astype(dtype)
    for row, length in enumerate(lengths):
        signal[row, length:] = 0
    batch = {"signal": tf.constant(signal), "lengths": tf.constant(lengths, tf.int32)}
    cut = {name: value.numpy() for name, value in split_horizon(batch, _HORIZON).items()}
    assert cut["signal"].dtype == dtype
    assert cut["label"].shape == (len(lengths), _HORIZON, 3)
    for row, length in enumerate(lengths):
        seen = max(length - _HORIZON, 0)
        assert cut["lengths"][row] == seen
        assert cut["label_lengths"][row] == (_HORIZON if length else 0)
        np.testing.assert_array_equal(cut["signal"][row, :seen], signal[row, :seen])
        assert not cut["signal"][row, seen:].any()
        np.testing.assert_array_equal(
            cut["label"][row], signal[row, seen:length] if length else np.zeros((_HORIZON, 3))
        )


def _task():
    return ForecastTask(forecast_label(_INPUT), horizon_steps=_HORIZON)


@pytest.mark.parametrize("replicas", [1, 4])
def test_replicas_share_the_forecasts_of_a_split(replicas, tmp_path):
    schema = RecordSchema(_INPUT)
    records = random_records([5, 9, 7], schema)
    dataset = write_dataset(tmp_path, {"train": records}, schema)
    split = load_split(dataset, "train", DataOptions(batch_size=3), _task())
    found = {}
    for batch in split.read(split.plan(), num_replicas=replicas):
        for row, label in zip(batch["record"].numpy(), batch["label"].numpy(), strict=True):
            found[int(row)] = label
    assert sorted(found.keys() - {-1}) == [0, 1, 2]
    for row, record in enumerate(records):
        np.testing.assert_array_equal(found[row], record.data[-_HORIZON:])


def test_a_record_not_longer_than_the_horizon_is_named(tmp_path):
    schema = RecordSchema(_INPUT)
    records = random_records([9, _HORIZON, 7], schema, prefix="wave-")
    dataset = write_dataset(tmp_path, {"train": records}, schema)
    message = f"'wave-1' of split 'train' has {_HORIZON} steps.*--horizon_steps={_HORIZON}"
    with pytest.raises(DatasetError, match=message):
        load_split(dataset, "train", DataOptions(), _task())


def test_frames_are_refused():
    with pytest.raises(DatasetError, match="needs signals, the dataset has frames"):
        forecast_label(InputSpec("frames", "uint8", (4, 4, 3)))


def test_a_training_evaluates_beside_both_baselines(tmp_path, capsys):
    schema = RecordSchema(_INPUT)
    records = {
        split: random_records(lengths, schema, seed=seed)
        for seed, (split, lengths) in enumerate({"train": [6, 12, 9, 7], "test": [8, 6]}.items())
    }
    dataset = write_dataset(tmp_path / "data", records, schema)
    train(
        dataset.path, tmp_path / "run", "--model=forecaster", "--horizon_steps=5",
        "--rnn_units=4", "--teacher_forcing=0.5", "--report",
    )  # fmt: skip
    output = capsys.readouterr().out
    assert (tmp_path / "run" / "report.html").exists()
    found = json.loads((tmp_path / "run" / "evaluation-test.json").read_text())
    ends = np.stack([r.data[-5:] for r in records["test"]])
    last = np.stack([r.data[-6] for r in records["test"]])
    mean = np.mean([r.data[-5:] for r in records["train"]], axis=(0, 1))
    expected = {
        "last value": np.abs(ends - last[:, None]).mean((0, 1)),
        "mean predictor": np.abs(ends - mean).mean((0, 1)),
    }
    assert {baseline["name"] for baseline in found["baselines"]} == expected.keys()
    for baseline in found["baselines"]:
        each = [component["mae"] for component in baseline["per_component"]]
        np.testing.assert_allclose(each, expected[baseline["name"]], rtol=1e-5)
        assert baseline["name"] in output
        assert f"{baseline['mae']:.3f}" in output
    assert found["metrics"]["mae"] == pytest.approx(
        np.mean([component["mae"] for component in found["per_component"]])
    )
