"""A worker process of the in-process runner: Beam's own, without its start-up messages."""

import logging
import sys

logging.basicConfig(level=logging.ERROR, format="%(levelname)s: %(message)s")
logging.getLogger("__main__").setLevel(logging.ERROR)
logging.getLogger("apache_beam").setLevel(logging.ERROR)

import pipeline.quiet  # noqa: E402, F401

# isort: split
from apache_beam.runners.worker.sdk_worker_main import main  # noqa: E402

if __name__ == "__main__":
    # What fails here is raised, with its traceback, in the process that started this one.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    main(sys.argv)
