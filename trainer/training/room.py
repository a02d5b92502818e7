"""Memory and disk for a training, as far as they can be told before it."""

import contextlib
import posixpath
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.console.texts import bytes_text
from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.storage import free_bytes
from trainer.options.options import RunOptions, TrainingOptions

# Besides a weight: its gradient, and the two moments of Adam or the one of momentum.
_COPIES = {"adam": 3, "sgd": 2}
_GROUPS, _GROUPS_V1 = "/sys/fs/cgroup", "/sys/fs/cgroup/memory"


def text(options: tuple[Any, ...], model: keras.Model, batch_bytes: int) -> str:
    """What is needed, and what there is.

    Args:
      options: all dataclasses of options.
      model: that would be trained.
      batch_bytes: of the largest input as float32.
    """
    run = next(group for group in options if isinstance(group, RunOptions))
    training = next(group for group in options if isinstance(group, TrainingOptions))
    weights, rest = _sizes(model, training)
    limit, free = memory_limit_bytes(), free_bytes(run.run_dir)
    kept = training.keep_checkpoints + 1
    disk = kept * _checkpoint_bytes(model, training) + weights
    return "\n".join(
        [
            "memory, without what the layers compute in between:",
            f"  weights {bytes_text(weights)}, gradients and optimizer {bytes_text(rest)}",
            f"  input of the largest batch {bytes_text(batch_bytes)} as float32",
            *([f"  this process may have {bytes_text(limit)}"] if limit else []),
            f"disk: {bytes_text(disk)} for {kept} checkpoints and the best weights"
            + ("" if free is None else f", of {bytes_text(free)} that are free"),
        ]
    )


def require(run: RunOptions, training: TrainingOptions, model: keras.Model) -> None:
    """Refuses to begin what surely ends without memory, or cannot write its first checkpoint.

    Raises:
      UserError: the message has what is needed and what there is.
    """
    needed, limit = sum(_sizes(model, training)), memory_limit_bytes()
    if limit and needed > limit and not tf.config.list_physical_devices("GPU"):
        raise UserError(
            f"weights, gradients and optimizer take {bytes_text(needed)}, and this process may "
            f"have {bytes_text(limit)} of memory; give it more, or choose a smaller model"
        )
    needed, free = _checkpoint_bytes(model, training), free_bytes(run.run_dir)
    if free is not None and needed > free:
        raise UserError(
            f"a checkpoint takes {bytes_text(needed)}, and the disk of {run.run_dir} has "
            f"{bytes_text(free)} free; make space, or give another --run_dir"
        )


def _sizes(model: keras.Model, training: TrainingOptions) -> tuple[int, int]:
    """Bytes of the weights, and of their gradients and what the optimizer keeps."""
    trained = sum(map(_bytes, model.trainable_variables))
    return sum(map(_bytes, model.variables)), trained * _COPIES[training.optimizer]


def _checkpoint_bytes(model: keras.Model, training: TrainingOptions) -> int:
    """Without the gradients."""
    return sum(_sizes(model, training)) - sum(map(_bytes, model.trainable_variables))


def _bytes(variable: Any) -> int:
    return int(np.prod(variable.shape)) * tf.as_dtype(variable.dtype).size


def memory_limit_bytes() -> int | None:
    """What this process may take: of the machine, or of a container (Linux); None if not known."""
    found = [number for line in _lines("/proc/meminfo") if (number := _of_machine(line))]
    for line in _lines("/proc/self/cgroup"):
        _, kinds, group = line.split(":", 2)
        if kinds == "memory":
            found += _limits(_GROUPS_V1, group, "memory.limit_in_bytes")
        elif not kinds:
            found += _limits(_GROUPS, group, "memory.max")
    return min(found, default=None)


def _of_machine(line: str) -> int:
    return int(line.split()[1]) * 1024 if line.startswith("MemTotal:") else 0


def _limits(root: str, group: str, name: str) -> list[int]:
    """Those of a group and of all that it is in; in a container it may be the root itself."""
    found = []
    while True:
        lines = _lines(join(root, group.strip("/"), name)) or [""]
        found += [int(lines[0])] if lines[0].isdecimal() else []
        if group.strip("/") == "":
            return found
        group = posixpath.dirname(group)


def _lines(path: str) -> list[str]:
    """Of one of Linux's own files; none where it is not there."""
    with contextlib.suppress(OSError), open(path, errors="replace") as file:
        return [line.strip() for line in file]
    return []
