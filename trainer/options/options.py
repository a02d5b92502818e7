"""Options of a training run: what to do, with which data, and how to train."""

import dataclasses

from pipeline.console.errors import UsageError
from trainer.options.flags import check_range, option

MODES = ("train", "evaluate", "predict", "export")
# These need no dataset: the run folder holds what they have to know of it.
AFTER_TRAINING = ("predict", "export")
# What says where something is written: never taken from a run folder, which may be another's.
PLACES = ("run_dir", "feature_cache_dir", "output")
MODELS = ("signal", "forecaster", "sequence", "frames")
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker")
PRECISIONS = ("float32", "bfloat16")
_LARGEST_SEED = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What to run and where."""

    mode: str = option("train", "What to do.", MODES)
    model: str = option("signal", "Which model; see trainer/models.", MODELS)
    dataset: str = option("", "Dataset folder, <output_dir>/<name>/<version>.")
    run_dir: str = option("", "Folder for checkpoints, metrics and the report of this run.")
    strategy: str = option(
        "auto",
        "auto: the workers that TF_CONFIG names, or else all GPUs of this machine, or else one "
        "device. multi_worker: the workers of TF_CONFIG or of a SLURM step.",
        STRATEGIES,
    )
    cpu_replicas: int = option(0, "Replicas on this machine's CPU, to try out mirrored training.")
    precision: str = option(
        "float32", "Dtype of the computation; variables stay float32.", PRECISIONS
    )
    jit_compile: bool = option(False, "Compile the step with XLA.")
    seed: int = option(0, "Seed of weights, dropout and the order of records.")
    allow_changed: tuple[str, ...] = option(
        (),
        "Options that may differ from those of the checkpoint that a run goes on from; not what "
        "decides on its variables: the model, the optimizer, whether there is a schedule.",
    )
    worker_timeout_secs: int = option(
        300, "On several workers: give up when a step takes longer, one of them hangs then."
    )
    deterministic: bool = option(False, "Only deterministic kernels: same seed, same weights.")
    dry_run: bool = option(
        False,
        "Show options, data, model, the plan of an epoch and memory; train and write nothing.",
    )
    report: bool = option(True, "Write report.html after training or evaluation.")
    tensorboard: bool = option(True, "Write TensorBoard events below the run folder.")
    histograms: bool = option(
        False, "Also a histogram of every trained variable after each epoch, for TensorBoard."
    )

    def __post_init__(self) -> None:
        needed = ("dataset", "run_dir") if self.mode == "train" else ("run_dir",)
        for name in needed:
            if not getattr(self, name):
                raise ValueError(f"--{name} is required; see python -m trainer --help")
        if self.dry_run and self.mode != "train":
            raise ValueError(f"--dry_run is for --mode=train, got --mode={self.mode}; leave it out")
        check_range(self, ("cpu_replicas",), 0)
        check_range(self, ("seed",), 0, _LARGEST_SEED)
        check_range(self, ("worker_timeout_secs",), 1)


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """What `--mode=predict` predicts, and where the predictions go."""

    predict_split: str = option(
        "", "Split of --dataset to predict; default --test_split, unless --input_dir is given."
    )
    input_dir: str = option(
        "", "Folder of recordings to predict that were never converted; labels are not needed."
    )
    output: str = option(
        "", "File of predictions, .parquet or .csv; default <run_dir>/predictions.parquet."
    )
    label_steps: int = option(
        0, "With --input_dir and --model=sequence: steps to predict for each recording."
    )

    def __post_init__(self) -> None:
        if self.predict_split and self.input_dir:
            raise ValueError("give --predict_split or --input_dir, not both")
        if self.label_steps < 0 or (self.label_steps and not self.input_dir):
            raise ValueError(
                f"--label_steps={self.label_steps}: expected a number above 0, with --input_dir"
            )
        if self.output and not self.output.endswith((".parquet", ".csv")):
            raise ValueError(f"--output={self.output}: expected a name in .parquet or .csv")

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


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Which records, and how they are put into batches."""

    train_split: str = option("train", "Split to train on.")
    validation_split: str | None = option(
        "validation",
        "Split to validate on after each epoch; none where the dataset lacks it, or with an empty "
        "name.",
    )
    test_split: str = option("test", "Split that --mode=evaluate measures.")
    batch_size: int = option(32, "Records in a global batch, over all replicas.")
    batch_steps: int | None = option(
        None, "Padded time steps in a global batch; if given, --batch_size is not used."
    )
    num_buckets: int = option(8, "Number of length buckets; their boundaries pad least.")
    boundaries: tuple[int, ...] = option((), "Bucket boundaries in steps, instead of the optimal.")
    boundary_align: int = option(1, "Round boundaries up to multiples of this many steps.")
    class_weights: tuple[str, ...] = option(
        ("none",), "none, balanced (inverse frequency), or one weight per class."
    )

    def __post_init__(self) -> None:
        names = ("batch_size", "batch_steps", "num_buckets", "boundaries", "boundary_align")
        check_range(self, names, 1)


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How to train."""

    epochs: int = option(8, "Passes over the training split.")
    optimizer: str = option("adam", "Optimizer.", ("adam", "sgd"))
    accumulate_batches: int = option(1, "Global batches whose gradients make one update.")
    learning_rate: float = option(2e-4, "Learning rate, at its highest.")
    lr_schedule: str = option("constant", "Learning rate over time.", ("constant", "cosine"))
    warmup_epochs: float = option(0.0, "Epochs of linear warm-up before the schedule.")
    weight_decay: float = option(0.0, "Decoupled weight decay (AdamW), on kernels only.")
    momentum: float = option(0.9, "Momentum of sgd.")
    clip_norm: float = option(0.0, "Clip gradients to this global norm; 0 does not clip.")
    class_activation: str = option(
        "softmax",
        "From logits to probabilities; sigmoid scores each class on its own.",
        ("softmax", "sigmoid"),
    )
    label_smoothing: float = option(0.0, "Share of the label spread over all classes.")
    monitor: str = option(
        "loss",
        "Metric that decides the best checkpoint, early stopping and the rate's reduction: of the "
        "validation split, or of the training where there is none.",
    )
    early_stopping_patience: int = option(
        0, "Epochs without improvement before stopping; 0: never."
    )
    reduce_lr_patience: int = option(
        0, "Epochs without improvement before a tenth of the rate; 0: never."
    )
    evaluate_with: str = option(
        "best",
        "Weights to evaluate, to predict with and to export: best by --monitor, or last.",
        ("best", "last"),
    )
    checkpoint_every_steps: int = option(
        0, "Also checkpoint within an epoch; 0: after epochs only."
    )
    checkpoint_every_epochs: int = option(
        1, "Checkpoint after every so many epochs, and after the last; the best ones included."
    )
    keep_checkpoints: int = option(2, "Newest checkpoints to keep.")

    def __post_init__(self) -> None:
        if not self.learning_rate > 0:
            raise ValueError(f"--learning_rate={self.learning_rate:g}: expected a number above 0")
        counts = ("epochs", "keep_checkpoints", "checkpoint_every_epochs", "accumulate_batches")
        check_range(self, counts, 1)
        check_range(self, ("warmup_epochs", "weight_decay", "clip_norm"), 0)
        check_range(self, ("early_stopping_patience", "reduce_lr_patience"), 0)
        check_range(self, ("checkpoint_every_steps",), 0)
        check_range(self, ("momentum", "label_smoothing"), 0, 1)
        if self.reduce_lr_patience and (self.lr_schedule != "constant" or self.warmup_epochs):
            raise ValueError(
                f"--reduce_lr_patience={self.reduce_lr_patience} changes a constant rate only, got "
                f"--lr_schedule={self.lr_schedule} and --warmup_epochs={self.warmup_epochs:g}; "
                "leave it out, or both of them"
            )
