"""Options of a training run: what to do, with which data, and how to train."""

import dataclasses
from typing import Literal

from pipeline.console.errors import UsageError
from pipeline.console.options import Effect, Options, option
from trainer.metrics.table import monitored

MODES = ("train", "evaluate", "predict", "export")
# These need no dataset: the run folder holds what they have to know of it.
AFTER_TRAINING = ("predict", "export")
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker")
PRECISIONS = ("float32", "bfloat16")
_LARGEST_SEED = 2**32 - 1
_MOST_STEPS = 2**31 - 1  # As the plan has them.


def paper_option(page: str) -> str:
    """A field that says whether a page is written as files as well.

    Args:
      page: its name, without `.html`.
    """
    found: str = option(
        "none",
        "Also writes the pictures of the page in these formats, and its tables as CSV and LaTeX, "
        f"into a folder of their own, {page}_paper.",
        ("none", "svg", "pdf", "svg,pdf"),
        common=True,
        effect=Effect.NONE,
    )
    return found


@dataclasses.dataclass(frozen=True)
class RunOptions(Options):
    """What to run and where."""

    mode: str = option("train", "What to do.", MODES, common=True, effect=Effect.NONE)
    dataset: str = option(
        "", "Dataset folder, <output_dir>/<name>/<version>.", common=True, effect=Effect.NONE
    )
    run_dir: str = option(
        "",
        "Folder for checkpoints, metrics and the report of this run.",
        common=True,
        effect=Effect.PLACE,
    )
    strategy: str = option(
        "auto",
        "auto: the workers that TF_CONFIG names, or else all GPUs of this machine, or else one "
        "device. multi_worker: the workers of TF_CONFIG or of a SLURM step.",
        STRATEGIES,
        common=True,
        effect=Effect.NONE,
    )
    cpu_replicas: int = option(
        0,
        "Replicas on this machine's CPU, to try out mirrored training.",
        low=0,
        effect=Effect.NONE,
    )
    precision: str = option(
        "float32",
        "Dtype of the computation; variables stay float32. bfloat16 is faster only where the "
        "processor has instructions for it.",
        PRECISIONS,
        common=True,
    )
    jit_compile: bool = option(False, "Compile the step with XLA.")
    seed: int = option(
        0,
        "Seed of weights, dropout and the order of records.",
        low=0,
        high=_LARGEST_SEED,
        common=True,
        effect=Effect.PLAN,
    )
    allow_changed: tuple[str, ...] = option(
        (),
        "Options that may differ from those of the checkpoint that a run goes on from; not what "
        "decides on its variables: the model, the optimizer, whether there is a schedule.",
        effect=Effect.NONE,
    )
    worker_timeout_secs: int = option(
        300,
        "On several workers: give up when a step takes longer, one of them hangs then.",
        low=1,
        effect=Effect.NONE,
    )
    deterministic: bool = option(False, "Only deterministic kernels: same seed, same weights.")
    dry_run: bool = option(
        False,
        "Show options, data, model, the plan of an epoch and memory; train and write nothing.",
        common=True,
        effect=Effect.NONE,
    )
    durable: bool = option(
        True,
        "Flush what is written to the disk before anything says that it is there, for power cuts.",
        effect=Effect.NONE,
    )
    report: bool = option(
        True, "Write report.html after training or evaluation.", effect=Effect.NONE
    )
    paper: str = paper_option("report")
    tensorboard: bool = option(
        True, "Write TensorBoard events below the run folder.", effect=Effect.NONE
    )
    histograms: bool = option(
        False,
        "Also a histogram of every trained variable after each epoch, for TensorBoard.",
        effect=Effect.NONE,
    )

    def check(self) -> None:
        """See `Options`."""
        needed = ("dataset", "run_dir") if self.mode == "train" else ("run_dir",)
        for name in needed:
            if not getattr(self, name):
                raise UsageError(f"--{name} is required; see python -m trainer --help")
        if self.dry_run and self.mode != "train":
            raise UsageError(f"--dry_run is for --mode=train, got --mode={self.mode}; leave it out")


