"""A training that starts from the weights of another run: what is loaded of them, and what not.

The rule: before its first update it computes what that run computes, as far as the data are of the
same kind. So variables are loaded where name and shape fit, and values are normalized by the
statistics of that run. The last layers say something of classes: with other ones they are new.
"""

import collections
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from pipeline.console.texts import counted, label_kind_text, listed
from tfrecords_schema import LabelSpec, Statistics
from tfrecords_schema.decoding import decode, json_object
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.names import join
from tfrecords_schema.storage import atomic_write, read
from trainer.models.family import BuiltModel
from trainer.models.parts.random_convolutions import FITTED
from trainer.runs import run_folder
from trainer.runs.checkpoints import CheckpointError, Checkpoints, trained_arrays, variable_keys

_FILE = "init_from.json"
_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Start:
    """What a training started from.

    Attributes:
      run: folder of the earlier run.
      weights: SHA-256 of its weights.
      loaded: variables that were taken from it, by position and path.
      new: those that were not, each with its shape and why.
      left: what that run has besides, each with its shape.
      fitted: layers that are fitted to the new data, by no gradient.
      reading: what is said of recordings that were read otherwise; empty if they were not.
    """

    run: str
    weights: str
    loaded: tuple[str, ...]
    new: tuple[str, ...]
    left: tuple[str, ...]
    fitted: tuple[str, ...] = ()
    reading: str = ""

    def lines(self) -> list[str]:
        """What is said of it: a line for each variable that is new, or was left."""
        count = len(self.loaded) + len(self.new)
        lines = [
            f"--init_from={self.run}: {len(self.loaded)} of {counted(count, 'variable')} loaded"
        ]
        for title, rows in (("new", self.new), ("not taken", self.left)):
            lines += [f"  {title}: {row}" for row in rows[:_SHOWN]]
            if len(rows) > _SHOWN:
                lines.append(f"  {title}: {len(rows) - _SHOWN} more, see {_FILE}")
        lines += [f"  fitted anew: {', '.join(self.fitted)}"] * bool(self.fitted)
        return lines + [self.reading] * bool(self.reading)

    def of(self, model: keras.Model) -> list[keras.Variable]:
        """The variables of a model that were loaded."""
        known = {*self.loaded}
        keys = variable_keys(model.variables)
        return [v for key, v in zip(keys, model.variables, strict=True) if key in known]


def has_begun(run_dir: str) -> bool:
    """Whether a training goes on from a checkpoint, which has all that it started from."""
    return Checkpoints(join(run_dir, "checkpoints"), keep=1).newest_identity() is not None


def statistics(run_dir: str, init_from: str, own: Statistics | None) -> Statistics | None:
    """Those that values are normalized by: of the earlier run, where it has the same channels.

    Args:
      run_dir: of this training.
      init_from: folder of the earlier run.
      own: of what this training learns from, if they are known.

    Raises:
      CheckpointError: the earlier run cannot be read.
    """
    source = run_dir if has_begun(run_dir) else init_from
    found = run_folder.LearntFrom.read(source).statistics
    if found is None or (own is not None and len(own.mean) != len(found.mean)):
        return own
    return found


def load(run_dir: str, init_from: str, built: BuiltModel, learnt: run_folder.LearntFrom) -> Start:
    """Loads what fits into a model that no checkpoint will replace, and keeps a note of it.

    Args:
      run_dir: of this training.
      init_from: folder of the earlier run.
      built: takes the weights.
      learnt: what this training learns from.

    Raises:
      CheckpointError: the earlier run cannot be read, or no kernel of it fits.
    """
    if has_begun(run_dir):
        return _read(run_dir)
    earlier = run_folder.LearntFrom.read(init_from)
    digest, stored = trained_arrays(init_from, run_folder.evaluated_with(init_from))
    there = {layer.name for layer in built.full.layers}
    fitted = tuple(name for name in FITTED if name in there) if built.fit else ()
    label, other = learnt.schema.label, earlier.schema.label
    labels = "" if label == other else f"of {_named(label)}; there of {_named(other)}"
    pairs, new, left = _matched(stored, built.full, fitted, labels)
    if not any(array.ndim > 1 for _, _, array in pairs):
        raise CheckpointError(
            f"--init_from={init_from}: no kernel of it fits this model ({listed(new, 3)}); leave "
            "out --model and its options, which are then that run's, or start from nothing"
        )
    for _, variable, array in pairs:
        variable.assign(array)
    loaded = tuple(key for key, _, _ in pairs)
    reading = run_folder.other_reading(earlier, learnt.name, learnt.options)
    return Start(init_from, digest, loaded, tuple(new), tuple(left), fitted, reading)


