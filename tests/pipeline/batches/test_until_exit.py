"""At the end a process waits for calls that are under way, and takes no more."""

import threading

import pytest

from pipeline.batches.until_exit import Calls


def test_the_end_waits_for_a_call_and_refuses_the_next() -> None:
    calls, begun, may_end, seen = Calls(), threading.Event(), threading.Event(), []

    def call() -> None:
        with calls.one():
            begun.set()
            may_end.wait(20)
            seen.append("called")

    def end() -> None:
        seen.append(calls.end())

    threads = [threading.Thread(target=call), threading.Thread(target=end)]
    threads[0].start()
    assert begun.wait(20)
    threads[1].start()
    threads[1].join(0.1)
    assert not seen
    may_end.set()
    for thread in threads:
        thread.join(20)
    assert seen == ["called", True]
    with pytest.raises(RuntimeError, match="about to end"), calls.one():
        pass
