"""Runs one training after the other, or several at once; those that are done are kept.

Trainings come in chains: what follows may depend on how the one before it ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import IO, Any, NamedTuple

import keras
import tensorflow as tf

from pipeline.console.terminal import say
from pipeline.console.texts import counted, duration_text
from tfrecords_schema.errors import UserError
from tfrecords_schema.locks import remove_dead_locks
from tfrecords_schema.storage import names_in
from trainer.distribution import threads
from trainer.distribution.children import die_with_parent
from trainer.metrics.table import headline
from trainer.report.report_data import RunFiles
from trainer.report.report_tables import page_name

_EVALUATION = "evaluation-test.json"
_LOOK_SECS = 0.2
_SHOWN_BYTES = 4000


class Job(NamedTuple):
    """One training, with the evaluation of its test split.

    Attributes:
      name: for people.
      run_dir: its run folder.
      argv: its command line, for `python -m trainer`.
      fingerprint: of its dataset.
      has_report: whether it ends with a report.
    """

    name: str
    run_dir: str
    argv: tuple[str, ...]
    fingerprint: str
    has_report: bool = False

    def result(self) -> dict[str, Any] | None:
        """The evaluation of its test split; None before it is done, with its report."""
        needed = {_EVALUATION, page_name("")} if self.has_report else {_EVALUATION}
        if not needed <= {*names_in(self.run_dir)}:
            return None
        return RunFiles.read(self.run_dir).evaluated_on(self.fingerprint).get("test")


class Ended(NamedTuple):
    """How a training ended: its exit status, and the end of its output if it is known."""

    status: int
    words: str = ""


Chain = Generator[Job, Ended, None]
"""Yields one training after the other, and is told how each ended."""


class RunFailedError(UserError):
    """A run ended with another status than 0."""

    def __init__(self, job: Job, status: int, output: str = ""):
        super().__init__(
            f"{job.name} ended with exit status {status}; the runs that are done are kept, and the "
            f"same command goes on{output and f'. Its last words: {output}'}"
        )
        self.exit_status = status if status > 0 else 128 - status


def run_all(jobs: Sequence[Job], parallel: int, train: Callable[[Sequence[str]], int]) -> None:
    """Runs what is not done yet.

    Args:
      jobs: in order.
      parallel: how many at once; more than one are processes of their own.
      train: does what `python -m trainer` does with a command line; returns the exit status.

    Raises:
      RunFailedError: one of them failed; nothing is started after it.
    """
    left = [job for job in jobs if job.result() is None]
    for job in jobs:
        remove_dead_locks(job.run_dir)
    if len(left) < len(jobs):
        say(f"{counted(len(jobs) - len(left), 'run')} of {len(jobs)} done before")
    told = _Told(len(jobs) - len(left), len(jobs))
    chains = (_alone(job, told) for job in left)
    run_chains(chains, parallel, lambda argv: Ended(train(argv)))


def run_chains(
    chains: Iterable[Chain], parallel: int, train: Callable[[Sequence[str]], Ended]
) -> None:
    """Runs chains of trainings; the next chain is asked for when there is room for it.

    Args:
      chains: in order; what one of them raises ends all.
      parallel: how many at once; more than one are processes of their own.
      train: does what `python -m trainer` does with a command line.
    """
    if parallel > 1:
        return _run_processes(iter(chains), parallel)
    tf.get_logger().setLevel("ERROR")  # It warns of functions that every model traces anew.
    for chain in chains:
        job = next(chain, None)
        while job is not None:
            keras.utils.clear_session()
            job = _following(chain, train(job.argv))


def _alone(job: Job, told: _Told) -> Chain:
    ended = yield job
    if ended.status:
        raise RunFailedError(job, ended.status, ended.words)
    told.done(job)


def _following(chain: Chain, ended: Ended) -> Job | None:
    """The next training of a chain, if there is one."""
    try:
        return chain.send(ended)
    except StopIteration:
        return None


class _Told:
    """Says after each run what it reached, and how long the others will take."""

    def __init__(self, before: int, total: int):
        self._before = self._done = before
        self._total, self._started = total, time.monotonic()

    def done(self, job: Job) -> None:
        self._done += 1
        metrics = (job.result() or {}).get("metrics", {})
        figure = f"{headline(metrics)} {metrics[headline(metrics)]:.3f}" if metrics else "no figure"
        took = (time.monotonic() - self._started) / (self._done - self._before)
        left = (self._total - self._done) * took
        rest = f", about {duration_text(left)} left" if left else ""
        say(f"{job.name}: {figure} ({self._done} of {self._total} runs{rest})")


def _run_processes(chains: Iterator[Chain], parallel: int) -> None:
    running: dict[int, tuple[Chain, subprocess.Popen[bytes], IO[bytes]]] = {}
    begun = ((chain, job) for chain in chains if (job := next(chain, None)))
    try:
        while True:
            free = {*range(parallel)} - {*running}
            for slot, (chain, job) in zip(free, begun, strict=False):
                running[slot] = (chain, *_start(job, slot, parallel))
            if not running:
                return
            time.sleep(_LOOK_SECS)
            for slot, (chain, process, output) in [*running.items()]:
                if (status := process.poll()) is None:
                    continue
                del running[slot]
                ended = Ended(status, _last_words(output) if status else "")
                if following := _following(chain, ended):
                    running[slot] = (chain, *_start(following, slot, parallel))
    finally:
        for _, process, _ in running.values():
            process.kill()
            process.wait()


def _start(job: Job, slot: int, parallel: int) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    output = tempfile.TemporaryFile()  # noqa: SIM115  Open as long as the run is.
    environment = {**os.environ, **threads.of_each_process(parallel)}
    if gpus := _gpus():
        environment["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer", *job.argv],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        preexec_fn=die_with_parent,
    )
    return process, output


def _gpus() -> list[str]:
    """GPUs that this process may use, by their numbers."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return given.split(",")
    return [str(number) for number, _ in enumerate(tf.config.list_physical_devices("GPU"))]


def _last_words(output: IO[bytes]) -> str:
    output.seek(0, os.SEEK_END)
    output.seek(max(0, output.tell() - _SHOWN_BYTES))
    return output.read().decode(errors="replace").strip()
