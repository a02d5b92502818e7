"""Prints how much of a padded epoch is padding, by the way the bucket boundaries are chosen.

python -m benchmarks.results.padding_by_boundaries --npz_dir=FOLDER
python -m benchmarks.results.padding_by_boundaries          # synthetic lognormal lengths
"""

import pathlib

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.tables import print_table
from pipeline.batches.boundaries import optimal_boundaries, padding_share

BUCKETS = (8, 16, 30)


def uniform_width(lengths: np.ndarray, num_buckets: int) -> np.ndarray:
    """Boundaries at equal distances up to the longest length."""
    return np.ceil(np.linspace(0, lengths.max(), num_buckets + 1)[1:]).astype(np.int64)


def equal_count(lengths: np.ndarray, num_buckets: int) -> np.ndarray:
    """Boundaries that give buckets equally many records."""
    return _equal_parts(np.sort(lengths), np.ones_like(lengths), num_buckets)


def equal_total(lengths: np.ndarray, num_buckets: int) -> np.ndarray:
    """Boundaries that give buckets equally many steps, as lhotse does."""
    lengths = np.sort(lengths)
    return _equal_parts(lengths, lengths, num_buckets)


def _equal_parts(lengths: np.ndarray, weights: np.ndarray, num_buckets: int) -> np.ndarray:
    running = np.cumsum(weights, dtype=np.int64)
    # In integers, so that the last cut is the last record and not one before it.
    goals = -(-running[-1] * np.arange(1, num_buckets + 1) // num_buckets)
    return np.unique(lengths[np.searchsorted(running, goals)])


CHOICES = {
    "uniform width": uniform_width,
    "equal count": equal_count,
    "equal total length": equal_total,
    "optimal": optimal_boundaries,
}


def main() -> None:
    """Prints the table."""
    npz_dir = parse_flags(__doc__, npz_dir="").npz_dir
    lengths = np.array(_npz_lengths(npz_dir) if npz_dir else _synthetic_lengths())
    share = padding_share(lengths, np.array([lengths.max()]))
    print(f"{len(lengths)} records, {lengths.min()} to {lengths.max()} steps, "
          f"mean {lengths.mean():.0f}; {share:.1%} padding in one bucket")  # fmt: skip
    rows = []
    for name, choose in CHOICES.items():
        shares = [padding_share(lengths, choose(lengths, buckets)) for buckets in BUCKETS]
        rows.append([name, *(f"{share:.1%}" for share in shares)])
    print_table(["boundaries", *(f"K = {buckets}" for buckets in BUCKETS)], rows)


def _npz_lengths(folder: str) -> list[int]:
    lengths = []
    for path in sorted(pathlib.Path(folder).glob("*.npz")):
        with np.load(path) as arrays:
            lengths.append(len(arrays["signal"]))
    return lengths


def _synthetic_lengths() -> np.ndarray:
    lengths = np.random.default_rng(0).lognormal(np.log(100), 0.9, 20_000)
    return np.clip(lengths.astype(int), 1, 1024)


if __name__ == "__main__":
    main()
