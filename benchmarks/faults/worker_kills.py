"""Kills one of two workers at a random step, again and again; then starts both anew.

    python -m benchmarks.faults.worker_kills --kills=10

Each time: how soon all processes were gone, with which exit status, and whether the run that was
started again ended in the weights of an undisturbed one. Exits with 1 if it did not, or if a
process was there 60 s after the kill. Trains a small model on random records; about 20 s a kill.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import os
import pathlib
import random
import signal
import sys
import time

from benchmarks.faults.training_kills import Training, write_toy
from benchmarks.harness import processes
from benchmarks.harness.flags import parse_flags
from tests.trainer.processes import last_step

_LIMIT_SECS = 60
_WORKERS = 2


def main() -> int:
    """Runs the trials and prints a line for each."""
    args = parse_flags(__doc__, kills=10, seed=0)
    chance = random.Random(args.seed)
    failed = 0
    with processes.temporary_folder() as root:
        write_toy(root)
        expected = _finish(Training(root, root / "undisturbed"))
        steps = expected["steps"]
        print("kill  worker  after step  all gone, s  exit status  weights", flush=True)
        for number in range(1, args.kills + 1):
            training = Training(root, root / f"killed-{number}")
            victim, step = chance.randrange(_WORKERS), chance.randrange(1, steps - 3)
            secs, status = _kill(training, victim, step)
            is_same = _finish(training) == expected
            failed += secs > _LIMIT_SECS or status == 0 or not is_same
            shown = f"{number:4}  {victim:6}  {step:10}  {secs:11.1f}  {status:11}"
            print(shown, "the same bits" if is_same else "other", sep="  ", flush=True)
    print(f"{args.kills - failed} of {args.kills} as they should be")
    return int(failed > 0)


def _start(training: Training) -> int:
    """Starts all workers through the launcher."""
    flags = [f"--workers={_WORKERS}", "--", *training.argv]
    return processes.start_module("trainer.launch", *flags, log=training.log)


def _finish(training: Training) -> dict[str, object]:
    """What a run leaves that nobody disturbs."""
    processes.finish(_start(training), training.log)
    return training.outcome()


def _kill(training: Training, victim: int, step: int) -> tuple[float, int]:
    """Kills a worker once a step is done; seconds until no process is left, and exit status."""
    launcher = _start(training)
    if not processes.reaches(launcher, lambda: last_step(training.run_dir) >= step):
        raise SystemExit(f"step {step} was not reached:\n{training.log.read_text()}")
    workers = processes.children(launcher)
    started = time.monotonic()
    os.kill(workers[victim], signal.SIGKILL)
    status = processes.wait(launcher)
    while any(map(_is_running, workers)) and time.monotonic() - started < 2 * _LIMIT_SECS:
        time.sleep(0.02)
    return time.monotonic() - started, status


def _is_running(process: int) -> bool:
    """Whether a process is there and is more than an entry in the table."""
    try:
        state = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


if __name__ == "__main__":
    sys.exit(main())
