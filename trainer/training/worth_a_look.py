"""What can be said against a training before it has begun."""

import math

import keras

from pipeline.console.texts import counted, wrapped
from pipeline.doubts.division import doubts
from tfrecords_schema import Dataset
from trainer.data.split_data import SplitData
from trainer.options.options import TrainingOptions

_FEW_UPDATES = 100


def text(training: TrainingOptions, dataset: Dataset, train: SplitData, model: keras.Model) -> str:
    """All of it, in columns of at most 80 characters; empty where there is nothing to say.

    Args:
      training: how long is trained.
      dataset: what is trained on.
      train: its training split, as the steps read it.
      model: what is trained.
    """
    found = doubts(dataset)
    if model.trainable_variables:
        found = [*_few_updates(training, train.plan().num_steps), *found]
    return "\n".join(["worth a look:", *(wrapped(f"- {note}") for note in found)]) if found else ""


def _few_updates(training: TrainingOptions, batches: int) -> list[str]:
    number = training.epochs * math.ceil(batches / training.accumulate_batches)
    if number >= _FEW_UPDATES:
        return []
    return [
        f"{counted(number, 'update')} in all ({counted(training.epochs, 'epoch')} of "
        f"{counted(batches, 'batch', 'batches')}): few models learn anything in so few; give more "
        "--epochs, or a smaller --batch_size"
    ]
