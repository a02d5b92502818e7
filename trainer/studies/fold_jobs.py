"""The training on one fold: an ordinary command line of `python -m trainer`."""

from __future__ import annotations

from collections.abc import Sequence

from tfrecords_schema import Dataset
from tfrecords_schema.storage import below
from trainer.runs import asked
from trainer.studies.fold_datasets import TEST, TRAIN, VALIDATION, Fold
from trainer.studies.many_runs import Job

_CACHE = "feature_cache_dir"


def fold_job(
    study_dir: str,
    path: str,
    argv: Sequence[str],
    fold: Fold,
    dataset: Dataset,
    *more: str,
    has_report: bool = False,
) -> Job:
    """The job of one training.

    Features of frozen layers are kept for all trainings of the study, unless the command line says
    where: what a record gives does not depend on the fold that it is in.

    Args:
      study_dir: folder of the study.
      path: of the run folder within it; its name is that of the job.
      argv: the command line of all trainings.
      fold: what is tested.
      dataset: of the fold.
      *more: flags of this training.
      has_report: whether they ask for a report.

    Raises:
      LinkError: a folder of the study is a link, and what is behind it somebody else's.
      UsageError: the command line makes no sense; seen here of frames only.
    """
    run_dir = below(study_dir, *path.split("/"))
    own = {
        "dataset": dataset.path,
        "run_dir": run_dir,
        "train_split": TRAIN,
        "validation_split": VALIDATION if fold.groups(VALIDATION) else "",
        "test_split": TEST,
        "paper": "none",  # Of all runs together, not of each.
    }
    line = (*argv, *more, *(f"--{flag}={value}" for flag, value in own.items()))
    if dataset.schema.input.kind == "frames":
        of_model = asked.asked(line).model.options
        if any(getattr(options, _CACHE, None) == "" for options in of_model):
            line = (*line, f"--{_CACHE}={below(study_dir, 'features')}")
    return Job(path.rpartition("/")[2], run_dir, line, dataset.manifest.fingerprint, has_report)
