"""Imports TensorFlow and finds its devices without their start-up messages.

Errors still arrive: TensorFlow raises them as exceptions.
"""

import logging
import os
import sys

from pipeline.console.silence import silent_standard_error

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

if "tensorflow" not in sys.modules:
    with silent_standard_error():
        import tensorflow

        tensorflow.config.list_physical_devices()

# TensorFlow's Python side would print a line for every reduction that it traces.
logging.getLogger("tensorflow").setLevel(logging.WARNING)
