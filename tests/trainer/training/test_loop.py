"""The loop in this process: callbacks, traces, early stopping, best weights."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from sklearn import metrics

from pipeline.batches.plan import BatchOptions
from pipeline.batches.random_order import permutation
from pipeline.console.errors import UsageError
from tests.datasets import CLASS_PER_STEP, random_records, write_dataset
from tfrecords_schema import InputSpec, RecordSchema
from trainer.augmentation.augmentation import Draws, augmented
from trainer.augmentation.mixup import Mixup
from trainer.data.split_data import SplitData
from trainer.evaluation.evaluation import figure_of_split
from trainer.evaluation.predictions import predict_split
from trainer.metrics.table import epoch_figures
from trainer.models.signal import SignalModelOptions, build_signal_model
from trainer.options.options import RunOptions, TrainingOptions
from trainer.runs.checkpoints import TrainingState, load
from trainer.step.steps import Steps
from trainer.step.task import Task
from trainer.training.callbacks import callback_states, restore_callbacks
from trainer.training.loop import Trainer
from trainer.training.optimizers import make_optimizer

_MODEL = SignalModelOptions(
    conv_filters=(), conv_strides=(), rnn_cell="none", dropout=0.0, batch_normalization=False
)
_RECURRENT = dataclasses.replace(_MODEL, rnn_cell="gru", rnn_units=(4,))
_LENGTHS = [3, 9, 1, 7, 4, 4, 2, 8, 5, 6, 3, 2, 2]


@dataclasses.dataclass
class _Run:
    """A small training, ready to run."""

    trainer: Trainer
    model: keras.Model
    steps: Steps


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    schema = RecordSchema(InputSpec("signal", "float32", (3,)), CLASS_PER_STEP)
    splits = {
        "train": random_records(_LENGTHS, schema, prefix="a"),
        "validation": random_records([2, 6, 3], schema, prefix="b", seed=1),
    }
    return write_dataset(tmp_path_factory.mktemp("loop"), splits, schema)


def _make(
    dataset, run_dir, callbacks=(), class_weights=None, validates=True, identity=False,
    batch_size=3, mixup=0.0, network=_MODEL, **training,
):  # fmt: skip
    keras.utils.set_random_seed(0)
    options = TrainingOptions(**{"epochs": 3, "learning_rate": 0.02, **training})
    changeable = {**dataclasses.asdict(options), "batch_size": batch_size}
    run = RunOptions(dataset=dataset.path, run_dir=str(run_dir), allow_changed=tuple(changeable))
    batches = BatchOptions(batch_size=batch_size, num_buckets=3)
    train = SplitData(dataset, "train", batches, has_partners=bool(mixup))
    validation = SplitData(dataset, "validation", batches)
    model = build_signal_model(network, dataset.schema.input, dataset.schema.label)
    optimizer = make_optimizer(options, train.plan().num_steps)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer)
    strategy = tf.distribute.get_strategy()
    task = Task(dataset.schema.label, class_weights)

    def mix(batch, epoch):
        return augmented(batch, [Mixup(mixup)], 0, epoch, dataset.schema.label)

    steps = Steps(
        strategy, model, optimizer, task, augment=mix if mixup else None,
        clip_norm=options.clip_norm, accumulate=options.accumulate_batches > 1,
    )  # fmt: skip
    trainer = Trainer(
        model=model, steps=steps, strategy=strategy,
        train=train, validation=validation if validates else None, run=run, training=options,
        callbacks=callbacks, identity=changeable if identity else {},
    )  # fmt: skip
    return _Run(trainer, model, steps)


def traces(steps):
    """How often the training step was traced."""
    function = steps._compiled.get("_update_replica")
    return 0 if function is None else function.experimental_get_tracing_count()


def test_property_11_one_trace_serves_every_bucket(dataset, tmp_path):
    run = _make(dataset, tmp_path, network=_RECURRENT)
    run.trainer.run()
    assert traces(run.steps) == 1


@pytest.mark.parametrize(("batches", "mixup"), [(1, 0.6), (2, 0.0)])
def test_training_is_the_plain_loop_over_unpadded_records(dataset, batches, mixup, tmp_path):
    """The reference knows nothing of padding, plans' tensors or our step: records one by one.

    Batches that are accumulated are one batch; of an odd number the last is an update alone.
    """
    weights = (1.0, 3.0, 0.25)
    run = _make(
        dataset, tmp_path, class_weights=weights, accumulate_batches=batches, mixup=mixup,
        epochs=1, optimizer="sgd", momentum=0.0, clip_norm=0.1, network=_RECURRENT,
    )  # fmt: skip
    reference = _make(dataset, tmp_path / "reference", network=_RECURRENT).model
    train = SplitData(dataset, "train", BatchOptions(batch_size=3, num_buckets=3))
    records = random_records(_LENGTHS, dataset.schema, prefix="a")
    assert train.index.ids() == [record.id for record in records]
    plan, partners = train.plan(seed=0, epoch=0), permutation(len(records), 0, 0, 2)
    shares = Draws(0, 0, tf.range(len(records)), "Mixup").uniform(0).numpy()
    shares = scipy.stats.beta(mixup, mixup).ppf(shares) if mixup else np.zeros(len(records))
    pairs = [(own, records[row]) for own, row in zip(records, partners, strict=True)]
    assert plan.num_steps % 2, "the epoch is to end with a batch that has no other to go with"
    for step in range(0, plan.num_steps, batches):
        rows = [plan.rows(step + more) for more in range(min(batches, plan.num_steps - step))]
        mixed = [_plain_mix(*pairs[row], shares[row]) for row in np.concatenate(rows)]
        _plain_step(reference, mixed, weights)
    run.trainer.run()
    for found, expected in zip(run.model.variables, reference.variables, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-6, err_msg=found.path)


def _plain_mix(own, partner, share):
    """The signal, and by how much each step's label is each class."""
    steps = min(own.steps, partner.steps)
    data, classes = own.data.copy(), np.eye(3, dtype=np.float32)[own.label]
    data[:steps] = (1 - share) * own.data[:steps] + share * partner.data[:steps]
    of_partner = np.eye(3)[partner.label[:steps]]
    classes[:steps] = (1 - share) * classes[:steps] + share * of_partner
    return data, classes


