"""What the result of a run depends on, and whether a training may go on from a checkpoint."""

import dataclasses
from typing import Any

from pipeline.console.options import Effect, Options, fields_of, names_of, value_text
from tfrecords_schema import Dataset
from tfrecords_schema.names import join
from trainer.models.family import option_kinds
from trainer.models.named import family_named
from trainer.options.options import RunOptions
from trainer.runs.asked import recorded
from trainer.runs.checkpoints import CheckpointError, Checkpoints

SEAL = "dataset_seal"
"""See `Manifest.seal`: a dataset of the same records may have other statistics."""


def identity(options: tuple[Options, ...], dataset: Dataset) -> dict[str, Any]:
    """What the result of a run depends on: the data and every option with an effect on it."""
    values = {
        field.name: value_text(value)
        for group in options
        for field in dataclasses.fields(group)
        if (value := getattr(group, field.name)) is not None
        and field.metadata["effect"] not in (Effect.FIGURES, Effect.NONE, Effect.PLACE)
    }
    return {"dataset": dataset.manifest.fingerprint, SEAL: dataset.manifest.seal, **values}


def changed_options(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Names of what differs between two identities.

    An option that one of them lacks has its default there: it is newer than that run. One that only
    other models read is not looked at.

    Args:
      found: of a run folder.
      expected: of the run that would go on.
    """
    model = expected.get("model", "")
    fields = [field for kind in recorded(model) for field, _ in fields_of(kind)]
    defaults = {f.name: None if f.default is None else value_text(f.default) for f in fields}
    used = family_named(model).options if model else option_kinds()
    unknown = names_of(option_kinds()) - names_of(used)
    if found.get("model", model) != model:
        unknown |= {*found} - {*expected}
    if SEAL not in found:  # Earlier versions knew none.
        unknown |= {SEAL}
    changed = {
        "dataset" if name == SEAL else name
        for name in (expected.keys() | found.keys()) - unknown
        if found.get(name, defaults.get(name)) != expected.get(name, defaults.get(name))
    }
    return sorted(changed)


def require_same_run(run: RunOptions, identity: dict[str, Any]) -> None:
    """Refuses to go on with another run before anything of it is computed or written.

    Args:
      run: has the run folder, and what may differ.
      identity: of the run that would go on.

    Raises:
      CheckpointError: like `check_identity`.
    """
    found = Checkpoints(join(run.run_dir, "checkpoints"), keep=1).newest_identity()
    if found is not None:
        check_identity(found, identity, run.allow_changed)


def check_identity(
    found: dict[str, Any], expected: dict[str, Any], allowed: tuple[str, ...]
) -> None:
    """Refuses to go on from a checkpoint whose run was another one.

    Raises:
      CheckpointError: if an option with an effect on the result differs and is not allowed to.
    """
    names = changed_options(found, expected)
    changed = [
        "--dataset has other records, statistics or labels than that training had"
        if name == "dataset"
        else f"--{name} was {found.get(name)!r} and is {expected.get(name)!r}"
        for name in names
        if name not in allowed
    ]
    if changed:
        raise CheckpointError(
            f"the run folder holds a training with other options: {'; '.join(changed)}. Give "
            f"another --run_dir, the same options, or --allow_changed={','.join(names)}"
        )


def effects(model: str) -> dict[str, Effect]:
    """What depends on each option that is recorded of a model, by its name."""
    fields = [field for kind in recorded(model) for field, _ in fields_of(kind)]
    return {field.name: field.metadata["effect"] for field in fields}
