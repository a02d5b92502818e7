"""Values that lie closer together than floats of their size do: a conversion says so."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.batches.channel_sums import ChannelSums, merged
from pipeline.conversion.parts import Part
from tfrecords_schema.left_out import LeftOut
from tfrecords_schema.manifest import Statistics

# Rounding to steps of a deviation / 100 adds 0.3% of a deviation.
_STEPS_IN_DEVIATION = 100
# Smaller deviations against the mean are what float64 computations leave of equal values.
_NOISE = 1e-12


def indistinct(parts: Sequence[Part]) -> Iterator[LeftOut]:
    """For each kind of values that rounding moves by more than a little of how they differ, why.

    Args:
      parts: of all shards.
    """
    signal, names = "channel {0} of the signal", {n for part in parts for n in part.label_values}
    kinds: list[tuple[Iterable[ChannelSums | None], str, type, str]] = [
        ((part.unnarrowed for part in parts), signal, np.float32, "as which it is stored,"),
        *(
            (
                [part.label_values.get(name) for part in parts],
                f"component {{0}} of {f'label {name}' if name else 'the label'}",
                np.float32,
                "as a model gives it,",
            )
            for name in sorted(names)
        ),
        ((part.channels for part in parts), signal, np.float64, "as its mean is known,"),
    ]
    for sums, what, dtype, as_which in kinds:
        total = merged(sums)
        found = [*_too_close(total, dtype)] if total else []
        if found:
            channel, mean, deviation, step = found[0]
            more = f" ({len(found) - 1:,} more likewise)" if found[1:] else ""
            yield LeftOut(
                "",
                f"{what.format(channel)} has mean {mean:.10g} and deviation {deviation:.4g}, and "
                f"{np.dtype(dtype).name}, {as_which} has steps of {step:.3g} there{more}: "
                "subtract an offset, and convert again",
                0,
            )


def _too_close(total: ChannelSums, dtype: type) -> Iterator[tuple[int, float, float, float]]:
    """Number, mean, deviation and distance of neighbouring floats, of channels with a problem."""
    found: Statistics = total.statistics()
    for channel, (mean, deviation) in enumerate(zip(found.mean, found.deviation, strict=True)):
        step = float(np.spacing(dtype(abs(mean))))
        noise = _NOISE * abs(mean) if dtype is np.float32 else 0.0
        if dtype is np.float64 and step > 1:
            noise = -1.0  # Integers that differ may all be the same float64.
        if noise < deviation < _STEPS_IN_DEVIATION * step:
            yield channel, mean, deviation, step
