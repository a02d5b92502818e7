"""What networks over samples share: from packed samples to features, and on to the labels.

A family of this kind says only what stands between: its `encode`. Everything runs on packed rows,
so its cost follows the valid samples, whatever records share a batch.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

from pipeline.console.options import option
from tfrecords_schema.channels import MOST_FEATURES
from tfrecords_schema.errors import UserError
from trainer.models.family import BuiltModel, DataSpec
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.ensemble import EnsembleFamily, EnsembleOptions, averaged
from trainer.models.parts.front_end import Features, FrontEndOptions, front_end
from trainer.models.parts.head import head
from trainer.models.parts.normalization import padding_input
from trainer.models.parts.random_convolutions import (
    RandomConvolutionOptions,
    random_convolutions,
    ridge_fit,
)
from trainer.models.signal import unpack_predictions


@dataclasses.dataclass(frozen=True)
class NetworkOptions(EnsembleOptions, FrontEndOptions):
    """What networks over samples are made of."""

    of_log_mel = (*FrontEndOptions.of_log_mel, "frequency_mask", "frame_mask")
    width: int | None = option(None, "Filters of a layer; by itself as published.", low=1)
    depth: int | None = option(None, "Blocks of layers; by itself as published.", low=1)
    head_dropout: float = option(0.0, "Dropout rate before the last layer.", low=0, high=1)
    frequency_mask: float = option(
        0.0,
        "Most of the bands of --front_end=log_mel left out in training, twice (SpecAugment).",
        low=0, high=1,
    )  # fmt: skip
    frame_mask: float = option(
        0.0, "Most of a recording's frames left out in training, twice.", low=0, high=1
    )
    random_convolutions: bool = option(
        False,
        "Whether random convolutions with a ridge are one more of them, see --model=hydra.",
        common=True,
    )
    random_share: float | None = option(
        None,
        "Share of --random_convolutions in the mean of their logits (or values) and those of the "
        "networks together; without it they are one more network, and probabilities are averaged.",
        low=0, high=1,
    )  # fmt: skip

    @property
    def is_several(self) -> bool:
        """See `EnsembleOptions`."""
        return super().is_several or self.random_convolutions


class Scale(NamedTuple):
    """The way back from rows to steps.

    Attributes:
      samples: of a step.
      factor: samples that a row stands for.
      lengths: `[batch] int32`, steps of each record; or its samples, where `has_padding`.
      has_padding: whether the last step of a record may have fewer samples.
    """

    samples: int
    factor: int
    lengths: Any
    has_padding: bool


class Network(EnsembleFamily):
    """A network over the samples of a recording; one label per step or per record."""

    options = (NetworkOptions, RandomConvolutionOptions)
    inputs = ("signal",)

    def encode(self, x: Features, options: NetworkOptions) -> Features:
        """From samples to features, a row for each.

        Args:
          x: normalized samples, packed.
          options: of the network.
        """
        raise NotImplementedError

    def build(self, data: DataSpec, *options: Any) -> BuiltModel:
        """See `Family.build`."""
        chosen, convolutions = options
        inputs, lengths, x, scale = network_inputs(data, chosen)
        networks = []
        for number in range(chosen.ensemble):
            name = f"member_{number}" if chosen.ensemble > 1 else "network"
            rows = self._member(x, scale, chosen, data, name)
            padded = inputs[data.input.kind]
            networks.append(unpack_predictions(rows, lengths, padded, data.label, f"{name}_unpack"))
        if not chosen.random_convolutions:
            if convolutions != RandomConvolutionOptions() or chosen.random_share is not None:
                raise UserError(
                    "--kernel_groups, --dilations, --rocket_biases and --random_share have no "
                    "effect without --random_convolutions; leave them out, or add it"
                )
            return averaged(inputs, networks, data)
        features, rows = random_convolutions(
            x.rows, x.lengths, lengths, scale[:2], data, convolutions, chosen.causal
        )
        fitted = unpack_predictions(
            rows, lengths, inputs[data.input.kind], data.label, "unpack_ridge"
        )
        built = averaged(inputs, networks, data, fitted, chosen.random_share)
        return built._replace(fit=ridge_fit(built.full, keras.Model(inputs, features), data))

    def _member(
        self,
        x: Features,
        scale: Scale,
        options: NetworkOptions,
        data: DataSpec,
        name: str,
    ) -> Any:
        """One network as a model of its own, applied: packed logits or values."""
        rows = keras.Input(x.rows.shape[1:], dtype=x.rows.dtype, name="rows")
        lengths = keras.Input((), dtype="int32", name="row_lengths")
        step_lengths = keras.Input((), dtype="int32", name="step_lengths")
        y = rows
        if options.frequency_mask or options.frame_mask:
            y = layers.SpectralMasks(
                options.mel_bands, options.frequency_mask, options.frame_mask, name=f"{name}_masks"
            )(y, lengths)
        found = self.encode(Features(y, lengths), options)
        if data.label.per == "record":
            y = layers.RecordPooling("mean", name="pool")(found.rows, found.lengths)
            y = layers.PackRecords(name="pack_records")(y, lengths)
        else:
            y = _to_steps(found.rows, scale._replace(lengths=step_lengths))
        if options.head_dropout:
            y = layers.Dropout(options.head_dropout, name="head_dropout")(y)
        inputs = {"rows": rows, "row_lengths": lengths, "step_lengths": step_lengths}
        member = keras.Model(inputs, head(y, data.label), name=name)
        return member({"rows": x.rows, "row_lengths": x.lengths, "step_lengths": scale.lengths})


def samples_of_step(shape: tuple[int, ...]) -> int:
    """Samples in a step along time; 1 where a step is a vector of channels."""
    return shape[0] if len(shape) == 2 or (len(shape) == 1 and shape[0] > MOST_FEATURES) else 1


def network_inputs(
    data: DataSpec, options: FrontEndOptions
) -> tuple[dict[str, Any], Any, Features, Scale]:
    """What every network over samples begins with.

    Returns:
      Inputs by name; `lengths: [batch]` in steps; normalized rows behind the front end, of recorded
      samples alone; the way back from those.

    Raises:
      DatasetError: the dataset lacks the statistics that are asked for.
    """
    kind = data.input.kind
    padded = keras.Input((None, *data.input.step_shape), dtype=data.input.dtype, name=kind)
    lengths = keras.Input((), dtype="int32", name="lengths")
    inputs = {kind: padded, "lengths": lengths}
    packed = layers.PackSteps(name="pack")(padded, lengths)
    x, samples = _samples(packed, lengths, data)
    padding, of_steps = padding_input(inputs, data.input), lengths
    if padding is not None:
        x = Features(*layers.DropPadding(name="recorded")(*x, padding))
        of_steps = x.lengths
    x, factor = front_end(x, options, data)
    return inputs, lengths, x, Scale(samples, factor, of_steps, padding is not None)


def _samples(packed: Any, lengths: Any, data: DataSpec) -> tuple[Features, int]:
    """Steps as the samples they consist of, `[valid samples, channels]`."""
    samples = samples_of_step(data.input.step_shape)
    channels = math.prod(data.input.step_shape) // samples
    rows = layers.Rows((channels,), name="samples")(packed)
    return Features(rows, _samples_of(lengths, samples, "sample_lengths")), samples


def _samples_of(lengths: Any, samples: int, name: str) -> Any:
    return layers.LengthsInSamples(samples, name=name)(lengths) if samples > 1 else lengths


def _to_steps(rows: Any, scale: Scale) -> Any:
    """A row for each step: the mean over its samples."""
    samples, factor, lengths, has_padding = scale
    if factor > 1:
        of_steps = lengths if has_padding else _samples_of(lengths, samples, "samples_of_steps")
        rows = layers.RepeatPatches(factor, name="repeat_patches")(rows, of_steps)
    if samples == 1:
        return rows
    if has_padding:
        return layers.StepMeans(samples, name="mean_of_step")(rows, lengths)
    rows = layers.Rows((samples, rows.shape[-1]), name="samples_of_step")(rows)
    return keras.layers.GlobalAveragePooling1D(name="mean_of_step")(rows)
