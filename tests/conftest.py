"""The order of the suite, files that train or start processes first, and an end for each file."""

import gc
import os
import shutil
import signal
import sys
import tempfile
import types
from collections.abc import Iterator
from multiprocessing.util import Finalize

import pytest

from tests import quick

_TAKE_LONG = {
    "subprocess",
    "tests.forks.process",
    "tests.trainer.processes",
    "tests.trainer.in_process",
}
_NETWORKS = "tests/trainer/"


def pytest_configure(config: pytest.Config) -> None:
    """All that is temporary has a folder that goes: processes that are killed clean nothing up."""
    gc.disable()  # All that is imported stays.
    # Two processes share the cores; and trainings here and in processes of their own compute alike.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # As `quiet.start` has it.
    if not hasattr(config, "workerinput"):  # A worker has the environment of who starts it.
        folder = os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="tests-")
        # After multiprocessing's own folder has gone.
        Finalize(None, shutil.rmtree, (folder, True), exitpriority=-1000)


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Two processes share the files; none should be left alone with a long one at the end."""
    items.sort(key=lambda item: (not _takes_long(item.module), _NETWORKS not in item.nodeid))
    gc.freeze()  # What is imported stays: looking through it again and again takes a tenth,
    gc.set_threshold(50_000, 10, 5)  # and through graphs and models that a file keeps.
    gc.enable()
    quick.spare()


@pytest.fixture(autouse=True, scope="module")
def _leave_no_locks() -> Iterator[None]:
    """Ends the threads that write locks anew: a test gives back no more than it is about."""
    if not (locks := sys.modules.get("tfrecords_schema.locks")):
        yield
        return
    taken, take = [], locks.Lock.take
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks.Lock, "take", lambda lock: (taken.append(lock), take(lock))[1])
        yield
    for lock in taken:
        lock.rest()


@pytest.fixture
def in_time() -> Iterator[None]:
    """Ends a test that waits for what never comes, or reads what never ends."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True, scope="module")
def _leave_kernels_free() -> Iterator[None]:
    """Undoes `--deterministic`, which is for the rest of a process, and slow."""
    yield
    if "tensorflow" in sys.modules:
        from tensorflow.python.framework import config

        config.disable_op_determinism()


def _takes_long(module: types.ModuleType) -> bool:
    """Whether a file uses one of the modules, or something of them."""
    known = (getattr(value, "__module__", None) for value in vars(module).values())
    names = (
        value.__name__ for value in vars(module).values() if isinstance(value, types.ModuleType)
    )
    return not _TAKE_LONG.isdisjoint({*known, *names})
