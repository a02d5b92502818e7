"""A worker process of the in-process runner: Beam's own, which leaves it to the runner to speak."""

import logging
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ends at once; what to do says the command itself.
logging.basicConfig(level=logging.ERROR, format="%(levelname)s: %(message)s")
logging.getLogger("__main__").setLevel(logging.ERROR)
logging.getLogger("apache_beam").setLevel(logging.ERROR)

from pipeline.console import quiet, terminal  # noqa: E402

terminal.show_warnings()
quiet.start(gpu=False)

from apache_beam.runners.worker import sdk_worker, sdk_worker_main  # noqa: E402

if __name__ == "__main__":
    # What fails here is raised, with its traceback, in the process that started this one. Beam logs
    # it here, too, and prints it: the only use of `print` in that module (apache-beam 2.77).
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    vars(sdk_worker)["print"] = lambda *_, **__: None
    sdk_worker_main.main(sys.argv)
