"""Keras callbacks in our loop: which ones, and their state in a checkpoint."""

import inspect
import time
from collections.abc import Set

import keras
import tensorflow as tf

from tfrecords_schema.places import gfile
from tfrecords_schema.storage import make_folder
from trainer.options.options import RunOptions, TrainingOptions

# In an epoch's logs: the value of --monitor that decides, see `Trainer`.
MONITORED = "monitored"
_SENT_EVERY_SECS = 60.0
# What JSON holds exactly; anything else a callback keeps is rebuilt, not restored.
_PLAIN = (bool, int, float, str, type(None))


class TensorBoardScalars(keras.callbacks.Callback):
    """Writes every value of the epoch's logs as a TensorBoard scalar.

    `keras.callbacks.TensorBoard` reads counters that only `fit` keeps.
    """

    def __init__(self, run_dir: str):
        super().__init__()
        self._run_dir = run_dir
        self._writers: dict[str, tuple[tf.summary.SummaryWriter, gfile.Written]] = {}
        self._next_sent = 0.0

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes the logs under the number of finished epochs."""
        for name, value in (logs or {}).items():
            if name == MONITORED:  # Written under its own name already.
                continue
            is_validation = name.startswith("val_")
            writer = self._writer("validation" if is_validation else "train")
            with writer.as_default(step=epoch + 1):
                tf.summary.scalar(f"epoch/{name.removeprefix('val_')}", value)
        self._flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the event files."""
        for writer, written in self._writers.values():
            writer.close()
            written.send()

    def _writer(self, name: str) -> tf.summary.SummaryWriter:
        if name not in self._writers:
            folder = make_folder(self._run_dir, "tensorboard", name)
            written = gfile.Written(folder)
            self._writers[name] = tf.summary.create_file_writer(written.path), written
        return self._writers[name][0]

    def _flush(self) -> None:
        """Flushes the files; to an object store they go now and then, as they go there whole."""
        is_time = time.monotonic() >= self._next_sent
        for writer, written in self._writers.values():
            writer.flush()
            if is_time:
                written.send()
        if is_time:
            self._next_sent = time.monotonic() + _SENT_EVERY_SECS


class TensorBoardHistograms(TensorBoardScalars):
    """Writes a histogram of every trained variable after each epoch."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Writes them under the number of finished epochs."""
        writer = self._writer("weights")
        with writer.as_default(step=epoch + 1):
            for variable in self.model.trainable_variables:
                tf.summary.histogram(variable.path, variable.value)
        self._flush()


def make_callbacks(
    run: RunOptions, training: TrainingOptions, *, mode: str, writes: bool = True
) -> list[keras.callbacks.Callback]:
    """The callbacks that the options ask for.

    Args:
      run: where TensorBoard events go.
      training: patience of early stopping and of the rate's reduction.
      mode: `min` or `max`, whichever is better for the monitored metric.
      writes: whether this worker writes what a run leaves.
    """
    callbacks: list[keras.callbacks.Callback] = []
    if run.tensorboard and writes:
        callbacks.append(TensorBoardScalars(run.run_dir))
    if run.histograms and writes:
        callbacks.append(TensorBoardHistograms(run.run_dir))
    if training.early_stopping_patience:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                MONITORED, patience=training.early_stopping_patience, mode=mode
            )
        )
    if training.reduce_lr_patience:
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                MONITORED, patience=training.reduce_lr_patience, mode=mode
            )
        )
    return callbacks


def callback_states(callbacks: list[keras.callbacks.Callback]) -> dict[str, dict]:
    """Plain attributes of each callback, by its class's name, without its constructor's options."""
    return {
        type(callback).__name__: {
            key: value
            for key, value in vars(callback).items()
            if isinstance(value, _PLAIN) and key not in _options(callback)
        }
        for callback in callbacks
        if not isinstance(callback, TensorBoardScalars)  # It keeps but its folder, which may move.
    }


def restore_callbacks(callbacks: list[keras.callbacks.Callback], states: dict[str, dict]) -> None:
    """Puts back what `callback_states` took, and earlier versions with the options."""
    for callback in callbacks:
        state = states.get(type(callback).__name__, {})
        vars(callback).update({key: state[key] for key in state.keys() - _options(callback)})
        if (
            isinstance(callback, keras.callbacks.EarlyStopping)
            and callback.wait < callback.patience
        ):
            callback.stopped_epoch = 0  # It stopped, and has more patience now.


def _options(callback: keras.callbacks.Callback) -> Set[str]:
    """Arguments of its constructor, which may be others when a training goes on."""
    return inspect.signature(type(callback)).parameters.keys()
