"""Memory and disk for a training, as far as they can be told before it."""

import contextlib
import posixpath
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.client import device_lib

from pipeline.console.output_problems import MAKE_SPACE
from pipeline.console.texts import bytes_text
from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.storage import free_bytes
from trainer.options.options import RunOptions, TrainingOptions

# Besides a weight: its gradient, and the two moments of Adam or the one of momentum.
_COPIES = {"adam": 3, "sgd": 2}
_MACHINE, _PROCESS = "/proc/meminfo", "/proc/self/status"
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
            f"{bytes_text(free)} free; {MAKE_SPACE}, or give another --run_dir"
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


def limit_bytes() -> int | None:
    """What a training may take: of its smallest GPU, or else of this process and what is free."""
    if not tf.config.list_physical_devices("GPU"):
        free = _entry(_MACHINE, "MemAvailable")
        own = [_entry(_PROCESS, "VmRSS") + free] if free else []
        return min([*own, *filter(None, [memory_limit_bytes()])], default=None)
    growing = tf.compat.v1.ConfigProto(gpu_options={"allow_growth": True})
    devices = device_lib.list_local_devices(growing)
    return min(device.memory_limit for device in devices if device.device_type == "GPU")


class Peak:
    """The most memory that a piece of work takes: of a GPU, where there is one, or this process.

    A process keeps what it has taken once, and takes it again unseen: TensorFlow's allocator tells
    of that. So what the process had before the first piece counts beside it.
    """

    def __init__(self) -> None:
        gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
        self._devices = gpus or ["CPU:0"]
        self._before = 0 if gpus else _entry(_PROCESS, "VmRSS")

    def begin(self) -> None:
        """The next piece begins."""
        for device in self._devices:
            with contextlib.suppress(ValueError):  # Of a CPU only oneDNN's allocator counts.
                tf.config.experimental.reset_memory_stats(device)
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")

    def bytes(self) -> int:
        """What it has taken; 1 where nobody tells."""
        taken = [self._before]
        for device in self._devices:
            with contextlib.suppress(ValueError):
                info = tf.config.experimental.get_memory_info(device)
                taken.append(self._before + info["peak"])
        return max(*taken, _entry(_PROCESS, "VmHWM") if self._before else 0, 1)


def memory_limit_bytes() -> int | None:
    """What this process may take: of the machine, or of a container (Linux); None if not known."""
    found = [machine] if (machine := _entry(_MACHINE, "MemTotal")) else []
    for line in _lines("/proc/self/cgroup"):
        _, kinds, group = line.split(":", 2)
        if kinds == "memory":
            found += _limits(_GROUPS_V1, group, "memory.limit_in_bytes")
        elif not kinds:
            found += _limits(_GROUPS, group, "memory.max")
    return min(found, default=None)


def _entry(path: str, name: str) -> int:
    """A size that Linux tells of the machine or a process, in bytes; 0 where it does not."""
    of_name = (line.split() for line in _lines(path) if line.startswith(f"{name}:"))
    return next((int(kilobytes) * 1024 for _, kilobytes, *_ in of_name), 0)


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
