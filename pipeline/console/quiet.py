"""Imports TensorFlow for a conversion: without its start-up messages, and without Keras.

The messages would bury the conversion's own lines, once per worker process. Importing Keras along
would cost each of those processes 50 MB and a third of its start-up time.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from pipeline.console.silence import silent_standard_error

_KERAS_SWITCH = "TF_USE_LEGACY_KERAS"  # TensorFlow then looks for tf_keras instead of Keras 3.

# A conversion needs no GPU, and each worker process would take its share of the memory.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    before = os.environ.get(_KERAS_SWITCH)
    os.environ[_KERAS_SWITCH] = "1"
    try:
        yield
    finally:
        del os.environ[_KERAS_SWITCH]
        if before is not None:
            os.environ[_KERAS_SWITCH] = before


if "tensorflow" not in sys.modules:
    with silent_standard_error(), _without_keras():
        import tensorflow

        tensorflow.config.list_physical_devices()  # Or the first tensor complains of no GPU.
logging.getLogger("apache_beam").setLevel(logging.ERROR)
