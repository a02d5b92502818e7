"""A network for videos that learns from nothing, also from a hundred recordings.

Every frame is averaged down and seen beside what changed since the frame before it. Three small
convolutions follow, and of their map a coarse grid is kept: where things are matters, and more
layers or values learn few recordings by heart. Beside the grid stands a convolution over time,
which sees numbers beside the frames as well.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from pipeline.console.options import option
from trainer.models.family import BuiltModel, DataSpec
from trainer.models.lazy import keras, layers  # Help must not wait for TensorFlow.
from trainer.models.parts.beside import beside_input, beside_rows, joined
from trainer.models.parts.ensemble import EnsembleFamily, EnsembleOptions, averaged
from trainer.models.parts.head import head
from trainer.models.signal import float32_at_least, unpack_predictions


@dataclasses.dataclass(frozen=True)
class VideoOptions(EnsembleOptions):
    """What the network for videos is made of."""

    video_pixels: int = option(
        80, "Frames are averaged down until their longer side has about so many.", low=1
    )
    video_filters: tuple[int, ...] = option(
        (24, 48, 64),
        "Filters of the convolutions on a frame; each halves the map before it.",
        low=1,
    )
    video_grid: int = option(
        5, "Rows and columns that are left of a frame's map, or a few more.", low=1
    )
    time_filters: int = option(
        32,
        "Filters of a convolution over three frames beside each frame's own map; 0: none.",
        low=0,
    )
    video_dropout: float = option(0.0, "Dropout rate on what is left of each frame.", low=0, high=1)


class Video(EnsembleFamily):
    """A small network on frames and their changes, from nothing; a label per frame or record."""

    options = (VideoOptions,)
    inputs = ("frames",)
    joins_beside = True

    def side_by_side(self, *options: Any) -> int:
        """See `Family.side_by_side`; an operation on frames is large enough to be divided."""
        return 1

    def build(self, data: DataSpec, *options: Any) -> BuiltModel:
        """See `Family.build`."""
        (chosen,) = options
        frames = keras.Input((None, *data.input.step_shape), dtype="uint8", name="frames")
        lengths = keras.Input((), dtype="int32", name="lengths")
        inputs = {"frames": frames, "lengths": lengths}
        x = _seen(layers.PackSteps(name="pack")(frames, lengths), lengths, chosen)
        beside = beside_rows(inputs, lengths, data.input, data.statistics)
        rows = {"rows": x, "row_lengths": lengths, **beside}
        networks = []
        for number in range(chosen.ensemble):
            name = f"network_{number}"
            y = _network(x.shape[1:], data, chosen, name)(rows)
            networks.append(unpack_predictions(y, lengths, frames, data.label, f"{name}_unpack"))
        return averaged(inputs, networks, data)


def _seen(packed: Any, lengths: Any, options: VideoOptions) -> Any:
    """`[valid, height, width, 3]` uint8 -> `[valid, rows, columns, 6]`: frames and changes."""
    x = keras.layers.Rescaling(1 / 127.5, -1, dtype=float32_at_least(), name="rescale")(packed)
    factor = max(1, round(max(x.shape[1:3]) / options.video_pixels))
    x = _averaged(x, (factor, factor), "small", dtype=float32_at_least())
    change = layers.StepDifference(dtype=float32_at_least(), name="change")(x, lengths)
    return keras.layers.Concatenate(name="frame_and_change")([x, change])


def _network(shape: Any, data: DataSpec, options: VideoOptions, name: str) -> keras.Model:
    """From packed frames to packed logits or values."""
    rows = keras.Input(shape, name="rows")
    lengths = keras.Input((), dtype="int32", name="row_lengths")
    beside = beside_input(data.input)
    x = _over_time(_of_frame(rows, options), lengths, beside, options)
    if data.label.per == "record":
        x = layers.RecordPooling("mean", name="pool")(x, lengths)
        x = layers.PackRecords(name="pack_records")(x, lengths)
    inputs = {"rows": rows, "row_lengths": lengths, **beside}
    return keras.Model(inputs, head(x, data.label), name=name)


def _of_frame(x: Any, options: VideoOptions) -> Any:
    """`[valid, rows, columns, channels]` -> `[valid, features]`."""
    for number, filters in enumerate(options.video_filters):
        name = f"frame_{number}"
        if number:
            x = _averaged(x, (2, 2), f"{name}_half")  # A stride would see every other place.
        conv = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv")
        x = _activated(conv(x), name)
    pools = tuple(max(1, round(size / options.video_grid)) for size in x.shape[1:3])
    x = keras.layers.Flatten(name="grid_vector")(_averaged(x, pools, "grid"))
    if options.video_dropout:
        x = layers.Dropout(options.video_dropout, name="grid_dropout")(x)
    return x


def _over_time(x: Any, lengths: Any, beside: dict[str, Any], options: VideoOptions) -> Any:
    """`[valid, features]` -> `[valid, more features]`; numbers beside count as much as a frame."""
    if not options.time_filters:
        return joined(x, beside)
    y = layers.Dense(options.time_filters, use_bias=False, name="time_values")(x)
    y = joined(_activated(y, "time_values"), beside)
    conv = layers.TemporalConvolution(options.time_filters, 3, use_bias=False, name="time_conv")
    y = _activated(conv(y, lengths), "time")
    return keras.layers.Concatenate(name="frame_and_time")([x, y])


def _activated(x: Any, name: str) -> Any:
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _averaged(x: Any, size: tuple[int, ...], name: str, **kwargs: Any) -> Any:
    """Means of so many neighbouring rows and columns; less of them at the edges."""
    if max(size) == 1:
        return x
    pool = keras.layers.AveragePooling2D(size, padding="same", **kwargs)
    return layers.NeverEmpty(pool, name=name)(x)
