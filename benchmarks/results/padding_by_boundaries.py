"""Prints how much of a padded epoch is padding, by the way the bucket boundaries are chosen.

python -m benchmarks.results.padding_by_boundaries --dataset=DATASET_DIR --split=train
python -m benchmarks.results.padding_by_boundaries --npz_dir=FOLDER --key=signal --window_samples=80
python -m benchmarks.results.padding_by_boundaries          # synthetic lognormal lengths
"""

import argparse
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from pipeline.batches.boundaries import optimal_boundaries, padding_share
from tfrecords_schema import open_dataset
from tfrecords_schema.names import join


def uniform_width(lengths: np.ndarray, num_buckets: int, *, align: int) -> np.ndarray:
    """Boundaries at equal distances up to the longest length."""
    return _aligned(np.ceil(np.linspace(0, lengths.max(), num_buckets + 1)[1:]), align)


def equal_count(lengths: np.ndarray, num_buckets: int, *, align: int) -> np.ndarray:
    """Boundaries that give buckets equally many records."""
    return _equal_parts(np.sort(lengths), np.ones_like(lengths), num_buckets, align)


def equal_total(lengths: np.ndarray, num_buckets: int, *, align: int) -> np.ndarray:
    """Boundaries that give buckets equally many steps, as lhotse does."""
    lengths = np.sort(lengths)
    return _equal_parts(lengths, lengths, num_buckets, align)


def _equal_parts(
    lengths: np.ndarray, weights: np.ndarray, num_buckets: int, align: int
) -> np.ndarray:
    running = np.cumsum(weights, dtype=np.int64)
    # In integers, so that the last cut is the last record and not one before it.
    goals = -(-running[-1] * np.arange(1, num_buckets + 1) // num_buckets)
    return _aligned(lengths[np.searchsorted(running, goals)], align)


def _aligned(boundaries: np.ndarray, align: int) -> np.ndarray:
    return np.unique(-(-boundaries.astype(np.int64) // align) * align)


CHOICES = {
    "uniform width": uniform_width,
    "equal count": equal_count,
    "equal total length": equal_total,
    "optimal": optimal_boundaries,
}


def main() -> None:
    """Prints the table."""
    args = _parse_args()
    lengths = _lengths(args)
    share = padding_share(lengths, np.array([lengths.max()]))
    print(f"{len(lengths)} records, {lengths.min()} to {lengths.max()} steps, "
          f"mean {lengths.mean():.0f}; {share:.1%} padding in one bucket")  # fmt: skip
    print(_row("boundaries", [f"K = {buckets}" for buckets in args.buckets]))
    for name, choose in CHOICES.items():
        shares = [
            padding_share(lengths, choose(lengths, buckets, align=args.align))
            for buckets in args.buckets
        ]
        print(_row(name, [f"{share:.1%}" for share in shares]))


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", help="dataset folder; its index has the lengths")
    parser.add_argument("--split", default="train", help="split of the dataset")
    parser.add_argument("--npz_dir", help="folder with npz files, in place of a dataset")
    parser.add_argument("--key", default="signal", help="array inside the npz files")
    parser.add_argument("--window_samples", type=int, default=1, help="samples of one step")
    parser.add_argument("--buckets", type=int, nargs="+", default=[8, 16, 30])
    parser.add_argument("--align", type=int, default=1, help="boundaries are multiples of this")
    return parser.parse_args()


def _lengths(args: argparse.Namespace) -> np.ndarray:
    if args.dataset:
        return open_dataset(args.dataset).split(args.split).steps
    if args.npz_dir:
        paths = tf.io.gfile.glob(join(args.npz_dir, "*.npz"))
        samples = np.array([_samples(path, args.key) for path in paths])
        return np.maximum(samples // args.window_samples, 1)
    lengths = np.random.default_rng(0).lognormal(np.log(100), 0.9, 20_000)
    return np.clip(lengths.astype(int), 1, 1024)


def _samples(path: str, key: str) -> int:
    with tf.io.gfile.GFile(path, "rb") as file, np.load(file) as arrays:
        return len(arrays[key])


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:20}" + "".join(f"{cell:>8}" for cell in cells)


if __name__ == "__main__":
    main()
