"""Entry point of `python -m pipeline`."""

import logging
import sys

logging.basicConfig(level=logging.ERROR, format="%(levelname)s: %(message)s")

from pipeline.option_flags import make_parser  # noqa: E402

if __name__ == "__main__":
    make_parser().answer(sys.argv[1:])  # At once: TensorFlow and Beam take seconds to import.

import pipeline.quiet  # noqa: E402, F401

# isort: split
from pipeline.convert import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
