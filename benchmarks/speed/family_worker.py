"""Worker process: trains one of our families, or predicts with it, whenever it is asked to.

python -m benchmarks.speed.family_worker --model=fcn [--precision=bfloat16] [--half_padding]
  [--work=predict|latency]
"""

import contextlib
import math

from benchmarks.harness.batches import repeats, work_batch
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.worker import work
from trainer.distribution.strategy import configure
from trainer.options.options import RunOptions, TrainingOptions
from trainer.training.graphs import as_traced
from trainer.training.optimizers import make_optimizer


def main() -> None:
    """Works, reporting the seconds of every turn."""
    args = parse_flags(__doc__, model=str, precision="float32", half_padding=False, work="train")
    configure(RunOptions(dataset="unused", run_dir="unused", precision=args.precision))
    from benchmarks.harness.networks import answer, ours, training_step

    padded, labels, lengths = work_batch(args.model, args.half_padding, args.work)
    model = ours(args.model, padded.shape[2:], str(padded.dtype))
    kind = next(name for name in model.input if name != "lengths")
    given = {kind: padded, "lengths": lengths.astype("int32")}
    trains = args.work == "train"
    if trains:
        optimizer = make_optimizer(TrainingOptions(learning_rate=1e-4), 1)
        once = training_step(model, given, labels, optimizer)
    else:
        once = answer(model, given)
    parameters = sum(math.prod(v.shape) for v in model.trainable_variables)
    with as_traced() if trains else contextlib.nullcontext():
        work(once, repeats(args.work), valid_steps=int(lengths.sum()), parameters=parameters)


if __name__ == "__main__":
    main()