def _matched(
    stored: Mapping[str, np.ndarray], model: keras.Model, fitted: Sequence[str], labels: str
) -> tuple[list[tuple[str, keras.Variable, np.ndarray]], list[str], list[str]]:
    """What fits, what is new, and what is left over; with words where labels are others."""
    by_place = dict(zip(_places(stored), stored, strict=True))
    last = last_variables(model) if labels else set()
    pairs, new = [], []
    keys = variable_keys(model.variables)
    for key, place, variable in zip(keys, _places(keys), model.variables, strict=True):
        found, name = by_place.pop(place, None), f"{place[0]} {[*variable.shape]}"
        if not _is_weight(place[0], fitted):
            continue
        if found is None:
            new.append(f"{name}, which that run has not")
        elif stored[found].shape != tuple(variable.shape):
            new.append(f"{name}, there {[*stored[found].shape]}")
        elif id(variable) in last:
            new.append(f"{name}, {labels}")
        else:
            pairs.append((key, variable, stored[found]))
    left = [
        f"{path} {[*stored[key].shape]}"
        for (path, _), key in by_place.items()
        if _is_weight(path, ())
    ]
    return pairs, new, left


def _is_weight(path: str, fitted: Sequence[str]) -> bool:
    """Whether gradients, or averages over batches, make it what it is."""
    return "seed_generator" not in path and path.partition("/")[0] not in fitted


def write(run_dir: str, start: Start) -> None:
    """Writes `init_from.json`."""
    content = json.dumps(dataclasses.asdict(start), indent=1) + "\n"
    atomic_write(join(run_dir, _FILE), content.encode())


def _read(run_dir: str) -> Start:
    path = join(run_dir, _FILE)
    content = read(path)
    if content is None:
        raise CheckpointError(
            f"the training in {run_dir} began without --init_from; leave it out, or give another "
            "--run_dir"
        )
    try:
        return decode(Start, json_object(content))
    except DatasetError as error:
        raise CheckpointError(
            f"{path} is not what a training wrote ({error}); copy the run folder again"
        ) from error


def _named(label: LabelSpec | None) -> str:
    if label is None:
        return "none"
    return listed(label.class_names) or label_kind_text(label)


def _places(keys: Iterable[str]) -> list[tuple[str, int]]:
    """Path of each variable, and how many of that path stand before it."""
    seen: collections.Counter[str] = collections.Counter()
    found = []
    for key in keys:
        path = key.partition(":")[2]
        found.append((path, seen[path]))
        seen[path] += 1
    return found


def last_variables(model: keras.Model) -> set[int]:
    """`id` of the variables of the last layers: of trained ones, and of all behind them."""
    return {id(variable) for layer in _last(model.outputs) for variable in layer.variables}


def _last(tensors: Sequence[Any]) -> Iterator[keras.layers.Layer]:
    for tensor in tensors:
        operation, node, _ = tensor._keras_history
        if isinstance(operation, keras.Model):
            yield from _last(operation.outputs)
            continue
        layers = operation._flatten_layers() if isinstance(operation, keras.layers.Layer) else ()
        if any(layer.variables for layer in layers):
            yield operation
        if not any(layer._trainable_variables for layer in layers):  # Frozen or not.
            yield from _last(operation._inbound_nodes[node].input_tensors)
