"""How evenly the replicas of a step are loaded: our plan, and stock buckets that are sharded.

    python -m benchmarks.results.replica_balance

20,000 lognormal lengths, global batches of 32. The stock pipeline is what autosharding makes of
`bucket_by_sequence_length`: every replica shuffles and buckets its own share of the records. A step
ends with its slowest replica, so its cost is that of the longest; on padding both are charged.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import numpy as np
import tensorflow as tf

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.recordings import lognormal_lengths
from pipeline.batches.boundaries import optimal_boundaries
from pipeline.batches.deal import deal_plan
from pipeline.batches.plan import BatchOptions, plan_epoch

_BATCH_SIZE, _BUCKETS = 32, 8
# Of one replica, for each of its steps: padded length, valid steps, steps of its longest record.
Loads = np.ndarray


def main() -> None:
    """Prints a line for each number of replicas."""
    lengths = lognormal_lengths(parse_flags(__doc__, records=20_000).records).astype(np.int32)
    print("replicas  pipeline  padded length   valid steps: largest difference  steps of replicas")
    print("                    longest/mean    in a step, in longest records")
    for replicas in (2, 4, 8):
        _print_row(replicas, "planned", _planned(lengths, replicas))
        _print_row(replicas, "stock", _sharded(lengths, replicas))


def _planned(lengths: np.ndarray, replicas: int) -> list[Loads]:
    plan = plan_epoch(lengths, BatchOptions(_BATCH_SIZE, num_buckets=_BUCKETS), seed=0, epoch=0)
    dealt = deal_plan(plan, lengths, replicas)
    batches = [lengths[batch[batch >= 0]] for batch in np.split(dealt.records, dealt.starts[1:-1])]
    valid = [batch.sum() for batch in batches]
    loads = np.array([dealt.padded_steps, valid, [batch.max(initial=0) for batch in batches]])
    return [loads[:, replica::replicas] for replica in range(replicas)]


def _sharded(lengths: np.ndarray, replicas: int) -> list[Loads]:
    boundaries = optimal_boundaries(lengths, _BUCKETS)
    return [_stock(lengths[replica::replicas], boundaries, replicas) for replica in range(replicas)]


def _stock(lengths: np.ndarray, boundaries: np.ndarray, replicas: int) -> Loads:
    records = tf.data.Dataset.from_tensor_slices(lengths).shuffle(len(lengths), seed=0)
    batches = records.map(lambda length: tf.range(length)).bucket_by_sequence_length(
        tf.size,
        bucket_boundaries=[int(boundary) + 1 for boundary in boundaries[:-1]],
        bucket_batch_sizes=[_BATCH_SIZE // replicas] * len(boundaries),
        padding_values=-1,
    )
    valid = [(batch >= 0) for batch in batches.as_numpy_iterator()]
    longest = [batch.sum(axis=1).max() for batch in valid]
    return np.array([[batch.shape[1] for batch in valid], [b.sum() for b in valid], longest])


def _print_row(replicas: int, name: str, loads: list[Loads]) -> None:
    fewest, most = (of(load.shape[1] for load in loads) for of in (min, max))
    padded, valid, longest = np.stack([load[:, :fewest] for load in loads], axis=1)
    uneven = padded.max(0).mean() / padded.mean()
    difference = ((valid.max(0) - valid.min(0)) / longest.max(0)).max()
    steps = f"{fewest} to {most}" if most > fewest else f"{fewest}"
    print(f"{replicas:8}  {name:8}  {uneven:12.2f}  {difference:31.2f}  {steps}", flush=True)


if __name__ == "__main__":
    main()