def _plain_step(model, records, class_weights):
    weights = np.concatenate([classes for _, classes in records]) * class_weights
    with tf.GradientTape() as tape:
        losses = tf.concat([_plain_losses(model, data) for data, _ in records], 0)
        objective = tf.reduce_sum(losses * weights) / weights.sum() + tf.add_n(model.losses)
    variables = [v.value for v in model.trainable_variables]
    gradients, _ = tf.clip_by_global_norm(tape.gradient(objective, variables), 0.1)
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.assign_sub(0.02 * gradient)


def _plain_losses(model, data):
    """Of each step, if it were of each class."""
    inputs = {"signal": data[None], "lengths": np.array([len(data)], np.int32)}
    return -keras.ops.log_softmax(model(inputs, training=True)[0])


def test_a_users_callback_sees_every_step_and_the_epochs_logs(dataset, tmp_path):
    seen = {"steps": 0, "logs": []}

    class Own(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen["steps"] += 1

        def on_epoch_end(self, epoch, logs=None):
            seen["logs"].append(logs)

    run = _make(dataset, tmp_path, [Own()])
    run.trainer.run()
    assert seen["steps"] == run.trainer.state.global_step == 3 * 5
    for logs in seen["logs"]:
        assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"} <= logs.keys()


def test_a_training_ends_with_the_average_of_its_weights_which_it_validates(dataset, tmp_path):
    average, validated = [], []

    class Averaging(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            own = [variable.numpy() for variable in self.model.trainable_variables]
            average[:] = [0.8 * a + 0.2 * v for a, v in zip(average or own, own, strict=True)]

        def on_epoch_end(self, epoch, logs=None):
            validated.append((logs["val_loss"], list(average)))

    run = _make(dataset, tmp_path, [Averaging()], ema_momentum=0.8)
    run.trainer.run()
    assert len(validated) == 3
    for found, expected in zip(run.model.trainable_variables, average, strict=True):
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    for val_loss, weights in validated:
        for variable, value in zip(run.model.trainable_variables, weights, strict=True):
            variable.assign(value)
        assert run.trainer._validate()["loss"] == pytest.approx(val_loss, rel=1e-5)


@pytest.mark.parametrize("validates", [True, False])
def test_early_stopping_ends_the_training_and_stays_ended(dataset, validates, tmp_path):
    options = {"epochs": 50, "learning_rate": 1e-30, "early_stopping_patience": 2}
    run = _make(dataset, tmp_path, validates=validates, **options)
    run.trainer.run()
    epochs = run.trainer.state.epoch
    # The first, and two without improvement; last bits of a training loss depend on the order.
    assert epochs == 3 if validates else epochs < 50
    again = _make(dataset, tmp_path, validates=validates, **options)
    again.trainer.run()
    assert again.trainer.state.epoch == epochs


def test_the_rate_is_reduced_on_a_plateau_and_survives_a_resume(dataset, tmp_path):
    options = {"learning_rate": 1e-9, "reduce_lr_patience": 1, "monitor": "accuracy"}
    run = _make(dataset, tmp_path, epochs=4, **options)
    run.trainer.run()
    reduced = float(run.model.optimizer.learning_rate.numpy())
    assert reduced < 1e-9
    again = _make(dataset, tmp_path, epochs=4, **options)
    again.trainer.run()
    assert float(again.model.optimizer.learning_rate.numpy()) == reduced


def test_going_on_with_another_rate_trains_at_that_rate(dataset, tmp_path):
    _make(dataset, tmp_path, epochs=1, identity=True).trainer.run()
    _make(dataset, tmp_path, epochs=2, learning_rate=0.004, identity=True).trainer.run()
    rates = [json.loads(line)["learning_rate"] for line in (tmp_path / "metrics.jsonl").open()]
    assert rates == pytest.approx([0.02, 0.004])


@pytest.mark.parametrize(("batch_size", "steps"), [(3, 3), (2, 7), (13, 1)])
def test_an_epoch_of_other_batches_begins_anew(dataset, batch_size, steps, tmp_path, capsys):
    """Else a step of the new batches would stand for what the old ones had trained on."""
    seen = []

    class Own(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)
            if len(seen) == 4:
                raise KeyboardInterrupt

    options = {"epochs": 1, "checkpoint_every_steps": 2, "identity": True}
    with pytest.raises(KeyboardInterrupt):
        _make(dataset, tmp_path, [Own()], **options).trainer.run()
    _make(dataset, tmp_path, [Own()], **options, batch_size=batch_size).trainer.run()
    assert len(seen) == 4 + steps
    assert ("begins anew" in capsys.readouterr().out) == (batch_size != 3)


def test_going_on_with_more_patience_goes_on(dataset, tmp_path):
    options = {"learning_rate": 1e-30, "monitor": "accuracy", "identity": True}
    options |= {"epochs": 6, "reduce_lr_patience": 3}
    _make(dataset, tmp_path, **options, early_stopping_patience=1).trainer.run()
    options["reduce_lr_patience"] = 1
    again = _make(dataset, tmp_path, **options, early_stopping_patience=3)
    again.trainer.run()
    assert again.trainer.state.epoch == 4
    assert again.model.optimizer.learning_rate.numpy() < 1e-31


def test_options_of_callbacks_are_in_no_checkpoint_and_not_taken_from_an_earlier_one():
    stopping = keras.callbacks.EarlyStopping("loss", patience=3)
    (state,) = callback_states([stopping]).values()
    assert state["wait"] == 0
    assert state.keys().isdisjoint(["monitor", "patience", "min_delta", "baseline", "verbose"])
    restore_callbacks([stopping], {"EarlyStopping": {**state, "patience": 1, "wait": 2}})
    assert (stopping.patience, stopping.wait) == (3, 2)


def test_going_on_with_another_metric_forgets_the_best_value(dataset, tmp_path):
    _make(dataset, tmp_path, epochs=2, identity=True, early_stopping_patience=2).trainer.run()
    options = {"epochs": 3, "monitor": "accuracy", "early_stopping_patience": 2}
    again = _make(dataset, tmp_path, **options, identity=True)
    again.trainer.run()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    assert again.trainer.state.best == lines[-1]["validation"]["accuracy"]
    assert again.trainer.state.callbacks["EarlyStopping"]["best"] == again.trainer.state.best


def test_what_no_batch_can_tell_is_measured_on_predictions_of_the_validation_split(
    dataset, tmp_path
):
    run = _make(dataset, tmp_path, epochs=1, monitor="macro_f1")
    run.trainer.run()
    (line,) = map(json.loads, (tmp_path / "metrics.jsonl").open())
    split = SplitData(dataset, "validation", BatchOptions(batch_size=1, num_buckets=1))
    found = predict_split(run.steps, split, split.label)
    expected = {
        "macro_f1": metrics.f1_score(found.label, found.prediction.argmax(1), average="macro"),
        "roc_auc": metrics.roc_auc_score(np.eye(3)[found.label], found.prediction),
        "accuracy": metrics.accuracy_score(found.label, found.prediction.argmax(1)),
    }
    for name, value in expected.items():
        assert figure_of_split(name, run.steps, split) == pytest.approx(value, rel=1e-5)
    assert line["validation"]["macro_f1"] == pytest.approx(expected["macro_f1"], rel=1e-5)
    assert run.trainer.state.best == line["validation"]["macro_f1"]
    assert "macro_f1" not in line["train"]
    assert run.steps._predict.experimental_get_tracing_count() == 1  # For batches of all shapes.


def test_what_no_batch_can_tell_needs_a_validation_split():
    Task(CLASS_PER_STEP).require_metric("macro_f1")
    Task(CLASS_PER_STEP).require_metric("accuracy", validates=False)
    said = "needs predictions of a validation split, and there is none; .* loss, accuracy$"
    with pytest.raises(UsageError, match=said):
        Task(CLASS_PER_STEP).require_metric("macro_f1", validates=False)
    with pytest.raises(UsageError, match="'rmse' is none of loss, accuracy, balanced_accuracy"):
        Task(CLASS_PER_STEP).require_metric("rmse")


def test_the_best_weights_are_those_of_the_best_validation_loss(dataset, tmp_path):
    run = _make(dataset, tmp_path, epochs=6, learning_rate=0.3)
    run.trainer.run()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [line["validation"]["loss"] for line in lines]
    state = load(str(tmp_path / "best"), {"model": run.model.variables})
    assert isinstance(state, TrainingState)
    assert state.best == min(losses)
    again = run.trainer._validate()
    assert again["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_a_value_that_is_not_finite_is_worse_than_any(dataset, tmp_path):
    run = _make(dataset, tmp_path, epochs=5, early_stopping_patience=2)
    losses = iter([float("nan"), 1.0, float("inf"), 0.5, float("nan")])
    run.trainer._validate = lambda: {"loss": next(losses), "accuracy": 0.0}
    run.trainer.run()
    assert run.trainer.state.epoch == 5
    assert run.trainer.state.best == 0.5
    assert load(str(tmp_path / "best"), {"model": run.model.variables}).epoch == 4


def test_a_loss_without_any_weight_is_not_the_best(dataset, tmp_path):
    run = _make(dataset, tmp_path, epochs=2)
    sums = iter([{"loss": (0.0, 0.0), "accuracy": (1.0, 2.0)}, {"loss": (3.0, 2.0)}])
    run.trainer._validate = lambda: epoch_figures(next(sums)) | {"accuracy": 0.5}
    run.trainer.run()
    assert run.trainer.state.best == 1.5
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line, parse_constant=pytest.fail)["validation"] for line in lines]
    assert [figures["loss"] for figures in found] == [None, 1.5]
