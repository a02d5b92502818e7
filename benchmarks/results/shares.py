"""What random convolutions count for beside the networks: each share, on validation parts.

    python -m benchmarks.results.shares --data_dir=DATA --work_dir=RUNS [--sets=...] [--seed=0]

Networks and the ridge are trained apart, by the one command, and their probabilities pooled
afterwards, as means of them or of their logits. Test recordings are left out, as with
`no_tuning --development`. The last lines are a guard: for each set the share that is best on the
mean of all others, and what it reaches. Finished trainings are kept.
"""

import pathlib
import sys
import types

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.tables import print_table
from benchmarks.results.ablation import SMALL
from benchmarks.results.no_tuning import SETS, answers, development_dataset, score

SHARES = (0, 0.1, 0.25, 0.33, 0.4, 0.5, 0.6, 0.75, 1)
KINDS = {"networks": ("--norandom_convolutions",), "ridge": ("--model=hydra",)}


def main() -> None:
    """Trains what is not there yet, and prints a table."""
    args = parse_flags(__doc__, data_dir=str, work_dir=str, sets=SMALL, seed=0)
    sets = args.sets.split(",")
    of_sets = [_answers(name, args) for name in sets]
    pools = [(mean, share) for mean in ("probabilities", "logits") for share in SHARES]
    found = np.array([[_figures(*of_set, *pool) for of_set in of_sets] for pool in pools])
    rows = [
        [f"{mean} {share}", *(f"{x:.3f} {loss:.3f}" for x, loss in [*of_pool, of_pool.mean(0)])]
        for (mean, share), of_pool in zip(pools, found, strict=True)
    ]
    print_table(("mean of, share", *sets, "mean"), rows)
    for by, sign in ((0, 1), (1, -1)):
        others = [np.delete(sign * found[..., by], n, 1).mean(1) for n in range(len(sets))]
        left_out = found[[int(each.argmax()) for each in others], np.arange(len(sets))]
        accuracy, loss = left_out.mean(0)
        print(f"chosen by {('accuracy', 'loss')[by]} on the others: {accuracy:.3f} {loss:.3f}")


def _answers(name: str, args: types.SimpleNamespace) -> list[np.ndarray]:
    """Probabilities `[labels, classes]` of networks and of the ridge; labels."""
    dataset = development_dataset(name, args.data_dir, args.work_dir)
    found = []
    for kind, flags in KINDS.items():
        run_dir = pathlib.Path(args.work_dir) / "shares" / f"{name}-{kind}-{args.seed}"
        shared = [f"--dataset={dataset}", f"--seed={args.seed}", "--noreport"]
        reached = score(run_dir, "validation", SETS[name].metric, [*shared, *flags])
        print(f"{name}, {kind}: {reached:.3f}", flush=True)
        probabilities, labels = answers(run_dir, "validation")
        found.append(probabilities.astype(np.float64))
    return [*found, labels.astype(int)]


def _figures(
    networks: np.ndarray, ridge: np.ndarray, labels: np.ndarray, mean: str, share: float
) -> tuple[float, float]:
    """Accuracy and mean loss of a pool."""
    if mean == "probabilities":
        pooled = (1 - share) * networks + share * ridge
    else:
        logits = [np.log(np.maximum(answers, 1e-9)) for answers in (networks, ridge)]
        pooled = np.exp((1 - share) * logits[0] + share * logits[1])
        pooled /= pooled.sum(1, keepdims=True)
    of_label = pooled[np.arange(len(labels)), labels]
    return float(np.mean(pooled.argmax(1) == labels)), float(-np.log(of_label + 1e-9).mean())


if __name__ == "__main__":
    sys.exit(main())
