"""The one error of this package."""


class DatasetError(ValueError):
    """A dataset folder, record or schema is not what it should be; the message says what to do."""
