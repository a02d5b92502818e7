"""What is found under an id: a description, or rejects."""

from collections.abc import Sequence

from pipeline.console.errors import RejectedInputError, printable
from pipeline.sources.source import Description, InputFile, Reject, Source

Outcome = Description | Reject


def describe(source: Source, record_id: str, files: Sequence[InputFile]) -> list[Outcome]:
    """Describes the input that has an id; of several that share one none can be told to be it.

    Args:
      source: kind of raw data.
      record_id: the id.
      files: all inputs of that id.
    """
    if len(files) > 1:
        paths = sorted(file.path for file in files)
        return [_duplicate(printable(record_id), path, paths) for path in paths]
    path, _, problem = files[0]
    if problem:
        return [Reject(path, "list", problem)]
    try:
        return [source.describe(path)]
    except RejectedInputError as error:
        return [Reject(path, "describe", str(error))]


def _duplicate(record_id: str, path: str, paths: Sequence[str]) -> Reject:
    others = ", ".join(other for other in paths if other != path)
    reason = f"its id {record_id!r} is also that of {others}; rename or remove one"
    return Reject(path, "list", reason)
