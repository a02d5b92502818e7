"""How the workers of one training end."""

import os
from typing import NoReturn

import pytest
import tensorflow as tf

from trainer.distribution import cluster


class Ended(BaseException):  # No error.
    """In the place of a process's end."""


class Service:
    """The cluster's service: all meet at the barrier, and then one is gone."""

    def wait_at_barrier(self, name: str, msecs: int) -> None:
        """All are here."""

    def set_config_key_value(self, key: str, value: str) -> NoReturn:
        """The chief took the word and ended before it answered."""
        raise tf.errors.UnavailableError(None, None, "Socket closed")

    def get_config_key_value(self, key: str, msecs: int) -> NoReturn:
        """A worker is slow to leave."""
        raise tf.errors.DeadlineExceededError(None, None, "key not found")


class ServiceOfALostWorker(Service):
    """Not all meet: one was lost before its work was done."""

    def wait_at_barrier(self, name: str, msecs: int) -> None:
        """One does not come."""
        raise tf.errors.UnavailableError(None, None, "task 1 is gone")


def _end(monkeypatch: pytest.MonkeyPatch, number: int, service: Service) -> None:
    def end(code: int) -> NoReturn:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(cluster.context, "context", lambda: service)
    monkeypatch.setattr(
        cluster, "this_worker", lambda strategy: cluster.Worker(number, 2, range(number, 1))
    )
    cluster.end_together(tf.distribute.get_strategy())


@pytest.mark.parametrize("number", [0, 1])
def test_a_worker_that_leaves_first_is_no_crash(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with pytest.raises(Ended, match="0"):
        _end(monkeypatch, number, Service())


def test_a_worker_lost_before_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(tf.errors.UnavailableError, match="gone"):
        _end(monkeypatch, 0, ServiceOfALostWorker())
