"""What is wrong with listed inputs before any is opened: the same for who converts and predicts."""

import collections
from collections.abc import Iterable, Iterator, Sequence

from pipeline.console.errors import printable
from pipeline.sources.source import InputFile, Reject, Source
from tfrecords_schema.left_out import LeftOut, Tally


def listed(source: Source, left_out: Tally) -> Iterator[InputFile]:
    """The inputs of a source, checked; what it passes over is added to `left_out`."""
    for found in source.list_inputs():
        if isinstance(found, LeftOut):
            left_out.add(found)
        else:
            yield checked_file(found)


def checked_file(file: InputFile) -> InputFile:
    """A listed input under a name that can be written, and with its problem if it has one.

    Args:
      file: as the source lists it; the name is what the file system has.
    """
    path, problem = printable(file.path), file.problem
    if path != file.path:
        problem = "its name is not UTF-8; rename it"
    elif not file.size_bytes:  # It is not opened: a pipe has no bytes, too, and never ends.
        problem = "it is empty; remove it, or copy it again"
    return InputFile(path, file.size_bytes, problem)


def group_by_id(source: Source, files: Iterable[InputFile]) -> dict[str, list[InputFile]]:
    """The files of each record id; there should be one."""
    by_id: dict[str, list[InputFile]] = collections.defaultdict(list)
    for file in files:
        by_id[source.record_id(file.path)].append(file)
    return by_id


def listing_rejects(record_id: str, files: Sequence[InputFile]) -> list[Reject]:
    """The inputs of one id that are not opened; of several none can be told to be it.

    Args:
      record_id: the id.
      files: all inputs of that id, from `checked_file`.
    """
    if len(files) == 1:
        path, _, problem = files[0]
        return [Reject(path, "list", problem)] if problem else []
    paths = sorted(file.path for file in files)
    return [Reject(path, "list", _duplicate(printable(record_id), path, paths)) for path in paths]


def _duplicate(record_id: str, path: str, paths: Sequence[str]) -> str:
    others = ", ".join(other for other in paths if other != path)
    return f"its id {record_id!r} is also that of {others}; rename or remove one"
