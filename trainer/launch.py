"""`python -m trainer.launch --workers=2 -- --flagfile=...`: several workers on this machine.

Starts `python -m trainer` once per worker with a TF_CONFIG of its own, puts the worker's number
before each line that it prints, passes SIGTERM and SIGINT on, and ends all workers when one fails.
"""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from pipeline.console import utf8
from pipeline.console.command import Command, with_help
from pipeline.console.errors import UsageError
from pipeline.console.exit_codes import LOST_WORKER
from pipeline.console.options import REQUIRED, Options, option, read
from pipeline.console.quiet import discard_standard_output
from pipeline.console.run import run_command
from pipeline.console.terminal import say
from trainer.distribution.children import die_with_parent

_LOOK_SECS = 0.1
# What the others get to end by themselves, with a message, after one has failed.
_GRACE_SECS = 20.0


@dataclasses.dataclass(frozen=True)
class LaunchOptions(Options):
    """Workers on this machine."""

    workers: int = option(REQUIRED, "Processes to start.", low=1, common=True)
    cores_per_worker: int = option(
        0, "Cores of its own for each; 0: all share.", low=0, common=True
    )

    def check(self) -> None:
        """See `Options`."""
        cores = len(os.sched_getaffinity(0))
        if self.workers * self.cores_per_worker > cores:
            raise UsageError(
                f"--cores_per_worker={self.cores_per_worker} for {self.workers} workers: this "
                f"machine has {cores} cores"
            )


COMMAND = Command(
    "python -m trainer.launch",
    "Trains on several workers on this machine, for trials and tests; flags of the trainer stand "
    "after --.",
    (LaunchOptions,),
)


def main(argv: Sequence[str]) -> int:
    """Runs all workers to their end; returns the exit status of the first that failed, or 0."""
    return run_command(_launch, argv)


def _launch(argv: Sequence[str]) -> int:
    cut = argv.index("--") if "--" in argv else len(argv)
    options = read(LaunchOptions, COMMAND.parse(argv[:cut]).values)
    trainer_flags = argv[cut + 1 :]
    if not trainer_flags:
        raise UsageError(with_help("no flags for the trainer; give them after --", COMMAND.prog))
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(options.workers)]
    workers = [
        _start(number, addresses, trainer_flags, options.cores_per_worker)
        for number in range(options.workers)
    ]

    def pass_on(number: int, frame: FrameType | None) -> None:
        for worker in workers:
            worker.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    printers = [_print_lines(number, worker) for number, worker in enumerate(workers)]
    status = _wait(workers)
    for printer in printers:
        printer.join()
    return status


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _start(
    number: int, addresses: list[str], trainer_flags: Sequence[str], cores: int
) -> subprocess.Popen[str]:
    cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
    own = sorted(os.sched_getaffinity(0))[number * cores : (number + 1) * cores]

    def prepare() -> None:
        die_with_parent()
        if own:
            os.sched_setaffinity(0, own)

    return subprocess.Popen(
        [sys.executable, "-m", "trainer", *trainer_flags],
        env={**os.environ, "TF_CONFIG": json.dumps(cluster)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=prepare,
        start_new_session=True,  # Ctrl-C arrives once, from here.
    )


def _print_lines(number: int, worker: subprocess.Popen[str]) -> threading.Thread:
    def copy() -> None:
        assert worker.stdout is not None
        try:
            with worker.stdout:
                for line in worker.stdout:
                    say(f"[{number}] {line}", end="")
                    sys.stdout.flush()
        except BrokenPipeError:  # Nobody reads it: nor does this any more, which ends the worker.
            discard_standard_output()

    thread = threading.Thread(target=copy)
    thread.start()
    return thread


def _wait(workers: list[subprocess.Popen[str]]) -> int:
    """Waits for all; when one fails, gives the others some time, then kills them."""
    ended: list[int] = []
    deadline = float("inf")
    while len(ended) < len(workers):
        time.sleep(_LOOK_SECS)
        for number, worker in enumerate(workers):
            if number not in ended and worker.poll() is not None:
                ended.append(number)
                if worker.returncode:
                    say(f"worker {number} {_how(worker)}")
                    sys.stdout.flush()
                    deadline = min(deadline, time.monotonic() + _GRACE_SECS)
        if time.monotonic() > deadline:
            for worker in workers:
                worker.kill()
    return _exit_status([workers[number].returncode for number in ended])


def _exit_status(returncodes: list[int]) -> int:
    """That of the first that failed; those that lost another worker failed because of it."""
    failed = [code if code > 0 else 128 - code for code in returncodes if code]
    causes = [status for status in failed if status != LOST_WORKER]
    return (causes or failed or [0])[0]


def _how(worker: subprocess.Popen[str]) -> str:
    if worker.returncode < 0:
        return f"was killed by {signal.Signals(-worker.returncode).name}"
    return f"ended with exit status {worker.returncode}"


if __name__ == "__main__":
    utf8.start()
    sys.exit(main(sys.argv[1:]))
