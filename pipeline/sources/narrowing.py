"""Values in a dtype of fewer bits, as records hold them."""

import numpy as np

from pipeline.console.errors import RejectedInputError


def cast(values: np.ndarray, dtype: str) -> np.ndarray:
    """Casts values; what is too large becomes infinity."""
    with np.errstate(over="ignore"):
        return values.astype(dtype, copy=False)


def narrowed(values: np.ndarray, dtype: str, what: str) -> np.ndarray:
    """Casts values; what was not finite stays so.

    Args:
      values: of any numeric dtype.
      dtype: to cast to.
      what: the values are, for messages.

    Raises:
      RejectedInputError: a value that is finite would not be any more.
    """
    stored = cast(values, dtype)
    if values.dtype.itemsize <= stored.dtype.itemsize or stored.dtype.kind != "f":
        return stored
    if not np.isfinite(stored).all():
        lost = np.isinf(stored) & np.isfinite(values)
        if lost.any():
            raise RejectedInputError(
                f"{what} holds {values[lost][0]:.4g}, too large for {dtype}, as which "
                f"{values.dtype.name} is stored; scale it, or repair the recording"
            )
    return stored


def stored(values: np.ndarray, dtype: str, what: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Values like `narrowed`, and as they were where that took fewer bits, else None."""
    found = narrowed(values, dtype, what)
    return found, values if values.dtype.itemsize > found.dtype.itemsize else None
