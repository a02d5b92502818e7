"""Workers of one training: which one this is, and how they agree."""

import contextlib
import dataclasses
import itertools
import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import tensorflow as tf
from tensorflow.python.distribute import collective_all_reduce_strategy
from tensorflow.python.eager import context

from pipeline.console import exit_codes
from tfrecords_schema.errors import UserError

LOST_WORKER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
_LONGEST_EVALUATION_MSECS = 7 * 24 * 3600 * 1000
_LEAVING_MSECS = 10_000
_JOBS = ("chief", "worker")
_PORTS = 1 << 16
_TF_CONFIG = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
Resolver = Any
"""A `tf.distribute.cluster_resolver.ClusterResolver`."""


@dataclasses.dataclass(frozen=True)
class Worker:
    """One process of a training.

    Attributes:
      number: from 0; the first one, the chief, writes the run folder.
      count: how many there are.
      replicas: global numbers of the replicas that it runs.
    """

    number: int
    count: int
    replicas: range

    @property
    def is_chief(self) -> bool:
        """Whether this one writes what a run leaves."""
        return self.number == 0


def this_worker(strategy: tf.distribute.Strategy) -> Worker:
    """The worker that this process is; number 0 of 1 where there is no cluster."""
    number, count = 0, 1
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        number, count = _place(strategy.cluster_resolver)
    own = strategy.num_replicas_in_sync // count
    return Worker(number, count, range(number * own, (number + 1) * own))


def find_cluster() -> Resolver | None:
    """The cluster that TF_CONFIG or SLURM's variables describe; None where neither does.

    Raises:
      UserError: if TF_CONFIG, or a step of SLURM, is there and is not a cluster of workers.
    """
    if "TF_CONFIG" in os.environ:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        try:
            _check_tf_config(resolver)
        except (json.JSONDecodeError, RecursionError) as error:
            raise UserError(f"TF_CONFIG is no JSON ({error}); correct it, or unset it") from error
        except UserError:
            raise
        except (TypeError, ValueError) as error:
            raise UserError(
                f"TF_CONFIG is no cluster ({error}); expected {_TF_CONFIG}; correct it, or unset it"
            ) from error
        return resolver
    if "SLURM_STEP_NUM_TASKS" not in os.environ:
        return None
    try:
        return _slurm_step(int(os.environ["SLURM_STEP_NUM_TASKS"]))
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"SLURM's variables are those of no step ({error}); start the workers with srun, or "
            "unset SLURM_STEP_NUM_TASKS"
        ) from error


def _slurm_step(tasks: int) -> Resolver:
    """The tasks of a SLURM step, each with the GPUs that SLURM lets it see."""
    nodes = os.environ.get("SLURM_STEP_NODELIST", "")
    for first, last in re.findall(r"(\d+)-(\d+)(?=[^\[]*\])", nodes):
        if int(last) - int(first) >= tasks:  # TensorFlow would name each.
            raise ValueError(f"more nodes in {nodes} than the {tasks} tasks")
    resolvers = tf.distribute.cluster_resolver
    # Told of one GPU a task: without any it fails (slurm_cluster_resolver.py, range() by zero).
    slurm = resolvers.SlurmClusterResolver(gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False)
    addresses = slurm.cluster_spec()  # Only now does it know its own task.
    task_type, task_id = slurm.get_task_info()
    return resolvers.SimpleClusterResolver(
        addresses,
        task_type=task_type,
        task_id=task_id,
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
        rpc_layer="grpc",
    )


def count_workers(resolver: Resolver) -> int:
    """How many processes train together."""
    return _place(resolver)[1]


def connect(resolver: Resolver, cpu_replicas: int) -> tf.distribute.Strategy:
    """Waits for all workers and returns their strategy.

    Args:
      resolver: from `find_cluster`.
      cpu_replicas: replicas of each worker on its CPU, as logical devices; 0 for its GPUs.
    """
    extended = collective_all_reduce_strategy.CollectiveAllReduceExtended
    found = extended._initialize_local_devices
    if cpu_replicas:
        # It takes one CPU device and asks nobody: there is no argument for the devices of a
        # worker (tensorflow/python/distribute/collective_all_reduce_strategy.py).
        extended._initialize_local_devices = lambda self, resolver, worker: (
            tuple(f"{worker}/device:CPU:{number}" for number in range(cpu_replicas)),
            "CPU",
        )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    finally:
        extended._initialize_local_devices = found


