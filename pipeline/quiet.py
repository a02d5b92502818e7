"""Imports TensorFlow without its start-up messages.

They come from C++ before logging is set up, so TF_CPP_MIN_LOG_LEVEL does not hide them
(tensorflow 2.21), and would bury the conversion's own lines, once per worker process.
"""

import logging
import os
import sys

# A conversion needs no GPU, and each worker process would take its share of the memory.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def _import_tensorflow() -> None:
    standard_error = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        sys.stderr.flush()
        os.dup2(nowhere, 2)
        import tensorflow  # noqa: F401
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(nowhere)


if "tensorflow" not in sys.modules:
    _import_tensorflow()
logging.getLogger("apache_beam").setLevel(logging.ERROR)