@dataclasses.dataclass(frozen=True)
class PredictOptions(Options):
    """What `--mode=predict` predicts, and where the predictions go."""

    predict_split: str = option(
        "",
        "Split of --dataset to predict; default --test_split, unless --input_dir is given.",
        effect=Effect.NONE,
    )
    input_dir: str = option(
        "",
        "Folder of recordings to predict that were never converted; labels are not needed.",
        common=True,
        effect=Effect.NONE,
    )
    output: str = option(
        "",
        "File of predictions, .parquet or .csv; default <run_dir>/predictions.parquet.",
        common=True,
        effect=Effect.PLACE,
    )
    draw: int = option(
        0,
        "Recordings to draw, with what is predicted of them over time, on a page beside --output; "
        "0 for no page.",
        low=0,
        common=True,
        effect=Effect.NONE,
    )
    values_table: str = option(
        "",
        "With --input_dir: table with the --input_values of these recordings, where the conversion "
        "had one.",
        effect=Effect.NONE,
    )
    label_steps: int = option(
        0,
        "With --input_dir and --model=sequence: steps to predict for each recording.",
        low=0,
        effect=Effect.NONE,
    )

    def check(self) -> None:
        """See `Options`."""
        if self.predict_split and self.input_dir:
            raise UsageError("give --predict_split or --input_dir, not both")
        if self.output and not self.output.endswith((".parquet", ".csv")):
            raise UsageError(f"--output={self.output}: expected a name in .parquet or .csv")

    def require_mode(self, mode: str) -> None:
        """Refuses what any other mode than `predict` would pass over without a word.

        Raises:
          UsageError: if an option is given.
        """
        given = [f"--{name}" for name, value in dataclasses.asdict(self).items() if value]
        if given and mode != "predict":
            raise UsageError(
                f"{given[0]} is for --mode=predict, got --mode={mode}; leave one of them out"
            )


AUTO_STEPS: Literal["auto"] = "auto"


def _batch_steps(text: str) -> int | Literal["auto"]:
    if text == AUTO_STEPS:
        return AUTO_STEPS
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"expected {AUTO_STEPS}, or a whole number") from None


@dataclasses.dataclass(frozen=True)
class DataOptions(Options):
    """Which records, and how they are put into batches."""

    train_split: str = option("train", "Split to train on.", effect=Effect.PLAN)
    validation_split: str | None = option(
        "validation",
        "Split to validate on after each epoch; none where the dataset lacks it, or with an empty "
        "name.",
        effect=Effect.MEASURING,
    )
    test_split: str = option("test", "Split that --mode=evaluate measures.", effect=Effect.NONE)
    batch_size: int = option(
        32, "Records in a global batch, over all replicas.", low=1, common=True, effect=Effect.PLAN
    )
    batch_steps: int | Literal["auto"] | None = option(
        None,
        "Padded time steps in a global batch; if given, --batch_size is not used. auto: so many "
        "that a valid step takes the least time, of a few batches that are timed first, and that "
        "memory suffices.",
        common=True,
        effect=Effect.PLAN,
        parse=_batch_steps,
    )
    batching: str = option(
        "length",
        "Which records share a batch: those of like length, or any (random), where the cost of a "
        "model does not follow padding.",
        ("length", "random"),
        common=True,
        effect=Effect.PLAN,
    )
    num_buckets: int = option(
        8,
        "Number of length buckets; their boundaries pad least.",
        low=1,
        common=True,
        effect=Effect.PLAN,
    )
    boundaries: tuple[int, ...] = option(
        (), "Bucket boundaries in steps, instead of the optimal.", low=1, effect=Effect.PLAN
    )
    boundary_align: int = option(
        1, "Round boundaries up to multiples of this many steps.", low=1, effect=Effect.PLAN
    )
    class_weights: tuple[str, ...] = option(
        ("none",),
        "none, balanced (inverse frequency), or one weight per class. Where a label is any number "
        "of classes, of each where it is there; balanced weighs that as much as where it is not.",
        common=True,
    )
    label_weights: tuple[float, ...] = option(
        (),
        "Of several labels (--label_key=stage,age): how much the loss of each counts, in their "
        "order; without it 1 each. An error of values is one in their deviation.",
        low=0,
    )

    @property
    def most_steps(self) -> int | None:
        """`batch_steps`, where it is a number, or one was chosen."""
        return None if self.batch_steps == AUTO_STEPS else self.batch_steps

    def check(self) -> None:
        """See `Options`."""
        if self.most_steps is not None and not 1 <= self.most_steps <= _MOST_STEPS:
            raise UsageError(
                f"--batch_steps={self.most_steps}: expected {AUTO_STEPS}, or 1 to {_MOST_STEPS}"
            )


