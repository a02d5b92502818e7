"""Which errors come from the place that is written to."""

import pytest

from pipeline.console.output_problems import output_problem


@pytest.mark.parametrize("text", ["No space left on device", "Is a directory"])
def test_what_a_worker_raised_as_text_is_known(text):
    error = RuntimeError(f"FailedPreconditionError: a/b.tmp; {text} [while running 'Write']")
    assert output_problem(error) == f"a/b.tmp; {text}"
    assert not output_problem(RuntimeError("a/b.tmp; it is no file"))
