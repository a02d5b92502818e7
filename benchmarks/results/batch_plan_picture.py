"""Draws docs/batch_plan.png: how records become global batches and are dealt to replicas.

python -m benchmarks.results.batch_plan_picture [--output=docs/batch_plan.png]
"""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.harness.flags import parse_flags
from pipeline.batches.boundaries import bucket_of
from pipeline.batches.plan import BatchOptions, EpochPlan, choose_boundaries, plan_epoch
from pipeline.batches.random_order import permutation
from pipeline.console.figures import MARK_COLOUR
from pipeline.inspect.figures import draw_batches

LENGTHS = np.array([6, 4, 13, 21, 5, 7, 12, 30, 6, 28, 11, 5, 14, 7, 22, 6, 12, 5, 29, 13, 7, 24])
OPTIONS = BatchOptions(batch_size=4, num_buckets=3)
REPLICAS = 2
_BUCKET_COLOURS = ("#59a14f", "#b07aa1", "#9c755f")
_PADDING_COLOUR = "#cbd5e1"


def main() -> None:
    """Writes the picture."""
    output = parse_flags(__doc__, output="docs/batch_plan.png").output
    picture().savefig(output, metadata={"Software": None})
    print(f"wrote {output}")


def example_plan() -> EpochPlan:
    """The plan that is drawn."""
    return plan_epoch(LENGTHS, OPTIONS, seed=0, epoch=0)


def picture() -> Figure:
    """The whole way of the records, from left to right and down."""
    boundaries = choose_boundaries(LENGTHS, OPTIONS)
    plan = example_plan()
    shuffled = LENGTHS[permutation(len(LENGTHS), 0, 0, 0)]  # Of seed and epoch, for records.
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(9, 6.4), layout="constrained", dpi=130)
        first, second, last = figure.subplot_mosaic([["a", "b"], ["c", "c"]]).values()
        _draw_rows(first, shuffled, boundaries, title="1. Shuffled; each length has its bucket")
        in_buckets = shuffled[np.argsort(bucket_of(shuffled, boundaries), kind="stable")]
        _draw_rows(second, in_buckets, boundaries, title="2. By bucket, padded to its boundary",
                   padded=True)  # fmt: skip
        draw_batches(last, plan, LENGTHS, REPLICAS, plan.num_steps)
        last.set_title(
            f"3. Global batches of {OPTIONS.batch_size}, shuffled, dealt to {REPLICAS} replicas "
            f"(blue, orange): {plan.padding_share:.0%} padding (grey)",
            loc="left", fontweight="bold",
        )  # fmt: skip
    return figure


def _draw_rows(
    axes: Axes, lengths: np.ndarray, boundaries: np.ndarray, *, title: str, padded: bool = False
) -> None:
    buckets = bucket_of(lengths, boundaries)
    rows = np.arange(len(lengths))
    if padded:
        axes.barh(rows, boundaries[buckets], height=0.9, color=_PADDING_COLOUR)
    colours: Sequence[str] = [_BUCKET_COLOURS[bucket] for bucket in buckets]
    axes.barh(rows, lengths, height=0.9, color=colours)
    for boundary in boundaries:
        axes.axvline(float(boundary), color=MARK_COLOUR, linewidth=1, linestyle="--")
    axes.set(xlabel="steps", ylabel="records", xlim=(0, boundaries[-1] + 1))
    axes.set_ylim(len(lengths) - 0.5, -0.5)
    axes.set_xticks([0, *boundaries.tolist()])
    axes.set_title(title, loc="left", fontweight="bold")


if __name__ == "__main__":
    main()
