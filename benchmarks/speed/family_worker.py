"""Worker process: trains one of our families, whenever it is asked to.

python -m benchmarks.speed.family_worker --model=fcn [--precision=bfloat16] [--half_padding]
"""

import math
import time

from benchmarks.harness.batches import UPDATES, random_batch
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.worker import report, turns
from trainer.distribution.strategy import configure
from trainer.options.options import RunOptions


def main() -> None:
    """Trains, reporting the seconds of every turn."""
    args = parse_flags(__doc__, model=str, precision="float32", half_padding=False)
    configure(RunOptions(dataset="unused", run_dir="unused", precision=args.precision))
    from benchmarks.harness.networks import ours, training_step

    padded, labels, lengths = random_batch(args.model, args.half_padding)
    model = ours(args.model, padded.shape[2:], str(padded.dtype))
    kind = next(name for name in model.input if name != "lengths")
    step = training_step(model, {kind: padded, "lengths": lengths.astype("int32")}, labels)
    for _ in turns():
        started = time.perf_counter(), time.process_time()
        for _ in range(UPDATES):
            step()
        report(
            secs=time.perf_counter() - started[0],
            cpu_secs=time.process_time() - started[1],
            valid_steps=int(lengths.sum()) * UPDATES,
            parameters=sum(math.prod(v.shape) for v in model.trainable_variables),
        )


if __name__ == "__main__":
    main()
