"""Room on the disk for a dataset, before any of it is written."""

import logging

from pipeline.console.texts import bytes_text
from pipeline.conversion.inputs import Decision
from pipeline.conversion.shard_plan import ShardPlan
from pipeline.conversion.work_dir import WorkDir
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import free_bytes, names_in

_SURELY = 0.5  # Some file systems hold more than they are large, by compressing.


def room_text(plan: ShardPlan, dataset_dir: str) -> str:
    """What a dataset takes, and what there is for it."""
    free = free_bytes(dataset_dir)
    has = "" if free is None else f", of {bytes_text(free)} that are free"
    return f"takes about {bytes_text(plan.size_bytes)}{has}"


def too_little_room(plan: ShardPlan, decision: Decision, dataset_dir: str) -> str:
    """Why a conversion would surely fill the disk; empty where it may not. Says so where it may.

    What an interrupted conversion has written is counted. Frames may become smaller, so of them
    nothing is sure.
    """
    if (free := free_bytes(dataset_dir)) is None:
        return ""
    needed = plan.size_bytes - _written_bytes(dataset_dir)
    if needed <= free:
        return ""
    problem = (
        f"the dataset needs {bytes_text(needed)} more on the disk of {dataset_dir}, which has "
        f"{bytes_text(free)} free; make space, or give another --output_dir"
    )
    is_exact = decision.schema is not None and decision.schema.input.kind == "signal"
    if is_exact and _SURELY * needed > free:
        return problem
    logging.warning(problem)
    return ""


def _written_bytes(dataset_dir: str) -> int:
    folders = (dataset_dir, WorkDir(dataset_dir).path)
    names = [join(folder, name) for folder in folders for name in names_in(folder)]
    return sum(gfile.stat(name).length for name in names if ".tfrecord-" in name)
