"""Names that come from the input: of groups and of classes."""

from pipeline.console.errors import RejectedInputError

_MAX_LENGTH = 1000


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