def total(strategy: tf.distribute.Strategy, own: float) -> float:
    """The sum of one number of each worker; all of them wait for each other here."""
    worker = this_worker(strategy)
    if worker.count == 1:
        return own

    @tf.function
    def add_up(value: tf.Tensor) -> tf.Tensor:
        def run() -> tf.Tensor:
            own_copy = tf.identity(value)  # On the replica's device, where it is reduced.
            return tf.distribute.get_replica_context().all_reduce("SUM", own_copy)

        return strategy.run(run)

    # One replica of each worker would do; all take part, each with its share.
    share = tf.constant(own / len(worker.replicas), tf.float64)
    return float(strategy.experimental_local_results(add_up(share))[0])


def from_chief(strategy: tf.distribute.Strategy, value: int) -> int:
    """The chief's number, on every worker."""
    is_chief = this_worker(strategy).is_chief
    return round(total(strategy, float(value) if is_chief else 0.0))


def end_together(strategy: tf.distribute.Strategy) -> None:
    """Ends the processes of several workers: the others once the chief is here, then the chief.

    The chief holds the cluster's services. A worker that takes TensorFlow down by itself races
    with the chief's end: it may wait 10 s for services that are gone, or pass for a crash; and so
    may they, for the chief, while it takes down TensorFlow. Returns where there is one worker.
    """
    worker = this_worker(strategy)
    if worker.count == 1:
        return
    service = context.context()
    service.wait_at_barrier("trainer/end", _LONGEST_EVALUATION_MSECS)
    # All work is done now: the chief may end before it has answered that it heard, and a worker
    # may be slow to leave.
    with contextlib.suppress(*LOST_WORKER_ERRORS):
        if worker.is_chief:
            for number in range(1, worker.count):
                service.get_config_key_value(f"trainer/left/{number}", _LEAVING_MSECS)
        else:
            service.set_config_key_value(f"trainer/left/{worker.number}", "left")
    sys.stdout.flush()
    os._exit(0)


def exit_without_the_others(error: tf.errors.OpError) -> NoReturn:
    """Ends this worker because another is gone; an orderly exit would wait for that one."""
    cluster = find_cluster()
    own = f"/job:{cluster.task_type}/replica:0/task:{cluster.task_id}" if cluster else ""
    named = re.findall(r"/job:(?:worker|chief)/replica:\d+/task:\d+", error.message)
    found = sorted(set(named) - {own})
    reason = re.sub(r"\{\{.*?\}\} ", "", error.message.splitlines()[0])
    sys.stderr.write(
        f"error: lost {', '.join(found) or 'another worker'}: {reason}\n"
        "Start all workers again: they go on from the last checkpoint\n"
    )
    sys.stderr.flush()
    os._exit(exit_codes.LOST_WORKER)


@contextlib.contextmanager
def chief_first(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """A block that the chief goes through before the other workers enter it."""
    worker = this_worker(strategy)
    if not worker.is_chief:
        total(strategy, 0.0)
    yield
    if worker.is_chief:
        total(strategy, 0.0)


def _place(resolver: Resolver) -> tuple[int, int]:
    """Number of this task among chief and workers, and their count."""
    jobs = resolver.cluster_spec().as_dict()
    sizes = {job: len(jobs.get(job, ())) for job in _JOBS}
    before = 0 if resolver.task_type == "chief" else sizes["chief"]
    return before + int(resolver.task_id or 0), sum(sizes.values())


def _check_tf_config(resolver: Resolver) -> None:
    jobs = resolver.cluster_spec().as_dict()
    if set(jobs) - set(_JOBS) or (jobs and resolver.task_type not in _JOBS):
        raise UserError(
            f"TF_CONFIG has the jobs {', '.join(jobs)} and the task type {resolver.task_type!r}; "
            "expected chief and worker only"
        )
    for address in itertools.chain(*jobs.values()):
        host, _, port = address.rpartition(":")
        if not (host and port.isdecimal() and 0 < int(port) < _PORTS):
            raise ValueError(f"{address!r} is no host:port")
    own, index = len(jobs.get(resolver.task_type, ())), int(resolver.task_id or 0)
    if jobs and not 0 <= index < own:
        raise ValueError(f"task {index} of the {own} of job {resolver.task_type}")
