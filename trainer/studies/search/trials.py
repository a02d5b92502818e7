"""What a trial does: it trains on one fold after the other, until it is poor or done."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.console.errors import UsageError
from pipeline.console.exit_codes import INTERRUPTED, STOPPED
from pipeline.console.output_problems import MAKE_SPACE
from pipeline.console.terminal import say
from pipeline.console.texts import clock
from tfrecords_schema import Dataset
from tfrecords_schema.errors import UserError
from tfrecords_schema.locks import remove_dead_locks
from tfrecords_schema.names import join
from tfrecords_schema.storage import names_in, remove
from trainer.runs import identity
from trainer.runs.asked import asked
from trainer.studies.fold_datasets import Fold
from trainer.studies.fold_jobs import fold_job
from trainer.studies.many_runs import Chain, Job, RunFailedError
from trainer.studies.options import SearchOptions
from trainer.studies.search.space import Dimension, is_read
from trainer.studies.search.storage import FIXED, IDENTITY, Storage, number_of, optuna

# What tells of a training and takes little; weights and predictions of trials are not kept.
_KEPT = (".json", ".jsonl", ".flags")
_MEASURED = ("COMPLETE", "PRUNED")  # States of trials that did not fail.
FIGURES, SAME, REASON = "figures", "same_as", "reason"
"""What is written down of a trial: of each fold, which one it repeats, why it failed."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all trials have in common.

    Attributes:
      run_dir: folder of the search.
      argv: flags of every training.
      folds: with their datasets, in the order in which each trial goes through them.
      space: what is searched.
      family: of models, where the space does not say it.
      objective: name of the metric.
      options: of the search.
    """

    run_dir: str
    argv: tuple[str, ...]
    folds: Sequence[tuple[Fold, Dataset]]
    space: tuple[Dimension, ...]
    family: str
    objective: str
    options: SearchOptions

    def job(self, number: int, fold: int, flags: Sequence[str]) -> Job:
        """The training of a trial on a fold."""
        path = f"trials/trial_{number}_fold_{fold}"
        more = (*flags, "--noreport", "--notensorboard")
        return fold_job(self.run_dir, path, self.argv, *self.folds[fold], *more)

    def defaults(self) -> dict[str, Any]:
        """Values that the options of the space have without a search, if they are in it."""
        found = asked(self.job(0, 0, ()).argv)
        values = {
            field.name: getattr(group, field.name)
            for group in found.recorded
            for field in dataclasses.fields(group)
        }
        undecided = {choice.name for choice in found.choices if choice.candidates}
        return {
            one.name: one.parameter(values[one.name])
            for one in self.space
            if one.name not in undecided and one.name in values and one.holds(values[one.name])
        }


class Trials:
    """All trials, one after the other, as chains of trainings."""

    def __init__(self, plan: Plan, storage: Storage):
        self._plan, self._storage = plan, storage
        self._started = time.monotonic()
        self._ended = 0
        if not storage.newest():
            storage.add(plan.defaults())

    @property
    def secs(self) -> float:
        """Of this start."""
        return time.monotonic() - self._started

    def chains(self) -> Iterator[Chain]:
        """Trials that are not done yet, as long as there is time."""
        while not self._is_late():
            is_full = len(self._storage.newest()) >= self._plan.options.trials
            if is_full and not self._storage.has_waiting():
                return
            yield self._trial()
        say(f"--search_minutes={self._plan.options.search_minutes:g} are over")

    def _is_late(self) -> bool:
        limit = self._plan.options.search_minutes * 60
        return bool(limit) and self._storage.secs_before + self.secs >= limit

    def _trial(self) -> Chain:
        number, trial = self._storage.ask()
        flags = self._suggested(trial) if number else self._known(trial)
        name = f"trial {number}: {' '.join(flags) or 'the default'}"
        try:
            jobs = [self._plan.job(number, at, flags) for at in range(len(self._plan.folds))]
            trial.set_user_attr(IDENTITY, found := self._identity(jobs[0]))
        except UsageError as error:
            return self._fail(number, trial, name, str(error))
        if (same := self._same(found)) is not None:
            return self._repeat(trial, name, same)
        figures: list[float] = []
        for at, job in enumerate(jobs):
            if job.result() is None:
                ended = yield job
                if ended.status in (INTERRUPTED, STOPPED):
                    raise RunFailedError(job, ended.status)
                if ended.status:
                    words = (ended.words.strip().splitlines() or [""])[-1]
                    if MAKE_SPACE in words:  # It would fail all others, and for ever.
                        raise RunFailedError(job, ended.status, words)
                    reason = f"exit status {ended.status} on fold {at}. {words}".strip()
                    return self._fail(number, trial, name, reason)
            figures.append(self._figure(job))
            if not math.isfinite(figures[-1]):
                return self._fail(number, trial, name, f"no {self._plan.objective} on fold {at}")
            _clear(job.run_dir)
            self._storage.spent(self.secs)
            trial.set_user_attr(FIGURES, figures)
            trial.report(float(np.mean(figures)), at)
            if at + 1 == len(jobs):
                break
            if self._plan.options.pruning and trial.should_prune():
                return self._end(trial, name, figures, optuna().trial.TrialState.PRUNED)
            if self._is_late():
                return  # It stays as a kill would leave it, and is gone on with another time.
        self._end(trial, name, figures, optuna().trial.TrialState.COMPLETE)

    def _suggested(self, trial: Any) -> tuple[str, ...]:
        """Flags of a trial: of options that its model reads."""
        family, flags = self._plan.family, []
        for one in self._plan.space:
            if is_read(one.name, family):
                value = one.suggest(trial)
                family = value if one.name == "model" else family
                flags.append(f"--{one.name}={value}")
        return tuple(flags)

    def _known(self, trial: Any) -> tuple[str, ...]:
        """No flags: of the default only Optuna hears, for what it suggests later."""
        for one in self._plan.space:
            if one.name in trial.user_attrs[FIXED]:
                one.suggest(trial)
        return ()

    def _identity(self, job: Job) -> str:
        """SHA-256 (hex) of all that a training depends on; same trainings need not be repeated."""
        found = asked(job.argv)
        undecided = [choice.name for choice in found.choices if choice.candidates]
        content = [identity.identity(found.recorded, self._plan.folds[0][1]), undecided]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _same(self, found: str) -> Any:
        """An earlier trial of the same trainings; None without one."""
        for trial in self._storage.newest().values():
            if trial.state.name in _MEASURED and trial.user_attrs.get(IDENTITY) == found:
                return trial
        return None

    def _repeat(self, trial: Any, name: str, same: Any) -> None:
        trial.set_user_attr(SAME, number_of(same))
        trial.set_user_attr(FIGURES, figures := same.user_attrs[FIGURES])
        for step, value in same.intermediate_values.items():
            trial.report(value, step)
        self._end(trial, name, figures, same.state, f", as trial {number_of(same)}")

    def _figure(self, job: Job) -> float:
        """The objective on one fold; not a number where there is none."""
        metrics = (job.result() or {}).get("metrics", {})
        return float(metrics.get(self._plan.objective, math.nan))

    def _end(
        self, trial: Any, name: str, figures: Sequence[float], state: Any, more: str = ""
    ) -> None:
        mean = float(np.mean(figures))
        self._storage.study.tell(trial, mean if state.name == "COMPLETE" else None, state)
        folds = len(self._plan.folds)
        if len(figures) < folds:
            more = f" after {len(figures)} of {folds} folds, pruned{more}"
        self._told(f"{name}: {self._plan.objective} {mean:.3f}{more}")

    def _fail(self, number: int, trial: Any, name: str, reason: str) -> None:
        """Goes on without a trial; there is nothing to compare with without the first.

        Raises:
          UserError: it is the first.
        """
        if not number:
            raise UserError(f"the first trial, which is the default, failed: {reason}")
        trial.set_user_attr(REASON, reason)
        self._storage.study.tell(trial, state=optuna().trial.TrialState.FAIL)
        self._told(f"{name}: failed. {reason}")

    def _told(self, line: str) -> None:
        """Says what a trial came to, and how long the others will take."""
        self._ended += 1
        newest = self._storage.newest().values()
        left = self._plan.options.trials - sum(trial.state.is_finished() for trial in newest)
        secs = self.secs / self._ended * left
        if limit := self._plan.options.search_minutes * 60:
            secs = min(secs, max(limit - self._storage.secs_before - self.secs, 0))
        rest = f", {clock(secs)} left" if left > 0 else ""
        say(f"{line} ({self._plan.options.trials - left} of {self._plan.options.trials}{rest})")


def _clear(run_dir: str) -> None:
    """Removes what is large, weights, predictions and events, and the lock of a kill."""
    remove_dead_locks(run_dir)
    for name in names_in(run_dir):
        if not name.endswith(_KEPT):
            remove(join(run_dir, name))
