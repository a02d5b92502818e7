"""Names that come from the input: of groups, of classes, of arrays and fields."""

import unicodedata
from collections import Counter
from typing import Any

import numpy as np

from pipeline.console.errors import RejectedInputError

_MAX_LENGTH = 1000
_MAX_CLASSES_PER_RECORD = 10_000


def parts(text: str) -> tuple[str, ...]:
    """The names in a flag that takes several, with commas between."""
    return tuple(part.strip() for part in text.split(",")) if text else ()


def normal(text: str) -> str:
    """A name, or a pattern of names, in the one form in which they are compared and stored.

    It is Unicode's composed form (NFC): macOS, and some editors, write a letter with an accent as
    two characters, which look like one.
    """
    return unicodedata.normalize("NFC", text)


def decode(text: bytes, what: str) -> str:
    """Decodes UTF-8; what is lost by decoding something else could make two names one.

    Args:
      text: the bytes.
      what: what they are, for the message.

    Raises:
      RejectedInputError: if they are not UTF-8.
    """
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise RejectedInputError(
            f"{what} {text[:100]!r} is not UTF-8; store it as text (dtype U), or encode it so"
        ) from error


def require_class(name: str) -> str:
    """Checks that a text can be the name of a class.

    tensorflow-datasets strips the lines of its list of classes and drops those that are empty.

    Args:
      name: the text.

    Returns:
      The text.

    Raises:
      RejectedInputError: like `require_name`, or if it is empty or begins or ends with a space.
    """
    if not name or name != name.strip():
        raise RejectedInputError(
            f"class {name[:100]!r} is empty, or has spaces around it; name it, or remove the spaces"
        )
    return require_name(name, "class")


def class_counts(label: np.ndarray) -> dict[Any, int]:
    """How often a label has each of its classes, which are sorted and as `class_of` has them.

    Raises:
      RejectedInputError: if there are more than 10,000, or one is no name, or beyond int64.
    """
    values, counts = np.unique(label, return_counts=True)
    if values.dtype.kind == "u" and values.size and values[-1] > np.iinfo(np.int64).max:
        raise RejectedInputError(f"class {values[-1]} is beyond int64; number the classes from 0")
    if len(values) > _MAX_CLASSES_PER_RECORD:
        raise RejectedInputError(
            f"the label has {len(values)} distinct values, too many for classes; store values as "
            "floats, or use --label_kind=step_value"
        )
    found: Counter[Any] = Counter()
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        found[_class_of(value)] += count
    return dict(sorted(found.items()))


def class_of(value: Any) -> int | str:
    """A value of a label as a class: a number, or the normal form of a text (bytes are UTF-8).

    Raises:
      RejectedInputError: if it is no UTF-8.
    """
    if isinstance(value, bytes):
        value = decode(value, "class")
    return normal(value) if isinstance(value, str) else int(value)


def _class_of(value: Any) -> int | str:
    found = class_of(value)
    return require_class(found) if isinstance(found, str) else found


def require_name(name: str, what: str) -> str:
    """Checks that a text can be stored as a name, one a line, in UTF-8.

    Args:
      name: the text.
      what: what it names, for the message.

    Returns:
      The text.

    Raises:
      RejectedInputError: if it is no valid Unicode, has line breaks, or is very long.
    """
    is_valid = not any("\ud800" <= letter <= "\udfff" for letter in name)
    if is_valid and len(name) <= _MAX_LENGTH and name.splitlines() in ([], [name]):
        return name
    raise RejectedInputError(
        f"{what} {name[:100]!r} is no name: expected one line of at most {_MAX_LENGTH} characters "
        "of valid Unicode; repair it"
    )
