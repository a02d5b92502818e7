"""Commands of the trainer in one run folder, forked, and what they leave when nobody disturbs them.

What tells times, and files in which two undisturbed runs differ are compared by name alone.
"""

import dataclasses
import hashlib
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from benchmarks.harness import processes
from benchmarks.harness.instants import Instants
from benchmarks.harness.tiny_model import TINY_MODEL, trace_nothing
from trainer import cross_validate, search
from trainer.__main__ import main as train
from trainer.report import report  # noqa: F401  Slow to import, and so once.
from trainer.studies.search.storage import optuna

LIMIT_SECS = 600.0
MODEL = (*TINY_MODEL, "--batch_size=4", "--deterministic", "--seed=3", "--notensorboard")
EXPORTED = "answers of the export"
_TIMED = (".html", ".keras")  # A zip file tells even seconds.
Files = dict[str, str]
"""SHA-256 by path below the run folder; that of the answers of an export as EXPORTED."""


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
      name: for people.
      before: folder with what an earlier one left; None for nothing.
      argv: its command line.
      main: what is called with it.
    """

    name: str
    before: pathlib.Path | None
    argv: tuple[str, ...]
    main: Callable[[Sequence[str]], int] = train


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a command does that nobody disturbs.

    Attributes:
      old: files that were there before.
      new: those at its end.
      same: names of those that are the same whenever it is run.
      instants: between its writes; see `Instants`.
      secs: that it takes.
    """

    old: Files
    new: Files
    same: frozenset[str]
    instants: int
    secs: float

    def differences(self, files: Files) -> list[str]:
        """In what files are others than those at the end."""
        gone, more = self.new.keys() - files.keys(), files.keys() - self.new.keys()
        other = [name for name in self.same & files.keys() if files[name] != self.new[name]]
        kinds = (("other bytes", other), ("missing", gone), ("left", more))
        return [f"{what}: {name}" for what, names in kinds for name in sorted(names)]


class Place:
    """The folder in which all commands run one after the other, as they write paths down."""

    def __init__(self, root: pathlib.Path, run_dir: pathlib.Path):
        """Prepares.

        Args:
          root: for the dataset, copies of run folders, and the log.
          run_dir: the run folder.
        """
        self.root, self.run_dir, self.log = root, run_dir, root / "commands.log"
        self.dataset = f"--dataset={root / 'toy' / '1.0.0'}"
        self._told = root / "told"

    def start(self, command: Command, kill_at: int = 0) -> int:
        """Starts a command in a fork, which is killed at one of its instants, if not 0."""

        def work() -> int:
            trace_nothing()
            instants = Instants(self.run_dir, kill_at)
            status = command.main([f"--run_dir={self.run_dir}", *command.argv])
            self._told.write_text(str(instants.passed))
            return status

        return processes.fork(work, self.log)

    def reset(self, command: Command) -> Files:
        """Makes it what a command finds, and tells the files."""
        shutil.rmtree(self.run_dir, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        if command.before:
            shutil.copytree(command.before, self.run_dir)
        return self.files()

    def finish(self, command: Command) -> float:
        """Runs a command that must succeed; returns its seconds."""
        return processes.finish(self.start(command), self.log, LIMIT_SECS)

    def left(self, name: str, *commands: Command) -> pathlib.Path:
        """A copy of what commands leave, one after the other from nothing."""
        self.reset(commands[0])
        for command in commands:
            self.finish(command)
        return shutil.copytree(self.run_dir, self.root / name)

    def files(self) -> Files:
        """What is there."""
        found = processes.hashes(self.run_dir) if self.run_dir.exists() else {}
        exported = self.run_dir / "export/saved_model"
        if exported.exists():
            pid = processes.fork(lambda: _answers(exported, self._told), self.log)
            processes.finish(pid, self.log)
            found[EXPORTED] = self._told.read_text()
        return found

    def expected(self, command: Command) -> Expected:
        """What a command does, of two runs.

        Raises:
          SystemExit: they leave other files.
        """
        ends, old, secs, instants = [], {}, 0.0, 0
        for _ in range(2):
            old, secs = self.reset(command), self.finish(command)
            instants = int(self._told.read_text())
            ends.append(self.files())
        first, new = ends
        if first.keys() != new.keys():
            raise SystemExit(f"{command.name} leaves other files: {first.keys() ^ new.keys()}")
        other = {name for name in new if name.endswith(_TIMED) or first[name] != new[name]}
        same = frozenset(new.keys() - other)
        return Expected(old, new, same, instants, secs)


def _answers(exported: pathlib.Path, path: pathlib.Path) -> int:
    """Loads an export, and writes down a hash of what it says of a step of ones."""
    loaded = tf.saved_model.load(str(exported))
    (function,) = loaded.serve.concrete_functions
    specs, _ = function.structured_input_signature
    answers = function(*(tf.ones([size or 1 for size in x.shape], x.dtype) for x in specs))
    content = b"".join(answers[name].numpy().tobytes() for name in sorted(answers))
    path.write_text(hashlib.sha256(content).hexdigest())
    return 0


def measured(place: Place) -> list[Command]:
    """Exports, predictions and evaluations of a run, alone and over those of an earlier epoch."""
    flags = (place.dataset, *MODEL, "--noreport")
    first, second = (Command("", None, (*flags, f"--epochs={n}")) for n in (1, 2))
    second = dataclasses.replace(second, argv=(*second.argv, "--allow_changed=epochs"))
    works = {
        "export": ("--mode=export",),
        "predict": ("--mode=predict", place.dataset),
        "evaluate": ("--mode=evaluate", place.dataset, "--paper=svg"),
    }
    earlier = [Command("", None, argv) for argv in works.values()]
    alone = place.left("trained", second)
    after = place.left("trained on", first, *earlier, second)
    return [
        Command(f"{name}{how}", before, argv)
        for how, before in (("", alone), (" over an earlier one", after))
        for name, argv in works.items()
    ]


def studies(place: Place) -> Iterator[Command]:
    """A cross-validation, its end over that of an earlier start, and the same of a search.

    What an end begins with is made in the place when it is asked for.
    """
    optuna()  # Slow to import, and so once.
    flags = (place.dataset, *MODEL, "--epochs=1", "--folds=2")
    space = "--space=learning_rate=log:1e-4..1e-1 clip_norm=0.5..5"
    for whole in (
        Command("cross-validation", None, flags, cross_validate.main),
        Command("search", None, (*flags, space, "--trials=3"), search.main),
    ):
        yield whole
        done = place.left(whole.name, whole)
        argv = (*whole.argv, "--paper=svg")
        yield Command(f"{whole.name}: end", done, argv, whole.main)
