"""Worker process in an environment with PyTorch: trains a network, whenever it is asked to.

python -m benchmarks.peers.pytorch.worker --model=fcn [--compiled] [--precision=bfloat16]
  [--half_padding] [--folder=SET --records=0,1,2]

A turn is some updates by Adam on one batch: of random numbers, as ours, or of npz files. bfloat16
is autocast. A compiled network is compiled for the shape of its batch; users' have many.
"""

import contextlib
import time

import numpy as np
import torch
from torch.nn import functional

from benchmarks.harness.batches import CLASSES, UPDATES, random_batch
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.recordings import record_id
from benchmarks.harness.worker import report, turns
from benchmarks.peers.pytorch.networks import network
from benchmarks.peers.signal_worker import load_padded


def main() -> None:
    """Trains, reporting the seconds of every turn."""
    args = parse_flags(
        __doc__, model=str, compiled=False, precision="float32", half_padding=False, folder="",
        records="",
    )  # fmt: skip
    if args.folder:
        ids = [record_id(int(number)) for number in args.records.split(",")]
        signal, labels, lengths = load_padded(args.folder, ids)
        labels = labels[..., 0][np.arange(signal.shape[1]) < lengths[:, np.newaxis]]
        signal, updates = signal[..., np.newaxis] if signal.ndim < 4 else signal, 1
    else:
        signal, labels, lengths = random_batch(args.model, args.half_padding)
        updates = UPDATES
    x, y, steps = map(torch.from_numpy, (signal, labels, lengths))
    model = network(args.model, signal.shape[-1], CLASSES)
    optimizer = torch.optim.Adam(model.parameters(), 2e-4)
    apply = torch.compile(model, dynamic=False) if args.compiled else model
    is_bfloat16 = args.precision == "bfloat16"
    for _ in turns():
        started = time.perf_counter(), time.process_time()
        for _ in range(updates):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16) if is_bfloat16 else contextlib.nullcontext():
                loss = functional.cross_entropy(apply(x, steps).float(), y)
            loss.backward()
            optimizer.step()
        loss.item()
        report(
            secs=time.perf_counter() - started[0],
            cpu_secs=time.process_time() - started[1],
            valid_steps=int(lengths.sum()) * updates,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
        )


if __name__ == "__main__":
    main()
