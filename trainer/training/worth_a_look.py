"""What can be said against a training before it has begun."""

import math
from collections.abc import Iterable

import keras

from pipeline.console.texts import counted, wrapped
from pipeline.doubts.division import doubts
from tfrecords_schema import Dataset
from trainer.data.split_data import SplitData
from trainer.options.options import TrainingOptions

_FEW_UPDATES = 100
_FEW_RECORDS = 5


def notes(
    training: TrainingOptions,
    dataset: Dataset,
    train: SplitData,
    validation: SplitData | None,
    test_split: str,
    model: keras.Model,
) -> list[str]:
    """All of it, a sentence each.

    Args:
      training: how long is trained, and what decides.
      dataset: what is trained on.
      train: its training split.
      validation: what is validated on, if anything is.
      test_split: what is measured at the end.
      model: what is trained.
    """
    found = [*_gaps(dataset, train.name), *doubts(dataset)]
    if model.trainable_variables:
        if validation and validation.name == test_split and training.chooses:
            found.insert(0, _tested_on_validation(test_split))
        undecided = _deciding_nothing(training, dataset, validation.name) if validation else []
        found = [*_few_updates(training, train.plan().num_steps), *undecided, *found]
    return found


def text(found: Iterable[str]) -> str:
    """Notes in columns of at most 80 characters."""
    return "\n".join(["worth a look:", *(wrapped(f"- {note}") for note in found)])


def _gaps(dataset: Dataset, split: str) -> list[str]:
    """How many labels are not known."""
    label, entry = dataset.schema.label, dataset.manifest.splits[split]
    if label is None or not entry.missing_labels:
        return []
    total = entry.records if label.per == "record" else entry.steps
    of = f" of {total:,}" if label.per != "sequence" else ""
    return [f"{entry.missing_labels:,}{of} labels of {split} are not known: they have no weight"]


def _few_updates(training: TrainingOptions, batches: int) -> list[str]:
    number = training.epochs * math.ceil(batches / training.accumulate_batches)
    if number >= _FEW_UPDATES:
        return []
    return [
        f"{counted(number, 'update')} in all ({counted(training.epochs, 'epoch')} of "
        f"{counted(batches, 'batch', 'batches')}): few models learn anything in so few; give more "
        "--epochs, or a smaller --batch_size"
    ]


def _tested_on_validation(split: str) -> str:
    return (
        f"{split} is validated on and tested: its figure will be that of the weights that were "
        "chosen by it, and better than that of new records; give another --validation_split"
    )


def _deciding_nothing(training: TrainingOptions, dataset: Dataset, split: str) -> list[str]:
    """Whether a validation split that decides on weights or on an end can tell good from bad."""
    deciding = [f"--{name}={value}" for name, value in training.chooses.items()]
    entry = dataset.manifest.splits[split]
    classes = [name for name, count in entry.class_counts.items() if count]
    problem = ""
    if len(classes) == 1 < len(entry.class_counts):
        problem = f"all labels of {split} are {classes[0]}"
    elif entry.records < _FEW_RECORDS:
        problem = f"{split} has {counted(entry.records, 'record')}"
    if not problem or not deciding:
        return []
    return [
        f"{problem}: its {training.monitor} tells no good weights from bad ones, and decides by "
        f"{', '.join(deciding)}; convert with more groups in {split} (--splits, --stratify), or "
        "give --validation_split= and --evaluate_with=last"
    ]
