"""Kills of studies, exports, predictions and evaluations: the same command ends as without a kill.

    python -m benchmarks.faults.study_kills [--commands=36] [--studies=24] [--seed=0]

Killed (SIGKILL) are exports, predictions and evaluations, alone and over those of an earlier epoch
(`--commands` in all); a cross-validation, a search, and what stands at the end of either, over that
of an earlier start (`--studies` in all). Three of four are killed at one of the instants between
the writes, renames, removals and commits of an undisturbed run, the others at an instant of its
time. Then the same command is given again. Counted as violations: a file under its own name that is
neither the old nor the new, an evaluation without its predictions, a command that would not go on,
and a file at its end that has other bytes than without a kill, is missing, or is one too many.

Commands are forked from this process, which has imported TensorFlow and not started it. Exits with
1 after a violation.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import sys
import zipfile

import numpy as np

from benchmarks.faults.training_kills import write_toy
from benchmarks.harness import processes
from benchmarks.harness.commands import LIMIT_SECS, Command, Expected, Place, measured, studies
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.tables import Counts
from tfrecords_schema.storage import is_temporary
from trainer.report.report_data import RunFiles

_AT_INSTANTS = 0.75  # Share of the kills.


def main(argv: list[str]) -> int:
    """Runs all trials and prints the table."""
    args = parse_flags(__doc__, argv, commands=36, studies=24, seed=0)
    counts = Counts()
    with processes.temporary_folder() as root:
        write_toy(root)
        place = Place(root, root / "run")
        for trials, given in ((args.commands, measured), (args.studies, studies)):
            commands = [*given(place)] if trials else []
            for at, command in enumerate(commands[:trials]):
                expected = place.expected(command)
                same = f"{len(expected.same)} of {len(expected.new)} files the same each time"
                print(f"{command.name}: {expected.instants} instants, {same}", flush=True)
                for number in range(at, trials, len(commands)):
                    rng = np.random.default_rng([args.seed, trials, number])
                    _trial(place, command, expected, rng, counts)
    return counts.report()


def _trial(
    place: Place, command: Command, expected: Expected, rng: np.random.Generator, counts: Counts
) -> None:
    """Kills a command once, looks at what there is, and gives it again."""
    place.reset(command)
    if rng.random() < _AT_INSTANTS:
        kill_at = int(rng.integers(1, expected.instants + 1))
        where = f"instant {kill_at}"
        is_killed = processes.wait(place.start(command, kill_at), LIMIT_SECS) != 0
    else:
        secs = float(rng.uniform(0, expected.secs))
        where = f"{secs:.2f} s"
        is_killed = processes.kill_at(place.start(command), lambda: True, secs)
    counts[f"killed: {command.name}"] += is_killed
    counts["killed"] += is_killed
    problems = _damage(place, expected)
    is_left = any(is_temporary(path.name) for path in place.run_dir.rglob("*"))
    counts["kills that left temporary files"] += is_left
    if processes.wait(place.start(command), LIMIT_SECS):
        problems.append(f"would not go on: {place.log.read_text()[-2500:]}")
    else:
        problems += expected.differences(place.files())
    for text in problems:
        print(f"{command.name}, killed at {where}: {text}", flush=True)
        counts.violation(text.partition(":")[0], 1)


def _damage(place: Place, expected: Expected) -> list[str]:
    """What is wrong with what stands under its own name."""
    files = place.files()
    found = [
        f"neither the old nor the new: {name}"
        for name in sorted(expected.same & files.keys())
        if files[name] not in (expected.old.get(name), expected.new[name])
    ]
    keras_file = place.run_dir / "export/model.keras"
    if keras_file.exists() and zipfile.ZipFile(keras_file).testzip():
        found.append("damaged: model.keras")
    evaluations = RunFiles.read(str(place.run_dir)).evaluations if files else {}
    for name, one in evaluations.items():
        if files.get(f"predictions-{name}.npz") != one["predictions"]:
            found.append(f"figures without their predictions: {name}")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