@dataclasses.dataclass(frozen=True)
class TrainingOptions(Options):
    """How to train."""

    epochs: int = option(8, "Passes over the training split.", low=1, common=True)
    max_minutes: float = option(
        0.0,
        "Minutes of training after which it ends, its schedule run through; 0: as long as --epochs "
        "take.",
        low=0,
        common=True,
    )
    optimizer: str = option("adam", "Optimizer.", ("adam", "sgd"))
    accumulate_batches: int = option(1, "Global batches whose gradients make one update.", low=1)
    learning_rate: float = option(2e-4, "Learning rate, at its highest.", common=True)
    lr_schedule: str = option("constant", "Learning rate over time.", ("constant", "cosine"))
    warmup_epochs: float = option(0.0, "Epochs of linear warm-up before the schedule.", low=0)
    weight_decay: float = option(0.0, "Decoupled weight decay (AdamW), on kernels only.", low=0)
    momentum: float = option(0.9, "Momentum of sgd.", low=0, high=1)
    clip_norm: float = option(0.0, "Clip gradients to this global norm; 0 does not clip.", low=0)
    ema_momentum: float = option(
        0.0,
        "Momentum of a moving average of the weights over updates, such as 0.99; the average is "
        "validated, kept as best, and what the training ends with. 0: none.",
        low=0,
        high=0.99999,
    )
    class_activation: str = option(
        "softmax",
        "From logits to probabilities: softmax, or sigmoid, whose probabilities do not add up to "
        "1; the loss divides them by their sum.",
        ("softmax", "sigmoid"),
    )
    label: str = option(
        "",
        "One of several labels (--label_key=stage,age), to be learned alone; without it all are.",
        common=True,
    )
    ordinal: bool = option(
        False,
        "Classes have an order, that of --class_names at the conversion: the loss counts how far "
        "off a class is, and rank_mae and quadratic_kappa are measured.",
    )
    label_smoothing: float = option(
        0.0, "Share of the label spread over all classes.", low=0, high=1
    )
    monitor: str = option(
        "loss",
        "Metric that decides the best checkpoint, early stopping and the rate's reduction: of the "
        "validation split, or of the training where there is none. Of classes one of "
        f"{', '.join(monitored('class'))}; of any number of classes one of "
        f"{', '.join(monitored('classes'))}; of values one of {', '.join(monitored('value'))}. "
        "What no batch can tell, such as macro_f1, is measured on a prediction of the validation "
        "split.",
        common=True,
        effect=Effect.MEASURING,
    )
    early_stopping_patience: int = option(
        0, "Epochs without improvement before stopping; 0: never.", low=0, common=True
    )
    reduce_lr_patience: int = option(
        0, "Epochs without improvement before a tenth of the rate; 0: never.", low=0
    )
    evaluate_with: str = option(
        "best",
        "Weights to evaluate, to predict with and to export: best by --monitor, or last.",
        ("best", "last"),
        effect=Effect.FIGURES,
    )
    validate_every_epochs: int = option(
        1,
        "Validate after every so many epochs, and after the last.",
        low=1,
        effect=Effect.MEASURING,
    )
    checkpoint_every_steps: int = option(
        0, "Also checkpoint within an epoch; 0: after epochs only.", low=0, effect=Effect.NONE
    )
    checkpoint_every_epochs: int = option(
        1,
        "Checkpoint after every so many epochs, and after the last; the best ones included.",
        low=1,
        effect=Effect.NONE,
    )
    keep_checkpoints: int = option(2, "Newest checkpoints to keep.", low=1, effect=Effect.NONE)

    @property
    def chooses(self) -> dict[str, object]:
        """Options by which figures of the validation split decide on weights, rate or end."""
        patience = {
            name: getattr(self, name) for name in ("early_stopping_patience", "reduce_lr_patience")
        }
        best = {"evaluate_with": "best"} if self.evaluate_with == "best" else {}
        return {**best, **{name: value for name, value in patience.items() if value}}

    def check(self) -> None:
        """See `Options`."""
        if not self.learning_rate > 0:
            raise UsageError(f"--learning_rate={self.learning_rate:g}: expected a number above 0")
        if self.reduce_lr_patience and (self.lr_schedule != "constant" or self.warmup_epochs):
            raise UsageError(
                f"--reduce_lr_patience={self.reduce_lr_patience} changes a constant rate only, got "
                f"--lr_schedule={self.lr_schedule} and --warmup_epochs={self.warmup_epochs:g}; "
                "leave it out, or both of them"
            )
