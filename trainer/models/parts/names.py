"""Names of layers that depend on nothing that was built before: checkpoints go by them."""

import collections
import contextlib
from collections.abc import Iterator

from keras.src.backend.common import global_state

# Where Keras counts layers that nobody named (keras.src.utils.naming): dense, dense_1 and so on
# over the whole process. There is no public way to count anew and go on afterwards.
_COUNTS = "object_name_uids"


@contextlib.contextmanager
def fresh_names() -> Iterator[None]:
    """A block in which Keras counts unnamed layers from the beginning; it goes on after it."""
    before = global_state.get_global_attribute(_COUNTS)
    global_state.set_global_attribute(_COUNTS, collections.defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(_COUNTS, before)
