"""What ends a command when an object store does not answer."""


class StoreError(Exception):
    """An object store could not be used, however often that was tried; the message says why.

    It is no `ValueError` and no `OSError`: what reads recordings takes those for bad input, and a
    store that is away for a minute must not cost a record.
    """

    exit_status = 1
