"""Trials in an SQLite file in the folder of a search, so that it goes on after a kill.

A trial of ours is one set of options. Optuna may know it several times: what was in progress when
the process was killed is told as failed, and asked for again with the same options.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.console.output_problems import output_problem
from pipeline.sources.recordings.libraries import library
from tfrecords_schema.decoding import decode
from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.storage import detach, make_folder
from trainer.studies.search.database import require_own

_FILE = "search.sqlite3"
_NUMBER, _SECS = "trial", "seconds"
FIXED = "fixed"
"""What is written down of a trial: options with values that are known beforehand."""
IDENTITY = "identity"
"""What is written down of a trial once all of its options are suggested."""
# Trials before any is pruned, and before suggestions follow from figures.
_FIRST_TRIALS = 5
_RANDOM_TRIALS = 8


@functools.cache
def optuna() -> ModuleType:
    """The library, which then says only what goes wrong.

    Raises:
      UsageError: it is not installed.
    """
    found = library("optuna", "search", "searches")
    found.logging.set_verbosity(found.logging.ERROR)
    return found


@dataclasses.dataclass(frozen=True)
class _OfStudy:
    """What is written down of the search: how long earlier starts took."""

    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class _OfTrial:
    """What is written down of a trial, by the names in `trials.py`."""

    trial: int | None = None
    fixed: dict[str, Any] = dataclasses.field(default_factory=dict)
    identity: str = ""
    figures: list[float] = dataclasses.field(default_factory=list)
    same_as: int | None = None
    reason: str = ""


class Storage:
    """The trials of one search."""

    def __init__(self, run_dir: str, *, is_better_higher: bool, seed: int, parallel: int):
        """Opens the file, or makes it; trials that a kill left are asked for again.

        Args:
          run_dir: folder of the search.
          is_better_higher: whether the objective is to be high.
          seed: of the suggestions.
          parallel: trials at once.

        Raises:
          UserError: the folder is not local, or what is in it is not of a search.
        """
        if "://" in run_dir or "?" in run_dir:
            raise UserError(
                f"--run_dir={run_dir}: trials are kept in an SQLite file; give a local folder "
                "without a question mark in its name"
            )
        self._seed, self._parallel = seed, parallel
        path = join(make_folder(run_dir), _FILE)
        require_own(path)
        detach(path)
        try:
            self.study = optuna().create_study(
                storage=f"sqlite:///{path}",
                study_name="search",
                direction="maximize" if is_better_higher else "minimize",
                pruner=optuna().pruners.MedianPruner(n_startup_trials=_FIRST_TRIALS),
                load_if_exists=True,
            )
            about = decode(_OfStudy, self.study.user_attrs)
            for trial in self.study.get_trials(deepcopy=False):
                decode(_OfTrial, trial.user_attrs)
        except Exception as error:  # SQLAlchemy and Optuna raise errors of many kinds.
            if output_problem(error):
                raise
            why = str(error).partition("\n")[0]
            raise UserError(
                f"{path} cannot be gone on from ({why}); give another --run_dir, or remove it"
            ) from error
        self.secs_before = about.seconds
        self._retry()

    def spent(self, secs: float) -> None:
        """Writes down how long this start takes so far."""
        self.study.set_user_attr(_SECS, self.secs_before + secs)

    def _retry(self) -> None:
        state = optuna().trial.TrialState
        waiting = {number_of(trial) for trial in self._in(state.WAITING)}
        for trial in self._in(state.RUNNING):
            if (number := number_of(trial)) is not None and number not in waiting:
                # What is suggested after some of the options would not be what was before them all.
                suggested = trial.params if IDENTITY in trial.user_attrs else {}
                known = {**trial.user_attrs.get(FIXED, {}), **suggested}
                self.study.enqueue_trial(known, user_attrs={**trial.user_attrs, FIXED: known})
            self.study.tell(trial.number, state=state.FAIL)

    def _in(self, *states: Any) -> list[Any]:
        return self.study.get_trials(deepcopy=False, states=states)

    def newest(self) -> dict[int, Any]:
        """Each trial of ours, as Optuna has it; of several the newest."""
        trials = self.study.get_trials(deepcopy=False)
        pairs = ((number_of(trial), trial) for trial in trials)
        found = {number: trial for number, trial in pairs if number is not None}
        return dict(sorted(found.items()))

    def has_waiting(self) -> bool:
        """Whether a trial is to be asked for again."""
        return bool(self._in(optuna().trial.TrialState.WAITING))

    def add(self, parameters: Mapping[str, Any]) -> None:
        """Puts the next trial into the queue, with these values for its options."""
        about = {_NUMBER: len(self.newest()), FIXED: {**parameters}}
        self.study.enqueue_trial({**parameters}, user_attrs=about)

    def ask(self) -> tuple[int, Any]:
        """The next trial, and its number.

        What is suggested for a number depends on the seed and on earlier figures alone, also after
        a kill.
        """
        number, trial = len(self.newest()), self.study.ask()
        if (asked := number_of(trial)) is None:
            trial.set_user_attr(_NUMBER, number)
        else:
            number = asked
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        self.study.sampler = optuna().samplers.TPESampler(
            seed=seed, n_startup_trials=_RANDOM_TRIALS, constant_liar=self._parallel > 1
        )
        return number, trial


def number_of(trial: Any) -> int | None:
    """Our number of a trial of Optuna; None of one that was killed before it had any."""
    return trial.user_attrs.get(_NUMBER)
