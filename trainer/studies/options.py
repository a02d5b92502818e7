"""What is asked of many runs on one dataset."""

import dataclasses

from pipeline.console.errors import UsageError
from pipeline.console.options import REQUIRED, Effect, Options, option

EACH_GROUP = "groups"


def _folds(text: str) -> str:
    if text == EACH_GROUP or (text.isdecimal() and int(text) > 1):
        return text
    raise ValueError(f"got {text!r}, expected a whole number of at least 2, or {EACH_GROUP}")


@dataclasses.dataclass(frozen=True)
class FoldOptions(Options):
    """Folds of whole groups, and seeds."""

    folds: str = option(
        "5",
        f"How many, of like size and class shares; {EACH_GROUP}: each group is left out in turn.",
        common=True,
        parse=_folds,
    )
    repeats: int = option(1, "Divisions into folds, each another one.", low=1, common=True)
    seeds: tuple[int, ...] = option(
        (), "Trains on each fold once with each; default --seed.", low=0, common=True
    )
    fold_splits: tuple[str, ...] = option(
        (),
        "Splits whose records are divided, whatever split they are in; default all but "
        "--test_split, which stays apart.",
        common=True,
    )
    fold_validation: str = option(
        "none",
        "What is validated on: nothing, or the next fold, which then is not trained on.",
        ("none", "next"),
        common=True,
    )
    fold_seed: int = option(0, "Another one divides in another way.", low=0)
    parallel: int = option(
        1, "Runs at once, each a process, on GPUs in turn.", low=1, common=True, effect=Effect.NONE
    )

    def check(self) -> None:
        """See `Options`."""
        if self.folds == EACH_GROUP and self.repeats > 1:
            raise UsageError(
                f"--repeats={self.repeats} of --folds={EACH_GROUP} are all the same; leave it out, "
                "or give --seeds"
            )
        if len({*self.seeds}) < len(self.seeds):
            raise UsageError("--seeds: each once, as in --seeds=0,1,2")


@dataclasses.dataclass(frozen=True)
class SearchOptions(Options):
    """What is searched, and how long."""

    space: str = option(
        REQUIRED,
        "Options with the values to try, as in 'learning_rate=log:1e-4..1e-2 head_dropout=0..0.6 "
        "model=inception_time,resnet', or a file with them.",
        common=True,
    )
    trials: int = option(
        20, "Trials in all; the first has none of these options.", low=1, common=True
    )
    folds: str = option(
        "3",
        f"What a trial is measured on: folds of whole groups, or {EACH_GROUP}, as those of "
        "python -m trainer.cross_validate, without the records of --test_split.",
        common=True,
        parse=_folds,
    )
    objective: str = option(
        "", "Metric of an evaluation; default the first that it shows.", common=True
    )
    search_minutes: float = option(
        60.0,
        "No training is begun after so many, those of earlier starts included; 0: until all trials "
        "are done. Without --max_minutes and --epochs it says how long a training takes, too.",
        low=0,
        common=True,
    )
    pruning: bool = option(
        True,
        "End a trial after a fold where its mean so far is worse than the median of others'.",
        common=True,
    )
    parallel: int = option(
        1,
        "Trials at once, each a process, on GPUs in turn. What is suggested then depends on which "
        "is done first.",
        low=1,
        common=True,
        effect=Effect.NONE,
    )

    @property
    def division(self) -> FoldOptions:
        """The folds."""
        return FoldOptions(folds=self.folds)
