"""Predicts a folder of npz recordings, as one writes it with PyTorch.

python -m benchmarks.peers.pytorch.predict_folder --model=fcn --input_dir=F --output=new.csv
  [--compiled]

Records are read, ordered by length, padded in batches of 32, each normalized by itself; the network
is compiled for any length. Its weights are random.
"""

import csv
import pathlib

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from benchmarks.harness.batches import CLASSES
from benchmarks.harness.flags import parse_flags
from benchmarks.peers.pytorch.networks import network

_BATCH = 32


def main() -> None:
    """Writes a row of probabilities for each recording."""
    args = parse_flags(__doc__, model=str, input_dir=str, output=str, compiled=False)
    paths = sorted(pathlib.Path(args.input_dir).glob("*.npz"))
    signals = [_read(path) for path in paths]
    model = network(args.model, signals[0].shape[-1], CLASSES).eval()
    apply = torch.compile(model, dynamic=True) if args.compiled else model
    order = sorted(range(len(paths)), key=lambda number: len(signals[number]))
    rows: dict[int, list[float]] = {}
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            numbers = order[start : start + _BATCH]
            batch = [signals[number] for number in numbers]
            lengths = torch.tensor([len(signal) for signal in batch])
            logits = apply(pad_sequence(batch, batch_first=True), lengths)
            rows.update(zip(numbers, logits.softmax(-1).tolist(), strict=True))
    with open(args.output, "w", newline="") as file:
        writer = csv.writer(file)
        for number, path in enumerate(paths):
            writer.writerow([path.stem, len(signals[number]), *rows[number]])


def _read(path: pathlib.Path) -> torch.Tensor:
    with np.load(path) as arrays:
        signal = arrays["signal"]
    return torch.from_numpy((signal - signal.mean()) / signal.std())


if __name__ == "__main__":
    main()
