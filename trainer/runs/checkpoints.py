"""Checkpoints: every variable of model and optimizer, and where training stands.

A checkpoint is a folder `ckpt-<global step>` of `state.json` and of plain NumPy archives with one
array per variable. These are called `model-<hash>.npz` and `optimizer-<hash>.npz`, so a new one
never takes the place of what is there. `state.json` has the SHA-256 of the archives that belong to
it, and is replaced last, by rename; what it does not name is removed after that. So a full disk or
a kill at any instant leaves the checkpoint that was there, or the new one.

What a run depends on is the same in all its checkpoints: it lies beside them, once, in
`options-<hash>.json`.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import math
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.console.output_problems import MAKE_SPACE
from pipeline.console.texts import one_line
from tfrecords_schema.decoding import arrays_in, decode, json_object
from tfrecords_schema.errors import DatasetError, UserError
from tfrecords_schema.manifest import sealed_json
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import (
    MOST_BYTES,
    atomic_write,
    make_folder,
    names_in,
    read,
    remove,
    remove_abandoned,
)

Variables = Mapping[str, Sequence[keras.Variable]]
"""The variables of a checkpoint, by the archive they are in: `model`, `optimizer`."""

_STATE, _OPTIONS = "state.json", "options.json"
# Earlier versions wrote `model.npz.tmp` and renamed it to `model.npz`. While `next.json` is there,
# it is the state that fits, and some archives may still have the first name.
_EARLIER_STATE = "next.json"
_ABOUT_BYTES = 1 << 10  # Of an array in an archive: its names and header.
_SEED_GENERATOR = re.compile(r"seed_generator_\d+/")
_SHA256 = re.compile("[0-9a-f]{64}")
_NAME = re.compile(r"^ckpt-(\d+)$")
# What this and earlier versions, or a kill of them, leave in a checkpoint; all else is the user's.
_OURS = re.compile(
    r"((model|optimizer)(-[0-9a-f]{12})?\.npz|(state|next)\.json)(\.tmp|\..*-[0-9a-f]{32}\.tmp)?"
)


class CheckpointError(UserError):
    """A checkpoint cannot be used; the message says why and what to do."""


@dataclasses.dataclass
class TrainingState:
    """Where a training stands.

    Attributes:
      epoch: epochs completed.
      step: steps done in the epoch under way.
      global_step: steps done in all.
      sums: metric name to (weighted sum, sum of weights) of the epoch under way.
      callbacks: state of each callback, by its class's name.
      best: the best monitored value so far, or None.
      identity: what the run's result depends on (dataset fingerprint, options).
      seconds: of training, with all that was done again after a kill.
    """

    epoch: int = 0
    step: int = 0
    global_step: int = 0
    sums: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    callbacks: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    best: float | None = None
    identity: dict[str, Any] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0


def save(directory: str, state: TrainingState, variables: Variables) -> None:
    """Writes one checkpoint folder, complete or not at all.

    Args:
      directory: the folder to write; whatever is there is replaced.
      state: where training stands.
      variables: what to keep.

    Raises:
      CheckpointError: if it cannot be written; what was there before stays.
    """
    before = names_in(directory)
    try:
        make_folder(*posixpath.split(directory))
        remove_abandoned(posixpath.dirname(directory))
        written = _write(directory, state, variables)
    except tf.errors.OpError as error:
        _remove_all_but(before, directory)
        raise CheckpointError(
            f"checkpoint {directory} cannot be written ({error.message}); those before it are "
            f"intact: {MAKE_SPACE}, or make it writable, and give the same command again"
        ) from error
    _remove_all_but(written, directory)


def _write(directory: str, state: TrainingState, variables: Variables) -> list[str]:
    """Writes the files of a checkpoint, the state last; returns their names."""
    hashes = {
        stem: _write_hashed(directory, f"{stem}.npz", _to_npz(group))
        for stem, group in variables.items()
    }
    options = json.dumps(state.identity, indent=1, sort_keys=True).encode()
    identity = _write_hashed(posixpath.dirname(directory), _OPTIONS, options)
    document = {**dataclasses.asdict(state), "identity": identity, "sha256": hashes}
    atomic_write(join(directory, _STATE), sealed_json(document).encode())
    remove(join(directory, _EARLIER_STATE))  # Before its archives go.
    return [_STATE, *(_hashed(f"{stem}.npz", digest) for stem, digest in hashes.items())]


def _write_hashed(folder: str, name: str, content: bytes) -> str:
    """Writes a file with its hash in its name; returns the hash."""
    digest = hashlib.sha256(content).hexdigest()
    atomic_write(join(folder, _hashed(name, digest)), content)
    return digest


def _hashed(name: str, digest: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{digest[:12]}{dot}{suffix}"


def _remove_all_but(names: Iterable[str], directory: str) -> None:
    for name in {*names_in(directory)} - {*names}:
        if _OURS.fullmatch(name):
            remove(join(directory, name))


def load(directory: str, variables: Variables) -> TrainingState:
    """Restores variables from one checkpoint folder.

    Raises:
      CheckpointError: if a file is missing or damaged, or belongs to another model. Nothing
        is assigned then.
    """
    state, hashes = _read_state(directory)
    arrays = {
        stem: _from_npz(
            *_read_hashed(directory, f"{stem}.npz", hashes.get(stem, ""), _most_bytes(group)), group
        )
        for stem, group in variables.items()
    }
    for stem, group in variables.items():
        for variable, array in zip(group, arrays[stem], strict=True):
            variable.assign(array)
    return state


def _read_state(directory: str) -> tuple[TrainingState, dict[str, str]]:
    """Where training stood, and the hashes of its archives."""
    is_earlier = gfile.exists(join(directory, _EARLIER_STATE))
    path = join(directory, _EARLIER_STATE if is_earlier else _STATE)
    content = read(path)
    if content is None:
        raise CheckpointError(f"checkpoint {directory} has no {_STATE}, it is not complete")
    try:
        document = json_object(content)
        if document.pop("checksum", None) and sealed_json(document).encode() != content:
            raise DatasetError("its checksum does not fit")  # Earlier versions wrote none.
        hashes = decode(dict[str, str], document.pop("sha256", None), "sha256")
        identity = decode(str, document.pop("identity", None), "identity")
        for name, digest in {**hashes, "identity": identity}.items():
            if not _SHA256.fullmatch(digest):  # It becomes part of a path.
                raise DatasetError(f"{name!r:.20}: got {digest!r:.20}, expected a SHA-256")
        state = decode(TrainingState, document)
        path, content = _read_hashed(posixpath.dirname(directory), _OPTIONS, identity)
        state.identity = json_object(content)
    except DatasetError as error:
        raise CheckpointError(f"{path} is damaged ({error})") from error
    return state, hashes


def _read_hashed(
    folder: str, name: str, digest: str, most_bytes: int = MOST_BYTES
) -> tuple[str, bytes]:
    """Path and content of the file with that hash, as this or an earlier version called it."""
    problem = f"{join(folder, _hashed(name, digest))} is missing"
    for called in (_hashed(name, digest), name, f"{name}.tmp"):
        path = join(folder, called)
        content = read(path, most_bytes)
        if content is not None and hashlib.sha256(content).hexdigest() == digest:
            return path, content
        if content is not None:
            problem = f"{path} is damaged: its SHA-256 is not the one in {_STATE}"
    raise CheckpointError(problem)


class Checkpoints:
    """The newest few checkpoints of a run, in `<run_dir>/checkpoints`."""

    def __init__(self, directory: str, keep: int):
        self._directory = directory
        self._keep = keep

    def save(self, state: TrainingState, variables: Variables) -> None:
        """Saves the state under its global step and removes all but the newest few.

        Those of later steps go, too: training did not go on from them, as they are damaged.

        Raises:
          CheckpointError: like `save`.
        """
        make_folder(*posixpath.split(self._directory))
        save(self._folder(state.global_step), state, variables)
        steps = self.steps()
        kept = [step for step in steps if step <= state.global_step][-self._keep :]
        for step in sorted({*steps} - {*kept}):
            remove(self._folder(step))

    def restore_latest(self, variables: Variables) -> TrainingState | None:
        """Restores the newest checkpoint that is whole; None if there is none at all.

        Raises:
          CheckpointError: if there are checkpoints and none of them can be used.
        """
        problems = []
        for step in reversed(self.steps()):
            directory = self._folder(step)
            try:
                return load(directory, variables)
            except CheckpointError as error:
                logging.warning("%s; trying the checkpoint before it", error)
                if not {_STATE, _EARLIER_STATE}.isdisjoint(names_in(directory)):
                    problems.append(error)
        if problems:
            raise CheckpointError(
                f"no checkpoint in {self._directory} can be used: {problems[0]}; "
                "give another --run_dir, or remove the folder to start anew"
            )
        return None

    def newest_identity(self) -> dict[str, Any] | None:
        """What the newest checkpoint depends on that can be read; None if there is none."""
        for step in reversed(self.steps()):
            with contextlib.suppress(CheckpointError):  # Restoring tells what is wrong with it.
                return _read_state(self._folder(step))[0].identity
        return None

    def restore(self, global_step: int, variables: Variables) -> TrainingState:
        """Restores the checkpoint that another worker chose.

        Raises:
          CheckpointError: if it is not there, or damaged.
        """
        try:
            return load(self._folder(global_step), variables)
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; the chief goes on from it, so --run_dir must be a folder that all "
                "workers see"
            ) from error

    def _folder(self, step: int) -> str:
        return join(self._directory, f"ckpt-{step}")

    def steps(self) -> list[int]:
        """Global steps of those that are there, the newest last."""
        names = names_in(self._directory)
        return sorted(int(match[1]) for name in names if (match := _NAME.match(name)))


def load_trained(run_dir: str, which: str, model: keras.Model) -> None:
    """Restores the weights that a training left in its run folder.

    Args:
      run_dir: the run folder.
      which: `best` by the monitored metric, or `last`.
      model: takes the weights.

    Raises:
      CheckpointError: if there are none, or they are of another model.
    """
    variables = {"model": model.variables}
    if which == "best":
        load(_best(run_dir), variables)
    elif Checkpoints(join(run_dir, "checkpoints"), keep=1).restore_latest(variables) is None:
        raise CheckpointError(f"{run_dir} has no checkpoint; train first")


def _best(run_dir: str) -> str:
    folder = join(run_dir, "best")
    if not gfile.isdir(folder):
        raise CheckpointError(
            f"{run_dir} has no best weights, which are kept at the end of an epoch; train on, or "
            "give --evaluate_with=last"
        )
    return folder


def trained_arrays(run_dir: str, which: str) -> tuple[str, dict[str, np.ndarray]]:
    """The arrays that `load_trained` restores, by their keys, and the SHA-256 of their archive.

    Raises:
      CheckpointError: there are none that can be read.
    """
    checkpoints, problem = join(run_dir, "checkpoints"), f"{run_dir} has no checkpoint; train first"
    steps = Checkpoints(checkpoints, keep=1).steps()
    newest_first = [join(checkpoints, f"ckpt-{step}") for step in reversed(steps)]
    for folder in [_best(run_dir)] if which == "best" else newest_first:
        try:
            digest = _read_state(folder)[1].get("model", "")
            return digest, _arrays_in(*_read_hashed(folder, "model.npz", digest))
        except CheckpointError as error:
            problem = str(error)
    raise CheckpointError(problem)


def variable_keys(group: Sequence[keras.Variable]) -> list[str]:
    """What variables are called in an archive: position and path."""
    # Paths may repeat between unnamed layers; the position makes them unique. Keras numbers seed
    # generators over the whole process, which says nothing of the model.
    paths = (_SEED_GENERATOR.sub("seed_generator/", variable.path) for variable in group)
    return [f"{number:04d}:{path}" for number, path in enumerate(paths)]


def _to_npz(group: Sequence[keras.Variable]) -> bytes:
    buffer = io.BytesIO()
    arrays = {
        key: np.asarray(variable.numpy())
        for key, variable in zip(variable_keys(group), group, strict=True)
    }
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _most_bytes(group: Sequence[keras.Variable]) -> int:
    """What the archive of some variables may have; of another model it may have more."""
    sizes = (8 * math.prod(v.shape) + _ABOUT_BYTES for v in group)
    return MOST_BYTES + 2 * sum(sizes)


def _from_npz(path: str, content: bytes, group: Sequence[keras.Variable]) -> list[np.ndarray]:
    arrays = _arrays_in(path, content)
    found = {key: array.shape for key, array in arrays.items()}
    expected = {key: tuple(v.shape) for key, v in zip(variable_keys(group), group, strict=True)}
    if found != expected:
        raise CheckpointError(
            f"{path} is of another model: {_difference(found, expected)}; give the flags that "
            "it was trained with (config.flags has them), or another --run_dir"
        )
    return [arrays[key] for key in expected]


def _arrays_in(path: str, content: bytes) -> dict[str, np.ndarray]:
    try:
        arrays = arrays_in(content, len(content))  # They are not compressed.
        if any(array.dtype.kind in "USM" for array in arrays.values()):
            raise DatasetError("they are no numbers")
    except DatasetError as error:
        raise CheckpointError(f"{path} is no archive of arrays ({error})") from error
    return arrays


def _difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    for key in sorted(found.keys() | expected.keys()):
        if found.get(key) != expected.get(key):
            return (
                f"{one_line(key)} is {found.get(key)} there and {expected.get(key)} in this model"
            )
    return "the order of the variables differs"
