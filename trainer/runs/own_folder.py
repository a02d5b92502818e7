"""Folders that hold one kind of work each."""

from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile

OF_RUN, OF_STUDY = "config.flags", "study.json"
# By the file that only such a folder has.
_OF_WHAT = {"manifest.json": "a dataset", OF_STUDY: "a study", OF_RUN: "a run"}


def require_no_other(folder: str, own: str) -> None:
    """Refuses a folder in which work of another kind is, for files of the two would mix.

    Args:
      folder: that --run_dir names.
      own: the file that tells the kind of work that it is for.

    Raises:
      UserError: it holds a dataset, a run or a study, and is not for that.
    """
    for name, what in _OF_WHAT.items():
        if name != own and gfile.exists(join(folder, name)):
            raise UserError(f"{folder} is the folder of {what} ({name}); give another --run_dir")
