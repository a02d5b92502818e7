"""Worker process in an environment with PyTorch: trains a network, or predicts, when asked to.

python -m benchmarks.peers.pytorch.worker --model=fcn [--compiled] [--precision=bfloat16]
  [--half_padding] [--work=predict|latency] [--folder=SET --records=0,1,2]

A turn is some updates by Adam on one batch: of random numbers, as ours, or of npz files. bfloat16
is autocast. A compiled network is compiled for the shape of its batch; users' have many.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.harness.batches import CLASSES, repeats, work_batch
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.recordings import record_id
from benchmarks.harness.worker import work
from benchmarks.peers.pytorch.networks import network
from benchmarks.peers.signal_worker import load_padded


def main() -> None:
    """Works, reporting the seconds of every turn."""
    args = parse_flags(
        __doc__, model=str, compiled=False, precision="float32", half_padding=False, work="train",
        folder="", records="",
    )  # fmt: skip
    if args.folder:
        ids = [record_id(int(number)) for number in args.records.split(",")]
        signal, labels, lengths = load_padded(args.folder, ids)
        labels = labels[..., 0][np.arange(signal.shape[1]) < lengths[:, np.newaxis]]
        times = 1
    else:
        signal, labels, lengths = work_batch(args.model, args.half_padding, args.work)
        times = repeats(args.work)
    model = network(args.model, signal.shape[-1], CLASSES)
    once = (_update if args.work == "train" else _answer)(model, args, signal, labels, lengths)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    work(once, times, valid_steps=int(lengths.sum()), parameters=parameters)


def _update(model: nn.Module, args: Any, *batch: np.ndarray) -> Callable[[], None]:
    x, y, lengths = map(torch.from_numpy, batch)
    optimizer = torch.optim.Adam(model.parameters(), 2e-4)
    apply = torch.compile(model, dynamic=False) if args.compiled else model

    def once() -> None:
        optimizer.zero_grad()
        with _precision(args):
            loss = functional.cross_entropy(apply(x, lengths).float(), y)
        loss.backward()
        optimizer.step()
        loss.item()

    return once


def _answer(model: nn.Module, args: Any, *batch: np.ndarray) -> Callable[[], None]:
    x, _, lengths = map(torch.from_numpy, batch)
    model.eval()
    apply = torch.compile(model, dynamic=False) if args.compiled else model

    def once() -> None:
        with torch.inference_mode(), _precision(args):
            apply(x, lengths).float().numpy()

    return once


def _precision(args: Any) -> contextlib.AbstractContextManager[None]:
    is_half = args.precision == "bfloat16"
    return torch.autocast("cpu", torch.bfloat16) if is_half else contextlib.nullcontext()


if __name__ == "__main__":
    main()
