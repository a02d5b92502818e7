"""The file beside a recording that belongs to it, where names alone say so."""

import functools
import itertools
import posixpath
from collections.abc import Sequence

from pipeline.console.errors import MissingLabelError, RejectedInputError
from pipeline.sources.files import Files


def companion(files: Files, place: str, suffix: str, suffixes: str | tuple[str, ...]) -> str:
    """The file in a recording's folder that ends in `suffix` and belongs to the recording.

    That is the one whose name shares the longest beginning with the recording's, if the same holds
    the other way round: `SC4001E0-PSG.edf` and `SC4001EC-Hypnogram.edf`.

    Args:
      files: where they are.
      place: full path of the recording.
      suffix: how companions end; what ends so is no recording.
      suffixes: how recordings end.

    Raises:
      MissingLabelError: if there is none.
      RejectedInputError: if several share as much.
    """
    folder, name = posixpath.split(place)
    names = _names(files, folder)
    companions = [other for other in names if other.endswith(suffix)]
    recordings = [n for n in names if not n.endswith(suffix) and n.lower().endswith(suffixes)]
    nearest = _nearest(name, companions)
    if len(nearest) == 1 and _nearest(nearest[0], recordings) == [name]:
        return posixpath.join(folder, nearest[0])
    found = f"those nearest are {', '.join(nearest[:3])}" if nearest else "there is none"
    kind = RejectedInputError if nearest else MissingLabelError
    raise kind(
        f"no file beside it ends in {suffix!r} and belongs to it alone by the beginning of its "
        f"name ({found}); add it, or remove the recording"
    )


def _nearest(name: str, others: Sequence[str]) -> list[str]:
    """Those that share the longest beginning with a name; none if they share none."""
    shared = {other: _shared(name, other) for other in others}
    longest = max(shared.values(), default=0)
    return [other for other, length in shared.items() if length == longest] if longest else []


def _shared(name: str, other: str) -> int:
    pairs = zip(name, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


@functools.lru_cache(maxsize=64)
def _names(files: Files, folder: str) -> tuple[str, ...]:
    root = posixpath.join(folder, "")
    paths = (found.path.removeprefix(root) for found in files.list(folder))
    return tuple(sorted(path for path in paths if "/" not in path))
