"""Group and official split of an input: by its path, or by a field of its own."""

import math
import re
from collections.abc import Callable

from pipeline.console.errors import RejectedInputError
from pipeline.sources.names import normal, require_name
from pipeline.sources.options import ConvertOptions
from pipeline.sources.splits import ALL_IS_NO_SPLIT, SPLIT_NAME

# (key, flag) to the text that the input holds under that key.
ReadText = Callable[[str, str], str]


def text_of(value: str | int | float) -> str:
    """One value as the text that names a group or a split; 7.0 is 7, however it was stored.

    Raises:
      RejectedInputError: if it is NaN or infinity, as tables have where a value is missing.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise RejectedInputError(
            f"its group or split is {value}, which is no name; fill it in, or remove the recording"
        )
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def group_and_split(
    options: ConvertOptions, path: str, record_id: str, read: ReadText
) -> tuple[str, str]:
    """Group of an input, and the split that it or its path prescribes.

    Args:
      options: where they are.
      path: relative path.
      record_id: its id, the group if no flag says otherwise.
      read: reads a field of its own.

    Returns:
      The group in its normal form, and the split, empty if none.

    Raises:
      RejectedInputError: if the id, the group or the split is no name, or `--group_regex` does not
        match.
    """
    require_name(record_id, "id")
    group = normal(_group_of(options, path, record_id, read))
    return require_name(group, "group"), _split_of(options, path, read)


def search(regex: str, path: str) -> re.Match[str] | None:
    """What a pattern finds in a path, whichever form of letters either is written in."""
    return re.search(normal(regex), normal(path))


def group_in(regex: str, path: str) -> str | None:
    """What `--group_regex` finds in a path, its group 1 if that is there; None without a match."""
    found = search(regex, path)
    return found and (found[1] if found.re.groups and found[1] is not None else found[0])


def _group_of(options: ConvertOptions, path: str, record_id: str, read: ReadText) -> str:
    if options.group_key:
        return read(options.group_key, "group_key")
    if not options.group_regex:
        return record_id
    group = group_in(options.group_regex, path)
    if group is None:
        raise RejectedInputError(
            f"--group_regex={options.group_regex} does not match the path; every recording needs "
            "a group"
        )
    return group


def _split_of(options: ConvertOptions, path: str, read: ReadText) -> str:
    if options.split_key:
        name = read(options.split_key, "split_key")
        if not SPLIT_NAME.fullmatch(name):
            is_all = name == "all"
            cure = ALL_IS_NO_SPLIT if is_all else "use a letter, then letters, digits and _"
            raise RejectedInputError(
                f"split {name!r} under {options.split_key!r} is no name of a split; {cure}"
            )
        return name
    found = search(options.split_regex, path) if options.split_regex else None
    matched = [name for name, text in found.groupdict().items() if text] if found else []
    return matched[0] if matched else ""
