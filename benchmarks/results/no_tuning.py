r"""What one command without tuning reaches on many sets: `python -m trainer --dataset --run_dir`.

    python -m benchmarks.results.no_tuning --data_dir=DATA --work_dir=RUNS [--sets=gun_point,...]
      [--seeds=0,1,2] [--cut] [--pad] [--alone] [--development] [flags of the trainer]

DATA has a folder of npz files (or of image folders) for each set, named as below; sets that are not
there are left out. Every set is converted and trained on by the same two commands; what a set has
of its own is how its files say which split they belong to. Finished trainings are kept, so a call
that was stopped goes on. Flags that are not the script's are passed to the trainer, for ablations.

`--cut` cuts every recording, training and test, to a random 30 to 100 percent of its length, and
`--pad` then fills all up with zeros to the longest: what the same model makes without masks.
`--alone` evaluates every test recording by itself, too, without padding, and says how far a
probability is from that of the evaluation's batches.
`--development` leaves the test recordings out and measures on a part of the training recordings:
for choices, which are never made on test figures.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
import statistics
import sys

import numpy as np

from benchmarks.harness.processes import run_module, temporary_folder
from benchmarks.results.cut_recordings import cut, pad

_UCR = r"(?P<test>^test_)"


@dataclasses.dataclass(frozen=True)
class Set:
    """One set of recordings.

    Attributes:
      folder: of the files, below the folder of all data.
      tests: regular expression of test recordings; several for folds.
      published: figure to measure against, and whose.
      metric: of the evaluation; of values rmse or mse of the first component.
      flags: of the conversion, beside name and splits.
      development: regular expression of validation recordings with `--development`; without it
        three tenths of the training recordings at random.
    """

    folder: str
    tests: tuple[str, ...] = (_UCR,)
    published: str = ""
    metric: str = "accuracy"
    flags: tuple[str, ...] = ("--source=signals",)
    development: str = ""


_WATCH = ("--source=signals", "--sample_rate_hz=50", "--window_secs=2")
SETS = {
    "japanese_vowels": Set("japanese_vowels", published=".993 FCN"),
    "spoken_digits": Set(
        "spoken_digits", (r"(?P<test>_[0-4]\.npz$)",), ".953 ResNet18",
        flags=("--source=signals", "--sample_rate_hz=8000"),
        development=r"(?P<validation>_(5|6|7|8|9)\.npz$)",
    ),
    "spoken_digits_speakers": Set(
        "spoken_digits",
        tuple(
            rf"(?P<test>_{speaker}_)"
            for speaker in ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
        ),
        flags=("--source=signals", "--sample_rate_hz=8000", "--group_regex=_([a-z]+)_"),
        development=r"(?P<validation>_(theo|george)_)",
    ),
    "watch": Set(
        "watch",
        tuple(
            f"(?P<test>subject_({first:02d}|{first + 1:02d}))" for first in (1, 3, 5, 7, 9)
        ),
        ".873 (five folds)",
        flags=(*_WATCH, r"--group_regex=subject_\d+"),
    ),
    "all_gesture_x": Set("all_gesture_x", published=".787 InceptionTime"),
    "gesture_mid_air_2": Set("gesture_mid_air_2", published=".715 InceptionTime"),
    "acsf1": Set("acsf1", published=".910 InceptionTime"),
    "arrow_head": Set("arrow_head", published=".863 InceptionTime"),
    "gun_point": Set("gun_point", published="1.000 InceptionTime"),
    "osu_leaf": Set("osu_leaf", published=".921 InceptionTime"),
    "basic_motions": Set("basic_motions", published="1.000"),
    "italy_power_demand": Set("italy_power_demand", published=".966 InceptionTime"),
    # Come with the packages aeon (PickupGestureWiimoteZ) and sktime (PLAID), as .ts.
    "pickup_gesture": Set("pickup_gesture"),
    "plaid": Set("plaid"),
    "digit_sessions": Set(
        "digit_sessions", (r"(?P<test>takes_00)",), flags=("--source=signals",),
        development=r"(?P<validation>takes_(05|10))",
    ),
    "donkey_drive": Set(
        "donkey_drive", (r"(?P<test>^(10[1-9]|11\d|12[0-5])$)",), ".060 frozen MobileNetV2",
        "mse", ("--source=image_folders", "--label_key=velocity"),
        r"(?P<validation>^(7[6-9]|8\d|9\d|100)$)",
    ),
}  # fmt: skip


def main() -> None:
    """Converts, trains and evaluates, and prints a row for each set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    parser.add_argument("--work_dir", type=pathlib.Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", default="0,1,2", help="of trainings: 0,1,2")
    parser.add_argument("--cut", action="store_true")
    parser.add_argument("--pad", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--development", action="store_true")
    parser.add_argument("--tag", default="", help="keeps runs with other trainer flags apart")
    args, trainer_flags = parser.parse_known_args()
    print(f"{'set':24}{'mean':>7}{'spread':>8}{'minutes':>9}  published")
    for name in args.sets.split(","):
        found = SETS[name]
        folder = args.data_dir / found.folder
        if not folder.is_dir():
            print(f"{name:24}no {folder}")
            continue
        if args.cut:
            folder = cut(folder, args.work_dir / "cut" / found.folder)
        if args.pad:
            folder = pad(folder, args.work_dir / "padded" / found.folder)
        scores, minutes, differences = [], [], [0.0]
        for fold, test in enumerate(found.tests[: 1 if args.development else None]):
            dataset = convert(name, found, folder, args, fold, test)
            for seed in args.seeds.split(","):
                run_dir = dataset.parent.parent / "runs" / f"{dataset.parent.name}{args.tag}-{seed}"
                flags = [f"--dataset={dataset}", f"--seed={seed}", *trainer_flags]
                split = "validation" if args.development else "test"
                scores.append(score(run_dir, split, found.metric, flags))
                minutes.append(training_minutes(run_dir))
                if args.alone:
                    differences.append(from_alone(run_dir, split))
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        mean = statistics.mean(scores)
        print(
            f"{name:24}{mean:7.3f}{spread:8.3f}{max(minutes):9.1f}  {found.published}"
            + (f"  alone {max(differences):.1e}" if args.alone else ""),
            flush=True,
        )


def convert(
    name: str, found: Set, folder: pathlib.Path, args: argparse.Namespace, fold: int, test: str
) -> pathlib.Path:
    """Converts a set for one fold, unless that was done; returns the dataset's folder."""
    kind = ("cut" if args.cut else "whole") + ("-padded" if args.pad else "")
    kind += "-development" if args.development else ""
    dataset = args.work_dir / kind / f"{name}_{fold}" / "1.0.0"
    if (dataset / "manifest.json").exists():
        return dataset
    splits, regex = "train=1", test
    if args.development and found.development:
        regex = f"{test}|{found.development}"
    elif args.development:
        splits = "train=0.7,validation=0.3"
    run_module(
        "pipeline", *found.flags, f"--input_dir={folder}", f"--output_dir={args.work_dir / kind}",
        f"--name={dataset.parent.name}", f"--split_regex={regex}", f"--splits={splits}",
    )  # fmt: skip
    return dataset


def development_dataset(name: str, data_dir: str, work_dir: str) -> pathlib.Path:
    """That of `--development` for a set, converted unless it was."""
    found, work = SETS[name], pathlib.Path(work_dir)
    asked = argparse.Namespace(work_dir=work, cut=False, pad=False, development=True)
    folder = pathlib.Path(data_dir) / found.folder
    return convert(name, found, folder, asked, 0, found.tests[0])


def score(run_dir: pathlib.Path, split: str, metric: str, flags: list[str]) -> float:
    """Trains and evaluates, unless that was done; returns the figure of a split."""
    result = run_dir / f"evaluation-{split}.json"
    if not result.exists():
        run_module("trainer", f"--run_dir={run_dir}", "--notensorboard", *flags)
    found = json.loads(result.read_text())
    if "per_component" in found:
        rmse = float(found["per_component"][0]["rmse"])
        return rmse**2 if metric == "mse" else rmse
    return float(found["metrics"][metric])


def training_minutes(run_dir: pathlib.Path) -> float:
    """Minutes of training, with validation."""
    lines = map(json.loads, (run_dir / "metrics.jsonl").read_text().splitlines())
    return sum(line["seconds"] + line["validation_seconds"] for line in lines) / 60


def from_alone(run_dir: pathlib.Path, split: str) -> float:
    """Greatest difference between probabilities of a split in batches and those one by one."""
    with temporary_folder() as folder:
        alone = shutil.copytree(run_dir, folder / run_dir.name)
        run_module(
            "trainer", "--mode=evaluate", f"--run_dir={alone}", f"--test_split={split}",
            "--batch_size=1", "--noreport",
        )  # fmt: skip
        found, _ = answers(alone, split)
    return float(np.abs(found - answers(run_dir, split)[0]).max())


def answers(run_dir: pathlib.Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `[labels, classes]` that an evaluation found, and the labels."""
    with np.load(run_dir / f"predictions-{split}.npz") as arrays:
        return arrays["prediction"], arrays["label"]


if __name__ == "__main__":
    sys.exit(main())
