"""`calibration.json`: what was chosen on the validation split for the weights of a run."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import keras
import numpy as np

from pipeline.console.terminal import say
from tfrecords_schema import DatasetError, LabelSpec
from tfrecords_schema.decoding import decode, json_object
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write, read
from trainer.options.reading import ReadingOptions
from trainer.runs.checkpoints import CheckpointError
from trainer.step.reading import AS_THEY_ARE, Reading

_FILE = "calibration.json"


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What was asked for, what was found, and for which weights.

    Attributes:
      weights: SHA-256 of the weights that it is for.
      asked: the options, by name.
      split: on which it was chosen; empty where nothing was.
      dataset_fingerprint: of the dataset of that split.
      labels: how many labels the split has.
      temperature: 1 where none was fitted.
      threshold: of the positive class; None where none was chosen.
      thresholds: by name of each class that has one, where a label is any number of classes.
      before: metrics of probabilities on the split without the temperature.
      after: likewise with it.
      decision: sensitivity, specificity, precision and F1 of the positive class on the split.
      notes: why something that was asked for was not found.
    """

    weights: str
    asked: dict[str, str]
    split: str = ""
    dataset_fingerprint: str = ""
    labels: int = 0
    temperature: float = 1.0
    threshold: float | None = None
    before: dict[str, float] = dataclasses.field(default_factory=dict)
    after: dict[str, float] = dataclasses.field(default_factory=dict)
    decision: dict[str, float] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    thresholds: dict[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, run_dir: str) -> Calibration | None:
        """Reads it from a run folder; None if there is none.

        Raises:
          CheckpointError: it is not as it was written.
        """
        path = join(run_dir, _FILE)
        content = read(path)
        if content is None:
            return None
        try:
            found: Calibration = decode(cls, json_object(content))
            if not 0 < found.temperature < np.inf:
                raise DatasetError(f"temperature: got {found.temperature}, expected above 0")
            return found
        except DatasetError as error:
            raise CheckpointError(
                f"{path} is not what an evaluation wrote ({error}); remove it, and evaluate again "
                "with --mode=evaluate"
            ) from error

    def write(self, run_dir: str) -> None:
        """Writes it into a run folder."""
        content = json.dumps(dataclasses.asdict(self), indent=1) + "\n"
        atomic_write(join(run_dir, _FILE), content.encode())

    def reading(self, label: LabelSpec) -> Reading:
        """How outputs are to be read."""
        if self.thresholds:
            each = tuple(self.thresholds.get(name, 0.5) for name in label.class_names)
            return Reading(thresholds=each)
        if self.threshold is None:
            return Reading(self.temperature)
        positive = label.class_names.index(self.asked["positive_class"])
        return Reading(self.temperature, positive, self.threshold)

    def is_for(self, weights: str, options: ReadingOptions) -> bool:
        """Whether it is what these options ask for, for these weights."""
        return self.weights == weights and self.asked == dataclasses.asdict(options)


def hash_of_weights(model: keras.Model) -> str:
    """SHA-256 of all weights, in their order."""
    digest = hashlib.sha256()
    for weight in model.weights:
        array = np.asarray(weight.numpy())
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def kept_reading(
    run_dir: str, options: ReadingOptions, model: keras.Model, label: LabelSpec
) -> Reading:
    """What an evaluation has chosen for these weights, and says so.

    Raises:
      CheckpointError: something is asked for that none has.
    """
    if not options.is_asked:
        return AS_THEY_ARE
    found = Calibration.read(run_dir)
    if found is None or not found.is_for(hash_of_weights(model), options):
        why = "is of other weights or options" if found else "is not there"
        raise CheckpointError(
            f"--calibrate and --decide_by take what an evaluation has chosen, and "
            f"{join(run_dir, _FILE)} {why}: give the same flags with --mode=evaluate and the "
            "--dataset of the training before, or --calibrate=none and an empty --decide_by"
        )
    for note in found.notes:
        say(f"WARNING: {note}")
    return found.reading(label)
