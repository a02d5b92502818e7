"""Several networks in one model: each has its own loss, and their answers are averaged."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pipeline.console.errors import UsageError
from pipeline.console.options import Options, option
from trainer.models.family import BuiltModel, DataSpec, Family
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.

if TYPE_CHECKING:
    from tfrecords_schema import LabelSpec
    from trainer.step.task import Task


@dataclasses.dataclass(frozen=True)
class EnsembleOptions(Options):
    """How many networks a model is."""

    ensemble: int = option(
        1,
        "Networks that are trained side by side; their probabilities or values are averaged.",
        low=1,
        common=True,
    )

    @property
    def is_several(self) -> bool:
        """Whether answers are means."""
        return self.ensemble > 1


class EnsembleFamily(Family):
    """A family of which several networks can be one model; the first of its options says so."""

    automatic = True
    labels = ("step", "record")

    def task(self, label: LabelSpec, *options: Any, **scoring: Any) -> Task:
        """See `Family.task`; the mean of several networks is one of their softmax.

        Raises:
          UsageError: another activation is asked for with several.
        """
        activation = scoring.get("activation", "softmax")
        if options[0].is_several and activation != "softmax":
            raise UsageError(
                f"--class_activation={activation} does not go with several networks; give one: "
                "--ensemble=1, and no --random_convolutions"
            )
        return super().task(label, *options, **scoring)

    def side_by_side(self, *options: Any) -> int:
        """See `Family.side_by_side`."""
        return int(options[0].ensemble)


def averaged(
    inputs: dict[str, Any],
    networks: list[Any],
    data: DataSpec,
    fitted: Any = None,
    share: float | None = None,
) -> BuiltModel:
    """The model of which outputs are the means.

    Args:
      inputs: of the model, by name.
      networks: outputs that are trained by gradients, each by itself.
      data: what is predicted.
      fitted: outputs that no gradient trains; None where there are none.
      share: of those in the pool with the networks' mean; None where they count as one network.
    """
    if len(networks) == 1 and fitted is None:
        return BuiltModel(keras.Model(inputs, networks[0], name="model"))
    trained = _mean(data, "mean_of_trained")(networks)
    mean = trained
    if fitted is not None and share is not None:
        mean = layers.Pool(share, name="pool_with_fitted")([trained, fitted])
    elif fitted is not None:
        mean = _mean(data, "mean")([*networks, fitted])
    members = keras.Model(inputs, [trained, *networks], name="members")
    return BuiltModel(keras.Model(inputs, mean, name="model"), members=members)


def _mean(data: DataSpec, name: str) -> keras.layers.Layer:
    """The layer that makes one answer of several: of probabilities where labels are of classes."""
    if data.label.kind == "classes":
        return layers.MeanOfSigmoids(name=name)
    if heads := [head.label for head in data.label.heads]:
        sizes = [label.outputs for label in heads]
        return layers.MeanOfHeads([label.kind for label in heads], sizes, name=name)
    return layers.MemberMean(data.label.is_single, name=name)
