"""Asking an object store again: requests fail, are throttled, and servers are started anew."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import tensorflow as tf

from tfrecords_schema.places.store_error import StoreError

WAITS_SECS = (0.1, 0.5, 2.0, 5.0, 10.0, 20.0)
"""Before each further try, at most; the clients of the stores try some times by themselves."""
# Of what the next try says the same.
_OURS = (TypeError, ValueError, NotImplementedError, IsADirectoryError, NotADirectoryError)
_JITTER = random.Random()
# Of the clients: no credentials, and names that no bucket can have.
_HOPELESS = (
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ParamValidationError",
)  # fmt: skip

Answer = TypeVar("Answer")


def tried(path: str, action: Callable[[], Answer]) -> Answer:
    """What a request to a store returns, at one of its tries.

    Raises:
      tf.errors.NotFoundError: it is not there, as `tf.io.gfile` says it.
      tf.errors.PermissionDeniedError: it may not be had, likewise.
      StoreError: no try had an answer.
    """
    for wait in (*WAITS_SECS, None):
        try:
            with _same_draws():
                return action()
        except FileNotFoundError as error:
            raise tf.errors.NotFoundError(None, None, f"{path}; {_text(error)}") from error
        except PermissionError as error:
            raise tf.errors.PermissionDeniedError(None, None, f"{path}; {_text(error)}") from error
        except Exception as error:  # Each client has its own, for the network's errors as well.
            is_hopeless = isinstance(error, _OURS) or type(error).__name__ in _HOPELESS
            if wait is None or is_hopeless:
                often = "" if is_hopeless else f", {len(WAITS_SECS) + 1} times over"
                raise StoreError(
                    f"{path} cannot be reached{often} ({_text(error)}); what is written stays: "
                    "see to the store, the network and the credentials, and give the same command "
                    "again"
                ) from error
        time.sleep(wait * _JITTER.uniform(0.5, 1))
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _same_draws() -> Iterator[None]:
    """Clients draw how long they wait from Python's own numbers, as Keras draws its seeds.

    So that a request that failed changes no weights, whoever makes models finds them as they were.
    """
    before = random.getstate()
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            random.setstate(before)


def _text(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
