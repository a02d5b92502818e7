"""Entry point of `python -m pipeline`."""

import logging
import sys

logging.basicConfig(level=logging.ERROR, format="%(levelname)s: %(message)s")

# What fails in a worker within this process is raised here; Beam would show it twice.
logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)

import pipeline.quiet  # noqa: E402, F401

# isort: split
from pipeline.convert import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
