"""What the process has imported that those of `process.py` are forks of."""

# ruff: noqa: E402, F401
import os

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # A device cannot be shared with a fork.

from pipeline.console import quiet

quiet.start(gpu=True)

import numpy
import pyarrow.parquet

import pipeline.conversion.convert  # With Beam.
import trainer.__main__
import trainer.cross_validate
from tests import quick

quick.spare()
