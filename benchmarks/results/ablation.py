"""Which decision brings how much: one changed at a time, on validation parts of many sets.

    python -m benchmarks.results.ablation --data_dir=DATA --work_dir=RUNS [--sets=...] [--seeds=0]
      [--max_minutes=2] [--variants=...] [--plot=docs/ablation.png]

Each variant is the one command with a flag or two, within the same minutes. Test recordings are
left out, as with `no_tuning --development`. The last rows guard against decisions that fit these
sets only: for each set, the variant that is best on the mean of all others, and what it reaches.
Finished trainings are kept, so a call that was stopped goes on.
"""

import pathlib
import statistics
import types

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.tables import print_table
from benchmarks.results.no_tuning import SETS, development_dataset, score

VARIANTS = {
    "as decided": (),
    "one network": ("--ensemble=1",),
    "no random convolutions": ("--norandom_convolutions",),
    "random convolutions alone": ("--model=hydra",),
    "random convolutions as one of four": ("--random_share=0.25",),
    "no multirocket": ("--rocket_biases=0",),
    "random convolutions alone, no multirocket": ("--model=hydra", "--rocket_biases=0"),
    "lite": ("--model=lite",),
    "resnet": ("--model=resnet",),
    "fcn": ("--model=fcn",),
    "tcn": ("--model=tcn",),
    "batches of like length": ("--batching=length",),
    "normalized by record": ("--normalization=record",),
    "by training split": ("--normalization=training_split",),
    "average of weights": ("--ema_momentum=0.99",),
    "constant rate": ("--lr_schedule=constant",),
    "three times the rate": ("--learning_rate=3e-3",),
    "hardly any weight decay": ("--weight_decay=1e-4",),
    "batches of four": ("--batch_size=4",),
    "no dropout or smoothing": ("--head_dropout=0", "--label_smoothing=0"),
    "augmented": ("--noise=0.05", "--time_stretch=0.1", "--crop=0.1"),
}
SMALL = "japanese_vowels,all_gesture_x,gesture_mid_air_2,acsf1,arrow_head,osu_leaf,basic_motions"


def main() -> None:
    """Trains what is not there yet, prints a table and draws a plot."""
    args = parse_flags(
        __doc__, data_dir=str, work_dir=str, sets=SMALL, seeds="0", max_minutes=2.0, plot="",
        variants=",".join(VARIANTS),
    )  # fmt: skip
    sets = args.sets.split(",")
    variants = [*dict.fromkeys(("as decided", *args.variants.split(",")))]
    found = np.array([[_figure(name, variant, args) for name in sets] for variant in variants])
    rows = [
        [variant, *(f"{value:.3f}" for value in of_variant), f"{of_variant.mean():.3f}"]
        for variant, of_variant in zip(variants, found, strict=True)
    ]
    print_table(("variant", *sets, "mean"), rows)
    print("\nchosen on the other sets")
    chosen = [int(np.delete(found, number, 1).mean(1).argmax()) for number in range(len(sets))]
    left_out = found[chosen, np.arange(len(sets))]
    print_table(
        ("set", "best on the others", "figure", "as decided"),
        [
            (name, variants[best], f"{value:.3f}", f"{decided:.3f}")
            for name, best, value, decided in zip(sets, chosen, left_out, found[0], strict=True)
        ],
    )
    print(f"mean {left_out.mean():.3f}, as decided {found[0].mean():.3f}")
    if args.plot:
        draw(variants, found, sets, args.plot)


def _figure(name: str, variant: str, args: types.SimpleNamespace) -> float:
    """The mean over seeds on the validation part of a set."""
    dataset = development_dataset(name, args.data_dir, args.work_dir)
    scores = []
    for seed in args.seeds.split(","):
        run = f"{name}-{variant.replace(' ', '_')}-{seed}"
        run_dir = pathlib.Path(args.work_dir) / "ablation" / run
        flags = [f"--dataset={dataset}", f"--seed={seed}", f"--max_minutes={args.max_minutes}"]
        flags += VARIANTS[variant]
        scores.append(score(run_dir, "validation", SETS[name].metric, flags))
    print(f"{name}, {variant}: {statistics.mean(scores):.3f}", flush=True)
    return statistics.mean(scores)


def draw(variants: list[str], found: np.ndarray, sets: list[str], path: str) -> None:
    """A line for each variant: how far each set is from what is decided, and the mean."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(9, 0.45 * len(variants) + 1.5), layout="constrained")
    places = np.arange(len(variants))[::-1]
    changes = found - found[0]
    for number, name in enumerate(sets):
        axis.plot(changes[:, number], places, "o", alpha=0.6, label=name)
    axis.plot(changes.mean(1), places, "k|", markersize=18, markeredgewidth=2, label="mean")
    axis.axvline(0, color="0.7", zorder=0)
    axis.set_yticks(places, variants)
    axis.set_xlabel("change of the accuracy on validation parts")
    axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
