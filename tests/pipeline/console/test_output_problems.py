"""Which errors come from the place that is written to."""

import pytest

from pipeline.console.output_problems import cannot_write, output_problem


@pytest.mark.parametrize(
    "text", ["No space left on device", "Is a directory", "File name too long"]
)
def test_what_a_worker_raised_as_text_is_known(text):
    error = RuntimeError(f"FailedPreconditionError: a/b.tmp; {text} [while running 'Write']")
    assert output_problem(error) == f"a/b.tmp; {text}"
    assert not output_problem(RuntimeError("a/b.tmp; it is no file"))


def test_what_sqlite_says_of_a_disk_is_known_behind_the_errors_of_others():
    said = "(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT INTO trials]"
    error = RuntimeError("An exception is raised during the commit.")
    error.__cause__ = RuntimeError(said)
    assert output_problem(error) == "database or disk is full"
    assert cannot_write(error, "go on").startswith("cannot write (database or disk is full); what")
    assert not cannot_write(RuntimeError("a bug"), "go on")
