"""How evenly the replicas of a step are loaded: our plan, and stock buckets that are sharded.

    python -m benchmarks.results.replica_balance

20,000 lognormal lengths, global batches of 32. The stock pipeline is what autosharding makes of
`bucket_by_sequence_length`: every replica shuffles and buckets its own share of the records. A step
ends with its slowest replica, so its cost is that of the longest; on padding both are charged.
"""

import argparse

import numpy as np

from pipeline.console import quiet

quiet.start(gpu=True)

import tensorflow as tf

from benchmarks.harness.signal_set import lognormal_lengths
from pipeline.batches.boundaries import optimal_boundaries
from pipeline.batches.deal import deal_plan
from pipeline.batches.plan import BatchOptions, plan_epoch

_BATCH_SIZE, _BUCKETS = 32, 8


def main() -> None:
    """Prints a line for each number of replicas."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=20_000)
    lengths = lognormal_lengths(parser.parse_args().records).astype(np.int32)
    print("replicas  pipeline  padded length   valid steps: largest difference  steps of replicas")
    print("                    longest/mean    in a step, in longest records")
    for replicas in (2, 4, 8):
        _row(replicas, "planned", *planned(lengths, replicas))
        _row(replicas, "stock", *sharded(lengths, replicas))


def planned(lengths: np.ndarray, replicas: int) -> tuple[list[np.ndarray], ...]:
    """Per replica, for each of its steps: padded length, valid steps, and its longest record."""
    plan = plan_epoch(lengths, BatchOptions(_BATCH_SIZE, num_buckets=_BUCKETS), seed=0, epoch=0)
    dealt = deal_plan(plan, lengths, replicas)
    batches = np.split(dealt.records, dealt.starts[1:-1])
    valid = np.array([lengths[batch[batch >= 0]].sum() for batch in batches])
    longest = np.array([lengths[batch[batch >= 0]].max(initial=0) for batch in batches])
    columns = (dealt.padded_steps, valid, longest)
    return tuple([column[replica::replicas] for replica in range(replicas)] for column in columns)


def sharded(lengths: np.ndarray, replicas: int) -> tuple[list[np.ndarray], ...]:
    """The same for stock buckets over one share of the records per replica."""
    boundaries = optimal_boundaries(lengths, _BUCKETS)
    found = [
        _stock(lengths[replica::replicas], boundaries, replicas) for replica in range(replicas)
    ]
    return tuple([np.array(column) for column in columns] for columns in zip(*found, strict=True))


def _stock(lengths: np.ndarray, boundaries: np.ndarray, replicas: int) -> tuple[list[int], ...]:
    records = tf.data.Dataset.from_tensor_slices(lengths).shuffle(len(lengths), seed=0)
    batches = records.map(lambda length: tf.range(length)).bucket_by_sequence_length(
        tf.size,
        bucket_boundaries=[int(boundary) + 1 for boundary in boundaries[:-1]],
        bucket_batch_sizes=[_BATCH_SIZE // replicas] * len(boundaries),
        padding_values=-1,
    )
    arrays = list(batches.as_numpy_iterator())
    valid = [np.sum(batch >= 0, axis=1) for batch in arrays]
    padded = [batch.shape[1] for batch in arrays]
    return padded, [int(v.sum()) for v in valid], [int(v.max()) for v in valid]


def _row(
    replicas: int,
    name: str,
    padded: list[np.ndarray],
    valid: list[np.ndarray],
    longest: list[np.ndarray],
) -> None:
    steps = [len(column) for column in padded]
    common = min(steps)
    lengths = np.stack([column[:common] for column in padded])
    sums = np.stack([column[:common] for column in valid])
    records = np.stack([column[:common] for column in longest]).max(0)
    uneven = float(np.mean(lengths.max(0)) / np.mean(lengths))
    difference = float(np.max((sums.max(0) - sums.min(0)) / records))
    print(
        f"{replicas:8}  {name:8}  {uneven:12.2f}  {difference:31.2f}  "
        f"{min(steps)}" + (f" to {max(steps)}" if max(steps) > min(steps) else ""),
        flush=True,
    )


if __name__ == "__main__":
    main()
