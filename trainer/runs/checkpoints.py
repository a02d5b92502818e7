"""Checkpoints: every variable of model and optimizer, and where training stands.

A checkpoint is a folder `ckpt-<global step>` of three files: `model.npz`, `optimizer.npz`
(plain NumPy archives, one array per variable) and `state.json`, which holds the SHA-256 of
the other two and comes last, by rename. Without a `state.json` that fits it does not count.

Files are replaced only when all new ones are written, so that a full disk or a kill leaves what was
there. Between the first rename and the last, `next.json` is the state that fits, and a file that is
not renamed yet has `.tmp` behind its name.

What a run depends on is the same in all its checkpoints: it lies beside them, once, in
`options-<hash>.json`.
"""

import dataclasses
import hashlib
import io
import json
import logging
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.storage import make_folder, names_in, remove, replace, write_over

_STATE = "state.json"
_NEXT = "next.json"
_SEED_GENERATOR = re.compile(r"seed_generator_\d+/")
_NAME = re.compile(r"^ckpt-(\d+)$")


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
    """

    epoch: int = 0
    step: int = 0
    global_step: int = 0
    sums: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    callbacks: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    best: float | None = None
    identity: dict[str, Any] = dataclasses.field(default_factory=dict)


def save(
    directory: str,
    state: TrainingState,
    variables: Mapping[str, Sequence[keras.Variable]],
) -> None:
    """Writes one checkpoint folder, complete or not at all.

    Args:
      directory: the folder to write; whatever is there is replaced.
      state: where training stands.
      variables: file stem (`model`, `optimizer`) to variables.

    Raises:
      CheckpointError: if it cannot be written; what was there before stays.
    """
    try:
        _write(directory, state, variables)
    except tf.errors.OpError as error:
        if not tf.io.gfile.exists(join(directory, _NEXT)):  # Else the next save goes on with them.
            for stem in variables:
                remove(_temporary(directory, stem))
        raise CheckpointError(
            f"checkpoint {directory} cannot be written ({error.message}); those before it are "
            "intact: make space, or make it writable, and give the same command again"
        ) from error


def _write(
    directory: str, state: TrainingState, variables: Mapping[str, Sequence[keras.Variable]]
) -> None:
    make_folder(*posixpath.split(directory))
    if tf.io.gfile.exists(join(directory, _NEXT)):
        _rename(directory, variables)  # What a kill left half done, before it is overwritten.
    hashes = {}
    for stem, group in variables.items():
        content = _to_npz(group)
        hashes[stem] = hashlib.sha256(content).hexdigest()
        write_over(_temporary(directory, stem), content)
    identity = _save_identity(posixpath.dirname(directory), state.identity)
    document = {**dataclasses.asdict(state), "identity": identity, "sha256": hashes}
    _replace(join(directory, _NEXT), json.dumps(document).encode())
    _rename(directory, variables)


def _rename(directory: str, stems: Iterable[str]) -> None:
    """Puts the files that `next.json` speaks of in their places, and it last."""
    for stem in stems:
        temporary = _temporary(directory, stem)
        if tf.io.gfile.exists(temporary):
            replace(temporary, join(directory, f"{stem}.npz"))
    replace(join(directory, _NEXT), join(directory, _STATE))


def _temporary(directory: str, stem: str) -> str:
    return join(directory, f"{stem}.npz.tmp")


def _replace(path: str, content: bytes) -> None:
    """Like `atomic_write`, under a name that is always the same: what kills leave is not more."""
    write_over(f"{path}.tmp", content)
    replace(f"{path}.tmp", path)


def _save_identity(folder: str, identity: dict[str, Any]) -> str:
    """Writes what a run depends on, unless it is there; returns its hash."""
    content = json.dumps(identity, indent=1, sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()
    path = _identity_path(folder, digest)
    if not tf.io.gfile.exists(path):
        _replace(path, content)
    return digest


def _identity_path(folder: str, digest: str) -> str:
    return join(folder, f"options-{digest[:12]}.json")


def load(directory: str, variables: Mapping[str, Sequence[keras.Variable]]) -> TrainingState:
    """Restores variables from one checkpoint folder.

    Raises:
      CheckpointError: if a file is missing or damaged, or belongs to another model. Nothing
        is assigned then.
    """
    document, arrays = _read(directory, variables)
    document["identity"] = _read_identity(posixpath.dirname(directory), document["identity"])
    for stem, group in variables.items():
        for variable, array in zip(group, arrays[stem], strict=True):
            variable.assign(array)
    fields = {field.name for field in dataclasses.fields(TrainingState)}
    return TrainingState(**{key: value for key, value in document.items() if key in fields})


def _read(
    directory: str, variables: Mapping[str, Sequence[keras.Variable]]
) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
    """State and arrays that fit each other."""
    problem = None
    for name in (_STATE, _NEXT):
        try:
            document = _read_state(directory, name)
            return document, {
                stem: _read_arrays(directory, stem, document["sha256"], group)
                for stem, group in variables.items()
            }
        except CheckpointError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _read_identity(folder: str, digest: str) -> dict[str, Any]:
    path = _identity_path(folder, digest)
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content = file.read()
    except tf.errors.NotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise CheckpointError(f"{path} is damaged: its SHA-256 is not the one in {_STATE}")
    return json.loads(content)


class Checkpoints:
    """The newest few checkpoints of a run, in `<run_dir>/checkpoints`."""

    def __init__(self, directory: str, keep: int):
        self._directory = directory
        self._keep = keep

    def save(self, state: TrainingState, variables: Mapping[str, Sequence[keras.Variable]]) -> None:
        """Saves the state under its global step and removes all but the newest few.

        Those of later steps go, too: training did not go on from them, as they are damaged.

        Raises:
          CheckpointError: like `save`.
        """
        make_folder(*posixpath.split(self._directory))
        save(join(self._directory, f"ckpt-{state.global_step}"), state, variables)
        steps = self._steps()
        kept = [step for step in steps if step <= state.global_step][-self._keep :]
        for step in sorted({*steps} - {*kept}):
            remove(join(self._directory, f"ckpt-{step}"))

    def restore_latest(
        self, variables: Mapping[str, Sequence[keras.Variable]]
    ) -> TrainingState | None:
        """Restores the newest checkpoint that is whole; None if there is none at all.

        Raises:
          CheckpointError: if there are checkpoints and none of them can be used.
        """
        steps = self._steps()
        problems = []
        for step in reversed(steps):
            try:
                return load(join(self._directory, f"ckpt-{step}"), variables)
            except CheckpointError as error:
                problems.append(str(error))
                logging.warning("%s; trying the checkpoint before it", error)
        if problems and self._any_complete():
            raise CheckpointError(
                f"no checkpoint in {self._directory} can be used: {problems[0]}; "
                "give another --run_dir, or remove the folder to start anew"
            )
        return None

    def newest_identity(self) -> dict[str, Any] | None:
        """What the newest checkpoint depends on that can be read; None if there is none."""
        for step in reversed(self._steps()):
            try:
                state = _read_state(join(self._directory, f"ckpt-{step}"), _STATE)
                return _read_identity(self._directory, state["identity"])
            except CheckpointError:
                continue  # Restoring tells what is wrong with it.
        return None

    def restore(
        self, global_step: int, variables: Mapping[str, Sequence[keras.Variable]]
    ) -> TrainingState:
        """Restores the checkpoint that another worker chose.

        Raises:
          CheckpointError: if it is not there, or damaged.
        """
        try:
            return load(join(self._directory, f"ckpt-{global_step}"), variables)
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; the chief goes on from it, so --run_dir must be a folder that all "
                "workers see"
            ) from error

    def _any_complete(self) -> bool:
        return any(
            tf.io.gfile.exists(join(self._directory, f"ckpt-{step}", name))
            for step in self._steps()
            for name in (_STATE, _NEXT)
        )

    def _steps(self) -> list[int]:
        names = names_in(self._directory)
        return sorted(int(match[1]) for name in names if (match := _NAME.match(name)))


def _read_state(directory: str, name: str) -> dict[str, Any]:
    path = join(directory, name)
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            document = json.loads(file.read())
            document["sha256"].items()
            document["identity"][:12]
            return document
    except tf.errors.NotFoundError:
        raise CheckpointError(
            f"checkpoint {directory} has no {_STATE}, it is not complete"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged ({error})") from error


def _read_arrays(
    directory: str, stem: str, hashes: dict[str, str], group: Sequence[keras.Variable]
) -> list[np.ndarray]:
    path = join(directory, f"{stem}.npz")
    problem = f"{path} is missing"
    for place in (path, _temporary(directory, stem)):
        if not tf.io.gfile.exists(place):
            continue
        with tf.io.gfile.GFile(place, "rb") as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() == hashes.get(stem):
            return _from_npz(place, content, group)
        problem = f"{path} is damaged: its SHA-256 is not the one in {_STATE}"
    raise CheckpointError(problem)


def load_trained(run_dir: str, which: str, model: keras.Model) -> None:
    """Restores the weights that a training left in its run folder.

    Args:
      run_dir: the run folder.
      which: `best` by the monitored metric, or `last`.
      model: takes the weights.

    Raises:
      CheckpointError: if there are none, or they are of another model.
    """
    variables, best = {"model": model.variables}, join(run_dir, "best")
    if which == "best":
        if not tf.io.gfile.isdir(best):
            raise CheckpointError(
                f"{run_dir} has no best weights, which are kept at the end of an epoch; train on, "
                "or give --evaluate_with=last"
            )
        load(best, variables)
    elif Checkpoints(join(run_dir, "checkpoints"), keep=1).restore_latest(variables) is None:
        raise CheckpointError(f"{run_dir} has no checkpoint; train first")


def _keys(group: Sequence[keras.Variable]) -> list[str]:
    # Paths may repeat between unnamed layers; the position makes them unique. Keras numbers seed
    # generators over the whole process, which says nothing of the model.
    paths = (_SEED_GENERATOR.sub("seed_generator/", variable.path) for variable in group)
    return [f"{number:04d}:{path}" for number, path in enumerate(paths)]


def _to_npz(group: Sequence[keras.Variable]) -> bytes:
    buffer = io.BytesIO()
    arrays = {
        key: np.asarray(variable.numpy()) for key, variable in zip(_keys(group), group, strict=True)
    }
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _from_npz(path: str, content: bytes, group: Sequence[keras.Variable]) -> list[np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        expected = {key: tuple(v.shape) for key, v in zip(_keys(group), group, strict=True)}
        found = {key: stored[key].shape for key in stored.files}
        if found != expected:
            raise CheckpointError(
                f"{path} is of another model: {_difference(found, expected)}; give the flags that "
                "it was trained with (config.flags has them), or another --run_dir"
            )
        return [stored[key] for key in expected]


def _difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    for key in sorted(found.keys() | expected.keys()):
        if found.get(key) != expected.get(key):
            return f"{key} is {found.get(key)} there and {expected.get(key)} in this model"
    return "the order of the variables differs"
