"""Sends to nowhere what nobody wants to read: start-up messages, and output without a reader."""

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator

_KERAS_SWITCH = "TF_USE_LEGACY_KERAS"  # TensorFlow then looks for tf_keras instead of Keras 3.
# Fast matrix products, which TensorFlow (2.21) switches off on x86 processors without AVX512_VNNI,
# where a training takes three times as long then; it reads this once, when it is imported.
_ONEDNN_SWITCH = "TF_ENABLE_ONEDNN_OPTS"
# What TensorFlow and Keras import where it is installed, and do without: for pictures, wrappers and
# tables of Keras' own. Without it a program of ours is there in two thirds of the time.
_FOR_OTHERS = ("matplotlib", "pandas", "sklearn", "tf_keras")


def start(*, gpu: bool, shared: bool = False) -> None:
    """Imports TensorFlow and finds its devices without their start-up messages.

    Entry points and Beam's workers call it before they import anything that imports TensorFlow.
    Errors still arrive: TensorFlow raises them as exceptions.

    Args:
      gpu: whether this process computes with models. If it does not, as in a conversion, GPUs are
        hidden, of whose memory each worker process would take its share, and Keras is left out,
        which would cost each of them 50 MB and a third of its start-up time. If it does, oneDNN is
        used on every processor, unless TF_ENABLE_ONEDNN_OPTS says otherwise.
      shared: whether others' code uses Keras in this process, too, as in a notebook: then it is
        imported with all that it can make use of.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if gpu:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault(_ONEDNN_SWITCH, "1")
        # TensorFlow's Python side would print a line for every reduction that it traces.
        logging.getLogger("tensorflow").setLevel(logging.WARNING)
    else:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        beam = logging.getLogger("apache_beam")
        beam.setLevel(max(beam.level, logging.ERROR))  # Workers have silenced it already.
    if "tensorflow" not in sys.modules:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_silent_standard_error())
            if not shared:
                stack.enter_context(_one_generation())
                stack.enter_context(_without(_FOR_OTHERS))
            if not gpu:
                stack.enter_context(_without_keras())
            import tensorflow

            tensorflow.config.list_physical_devices()  # Or the first tensor complains of no GPU.


def discard_standard_output() -> None:
    """Discards what is still to be printed: after a `BrokenPipeError` Python would try at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextlib.contextmanager
def _silent_standard_error() -> Iterator[None]:
    """Discards whatever is written to file descriptor 2 inside the block.

    TensorFlow's start-up messages come from C++ before its logging is set up, so
    TF_CPP_MIN_LOG_LEVEL does not hide them (tensorflow 2.21).
    """
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    sys.stderr.flush()
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _one_generation() -> Iterator[None]:
    """What is imported inside the block stays, so no collection looks for garbage in it.

    The half million objects of TensorFlow would be gone through again and again while they come.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _without(packages: tuple[str, ...]) -> Iterator[None]:
    """Packages that nothing has imported yet count as not installed inside the block."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: it is not there.
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    before = os.environ.get(_KERAS_SWITCH)
    os.environ[_KERAS_SWITCH] = "1"
    try:
        yield
    finally:
        del os.environ[_KERAS_SWITCH]
        if before is not None:
            os.environ[_KERAS_SWITCH] = before
