"""From samples to the rows that a network sees: normalized, perhaps as spectra, perhaps patched."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, NamedTuple

from pipeline.console.errors import UsageError
from pipeline.console.options import option
from tfrecords_schema.errors import UserError
from trainer.models.family import DataSpec
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.normalization import NormalizationOptions, normalize


@dataclasses.dataclass(frozen=True)
class FrontEndOptions(NormalizationOptions):
    """From samples to the rows that a network sees.

    Attributes:
      of_log_mel: options without an effect behind another front end.
    """

    of_log_mel: ClassVar[tuple[str, ...]] = (
        "frame_samples", "hop_samples", "mel_bands", "rate_hz", "band_normalization",
    )  # fmt: skip
    patch_samples: int = option(
        1, "Neighbouring samples that are one to the network; more is faster.", low=1, common=True
    )
    front_end: str = option(
        "none",
        "Before the network: none, or log_mel, the log of a mel spectrogram of the samples.",
        ("none", "log_mel"),
        common=True,
    )
    frame_samples: int = option(256, "Samples of a frame of --front_end=log_mel.", low=8)
    hop_samples: int = option(128, "Samples from one frame to the next.", low=1)
    mel_bands: int = option(40, "Bands of --front_end=log_mel.", low=4)
    rate_hz: float = option(16000.0, "Samples a second, for those bands.", positive=True)
    band_normalization: str = option(
        "bands",
        "Of a recording's log mel spectrum: each of its bands by itself, which hides both the "
        "microphone's colour and that of a lasting sound, the spectrum as a whole, or both.",
        ("bands", "spectrum", "both"),
    )
    causal: bool = option(
        False,
        "Whether layers see only a row and earlier ones; patches, frames and normalization by "
        "record still look ahead.",
    )

    def check(self) -> None:
        """See `Options`."""
        for field in dataclasses.fields(self):
            given = field.name in self.of_log_mel and getattr(self, field.name) != field.default
            if given and self.front_end != "log_mel":
                raise UsageError(
                    f"--{field.name} has no effect without --front_end=log_mel; leave one out, or "
                    "add the other"
                )
        super().check()


class Features(NamedTuple):
    """Packed rows of records.

    Attributes:
      rows: `[valid, features]`.
      lengths: `[batch] int32`, rows of each record.
    """

    rows: Any
    lengths: Any


def front_end(x: Features, options: FrontEndOptions, data: DataSpec) -> tuple[Features, int]:
    """The rows that the network sees, and how many samples each stands for."""
    kind, channels = options.normalization, x.rows.shape[-1]
    rows = normalize(
        x.rows, x.lengths, kind, channels, data.statistics, "normalize", roles=data.input.roles
    )
    x, factor = Features(rows, x.lengths), 1
    if options.front_end == "log_mel":
        if data.input.roles:
            raise UserError(
                "--front_end=log_mel is for channels of sound alone; leave it out, or convert "
                "without values, with signals of one rate (--resample_hz), and not with "
                "--non_finite=mask"
            )
        x = Features(
            *layers.LogMel(
                options.frame_samples,
                options.hop_samples,
                options.mel_bands,
                options.rate_hz,
                name="log_mel",
            )(x.rows, x.lengths)
        )
        x, factor = _normalized_bands(x, options), options.hop_samples
    if options.patch_samples > 1:
        x = Features(*layers.JoinSteps(options.patch_samples, name="patches")(x.rows, x.lengths))
        factor *= options.patch_samples
    return x, factor


def _normalized_bands(x: Features, options: FrontEndOptions) -> Features:
    """Log energies `[frames, channels * bands]` by the statistics of their record."""
    found = []
    if options.band_normalization != "spectrum":
        found.append(layers.Normalization("record", name="normalize_bands")(x.rows, x.lengths))
    if options.band_normalization != "bands":
        # As many as samples have channels, or twice that (--normalization=both).
        shape = (x.rows.shape[-1] // options.mel_bands, options.mel_bands)
        rows = layers.Rows(shape, name="bands_of_channels")(x.rows)
        # What is not last shares its statistics.
        rows = keras.layers.Permute((2, 1), name="channels_last")(rows)
        rows = layers.Normalization("record", name="normalize_spectrum")(rows, x.lengths)
        rows = keras.layers.Permute((2, 1), name="bands_last")(rows)
        found.append(layers.Rows((math.prod(shape),), name="bands")(rows))
    if len(found) > 1:
        return Features(keras.layers.Concatenate(name="both_bands")(found), x.lengths)
    return Features(found[0], x.lengths)
