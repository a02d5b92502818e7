"""The errors of a conversion."""


class UsageError(ValueError):
    """The command line asks for something that cannot be; the message says what to change."""


class RejectedInputError(ValueError):
    """One input cannot be converted; the message says why and what to do. The others go on."""
