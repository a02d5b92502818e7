"""What a user can mend: the one base class that a command turns into a message."""


class UserError(ValueError):
    """Something that the user can mend; the message says what, and what to do.

    Attributes:
      exit_status: that of a command which it ends.
    """

    exit_status = 1


class DatasetError(UserError):
    """A dataset folder, record or schema is not what it should be; the message says what to do."""


class LinkError(UserError):
    """A link stands where something would be written; the message says what to do."""
