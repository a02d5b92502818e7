"""What a training is like where nobody says: few rules, from what the manifest knows of the data.

A rule sees numbers of the training split and of a step, never a name. Options that are given stay.
What no number tells is left to short trials, see `Choice.candidates`.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from trainer.options.options import DataOptions

if TYPE_CHECKING:
    from tfrecords_schema import Dataset, LabelSpec, SplitEntry

# Rows that a training computes on, in all: some five minutes of two processor cores.
_ROWS = 8_000_000
_UPDATES = (300, 1200)
# Of three networks side by side, fewer than that do worse than one for longer.
_UPDATES_OF_SEVERAL = 600
_NETWORKS = 3
_MOST_EPOCHS = 500
# Rows of a record that a network sees; longer ones are patched.
_ROWS_OF_RECORD = 1024
# Of a record in training, which bounds memory; evaluation sees all of it.
_LONGEST_ROWS = 8 * _ROWS_OF_RECORD
_SOUND_HZ = 2000
# What a frame costs --model=video, in rows.
_ROWS_OF_FRAME = 40
# Of a batch: frames that a network keeps maps of, and values of all of them.
_FRAMES_OF_BATCH = 512
_VALUES_OF_BATCH = 3 * 2**25
_FAST_STEP = 256
_LONG_RECORD = 2000
# Of a step with a label of its own: what a network must see of it, and random convolutions, too.
_ROWS_OF_STEP = 32
_LEAST_ROWS_OF_STEP = 8
_LEAST_EPOCHS = 30
# What random convolutions count for beside the networks.
_SHARE = 0.4
# The family that no gradient trains.
_FITTED = "hydra"


class Choice(NamedTuple):
    """One option that was decided.

    Attributes:
      name: of the option.
      value: as a flag takes it.
      reason: in a few words.
      candidates: values that trials choose from, the first of those that do as well.
    """

    name: str
    value: Any
    reason: str
    candidates: tuple[str, ...] = ()


class Facts(NamedTuple):
    """What the rules see: the training split and the shape of its data.

    Attributes:
      kind: of the input, `signal` or `frames`.
      samples: of a step along time.
      channels: values of a sample, or of a frame.
      per: what has a label: `step`, `record` or `sequence`; without labels `end`, to be forecast.
      class_counts: labels of each class, of all of them; empty for values.
      records: number of records.
      groups: that those are of.
      steps: of all records.
      median_steps: of a record.
      longest: steps of the longest record.
      rate_hz: of samples, if it is known.
      has_statistics: whether those of the split's channels are known.
      has_several: whether a label is any number of classes.
      has_roles: whether channels are not alike.
    """

    kind: str
    samples: int
    channels: int
    per: str
    class_counts: tuple[int, ...]
    records: int
    groups: int
    steps: int
    median_steps: int
    longest: int
    rate_hz: float | None
    has_statistics: bool
    has_several: bool = False
    has_roles: bool = False

    @classmethod
    def of(cls, dataset: Dataset, train_split: str, samples: int) -> Facts:
        """Those of a dataset.

        Args:
          dataset: which.
          train_split: name of the split that is trained on.
          samples: of a step along time.
        """
        manifest, schema = dataset.manifest, dataset.schema
        if train_split not in manifest.splits:
            dataset.split(train_split)  # Says which there are.
        split, label = manifest.splits[train_split], schema.label
        return cls(
            kind=schema.input.kind,
            samples=samples,
            channels=math.prod(schema.input.step_shape) // samples,
            per=label.per if label else "end",
            class_counts=_class_counts(label, split),
            records=split.records,
            groups=split.groups,
            steps=split.steps,
            median_steps=_median(split.length_histogram),
            longest=max(split.length_histogram, default=1),
            rate_hz=manifest.options.get("sample_rate_hz"),
            has_statistics=manifest.statistics is not None
            and train_split == DataOptions.train_split,
            has_several=label is not None and label.kind == "classes",
            has_roles=bool(schema.input.roles),
        )


class Decisions:
    """Options that are given, and those decided so far."""

    def __init__(
        self,
        given: Mapping[str, Any],
        settled: Mapping[str, Choice],
        known: Container[str],
    ):
        """Starts with options that are given, or settled by trials, which stay.

        Of options that are not `known` nothing is decided.
        """
        self._given = dict(given)
        self._settled = settled
        self._known = known
        self.choices: list[Choice] = []

    def __getitem__(self, name: str) -> Any:
        decided = {choice.name: choice.value for choice in self.choices}
        return {**decided, **self._given}[name]

    def get(self, name: str, default: Any) -> Any:
        """An option's value; the default where nothing is known of it."""
        try:
            return self[name]
        except KeyError:
            return default

    def decide(self, name: str, value: Any, reason: str, candidates: tuple[str, ...] = ()) -> None:
        """Decides an option, unless it is given, decided, or none that the model reads."""
        if name not in self._known:
            return
        if name not in self._given and name not in {choice.name for choice in self.choices}:
            choice = Choice(name, value, reason, candidates)
            self.choices.append(self._settled.get(name, choice))


def family_for(facts: Facts) -> Choice:
    """Which family of models."""
    if facts.per == "sequence":
        return Choice("model", "sequence", "labels are sequences with a length of their own")
    if facts.per == "end":
        return Choice("model", "forecaster", "no labels: recordings' ends are forecast")
    if facts.kind == "frames":
        return Choice("model", "video", "frames: learns without downloaded weights")
    return Choice("model", "inception_time", "the best published network by itself on signals")


def decide(
    facts: Facts,
    given: Mapping[str, Any],
    settled: Mapping[str, Choice],
    known: Container[str],
) -> list[Choice]:
    """All that is decided for an automatic family, in the order in which one asks.

    Args:
      facts: of the data.
      given: options that the user gave, with their values; they stay, and others follow from them.
      settled: what trials have decided.
      known: options that it may decide on.
    """
    so_far = Decisions(given, settled, known)
    first = (_frames,) if facts.kind == "frames" else (_front_end, _normalization, _members)
    if facts.per in ("sequence", "end"):
        first = (_sequence, *first)
    for rule in (*first, _batches, _updates, _regularization):
        rule(facts, so_far)
    return so_far.choices


def _sequence(facts: Facts, so_far: Decisions) -> None:
    """A recurrence unfolds what a vector says, or what was seen up to the end."""
    if facts.per == "sequence":
        if facts.kind == "signal" and facts.samples < _FAST_STEP:
            so_far.decide("conv_filters", (), f"a vector of {facts.samples:,} values")
            so_far.decide("conv_strides", (), "no convolutions")
        so_far.decide("dropout", 0.1, "what a step says is said once")
    else:
        so_far.decide("rnn_units", (128,), "encoder and decoder alike")
    kind = "training_split" if facts.has_statistics else "none"
    so_far.decide("normalization", kind, "the answer has the level of its set")
    so_far.decide("rnn_activation", "tanh", "bounded over a long sequence")
    so_far.decide("rnn_l2", 0.0, "weights decay in the optimizer")


def _frames(facts: Facts, so_far: Decisions) -> None:
    """Few recordings are the rule, so most of it is against learning them by heart."""
    most = max(2, min(_FRAMES_OF_BATCH, _VALUES_OF_BATCH // facts.channels))
    size = min(max(most // facts.longest, 2), 8, facts.records)
    so_far.decide("video_dropout", 0.3, "of the values that are kept of a frame")
    so_far.decide("batch_size", size, f"recordings of up to {facts.longest:,} frames")
    if so_far["batch_size"] * facts.longest > most:
        steps = max(1, most // so_far["batch_size"])
        so_far.decide("crop_steps", steps, f"so that a batch is {most:,} frames")
    so_far.decide("frame_shift", 0.15, "a camera may look a little elsewhere")
    so_far.decide("brightness", 0.1, "light may differ")
    so_far.decide("contrast", 0.2, "light may differ; labels may not allow mirrored frames")


def _front_end(facts: Facts, so_far: Decisions) -> None:
    """What comes before the network, so that it sees some hundred rows of a record."""
    rate, samples = facts.rate_hz or 0, facts.median_steps * facts.samples
    if facts.has_roles:
        so_far.decide("front_end", "none", "spectra are of channels of sound alone")
    elif facts.channels <= 2 and rate >= _SOUND_HZ:
        so_far.decide("front_end", "log_mel", f"sound: {rate:g} samples a second")
    elif facts.per == "step" and facts.samples >= _FAST_STEP:
        reason = f"{facts.samples:,} samples in a step"
        so_far.decide("front_end", "none", reason, ("none", "log_mel"))
    elif facts.per == "record" and facts.channels <= 2 and samples > _LONG_RECORD:
        reason = f"recordings of {samples:,} samples (median)"
        so_far.decide("front_end", "none", reason, ("none", "log_mel"))
    if so_far.get("front_end", "none") == "log_mel":
        if rate >= _SOUND_HZ:
            hop, frame = max(1, round(0.01 * rate)), 2 ** math.ceil(math.log2(0.025 * rate))
        else:
            frame = 256 if facts.per == "step" else 2 ** round(math.log2(samples / 16))
            frame = min(frame, 512)
            hop = frame // 4
        so_far.decide("frame_samples", frame, "25 ms or more" if rate else "of unknown rate")
        so_far.decide("hop_samples", hop, "from frame to frame")
        if rate:
            so_far.decide("rate_hz", rate, "as converted")
        kinds = ("spectrum", "bands", "both")
        so_far.decide("band_normalization", "spectrum", "before trials", kinds)
        samples //= so_far["hop_samples"]
    patch, reason = round(samples / _ROWS_OF_RECORD), f"recordings of {samples:,} samples (median)"
    if facts.per == "step":
        rows = facts.steps * facts.samples // _factor(so_far)
        most = facts.samples // _factor(so_far) // _ROWS_OF_STEP
        patch, reason = min(rows * _LEAST_EPOCHS // _ROWS, most), f"{rows:,} samples in all"
    if patch > 1:
        so_far.decide("patch_samples", patch, reason)
    most = _LONGEST_ROWS * _factor(so_far) // facts.samples
    if facts.longest > most:
        reason = f"of recordings of up to {facts.longest:,} steps, in training alone"
        so_far.decide("crop_steps", max(most, 1), reason)


def _normalization(facts: Facts, so_far: Decisions) -> None:
    """Absolute level carries the label, or hides it; only the data can tell, but of spectra."""
    if so_far.get("front_end", "none") == "log_mel":
        so_far.decide("normalization", "record", "level leaves with the mean of a log spectrum")
    elif not facts.has_statistics:
        so_far.decide("normalization", "record", "no statistics of the training split are known")
    elif facts.per == "record" or _has_rows_of_steps(facts, so_far):
        kinds = ("both", "record", "training_split")
        so_far.decide("normalization", "both", "before trials", kinds)
    else:
        so_far.decide("normalization", "both", "with and without absolute level")


def _has_rows_of_steps(facts: Facts, so_far: Decisions) -> bool:
    """Whether a step is a stretch of signal that says something by itself."""
    return facts.samples // _factor(so_far) >= _LEAST_ROWS_OF_STEP


def _members(facts: Facts, so_far: Decisions) -> None:
    if so_far.get("class_activation", "softmax") != "softmax":
        return
    if facts.per == "step" and not _has_rows_of_steps(facts, so_far):
        return
    rows = facts.longest * facts.samples // _factor(so_far)
    fitting = int(math.log2(max(1, (rows - 1) / 8))) + 1
    so_far.decide("random_convolutions", True, "a second opinion that takes seconds")
    if not so_far.get("random_convolutions", False) and so_far.get("model", "") != _FITTED:
        return
    so_far.decide("random_share", _SHARE, "nearly as much as the networks")
    so_far.decide("dilations", min(max(fitting, 1), 10), f"up to {rows:,} rows of a record")
    if facts.per == "step":
        so_far.decide("kernel_groups", 8, "features of every step are held")
    else:
        so_far.decide("rocket_biases", 2, "says when as well, and in how many stretches")


def _rows(facts: Facts, so_far: Decisions) -> int:
    """Rows of an epoch that a network computes on."""
    if facts.kind == "frames":
        return facts.steps * _ROWS_OF_FRAME
    steps = min(facts.steps, facts.records * so_far.get("crop_steps", facts.longest))
    return max(1, steps * facts.samples // _factor(so_far))


def _factor(so_far: Decisions) -> int:
    """Samples for each row that the network computes on."""
    hop = so_far.get("hop_samples", 1) if so_far.get("front_end", "none") == "log_mel" else 1
    return hop * so_far.get("patch_samples", 1)


def _batches(facts: Facts, so_far: Decisions) -> None:
    size = 2 ** round(math.log2(max(1, facts.records / 10)))
    size = min(max(size, 4), 16 if facts.records < 2000 else 32, facts.records)
    so_far.decide("batching", "random", "the cost follows valid samples, so any records may meet")
    if facts.kind != "frames":
        so_far.decide("batch_size", size, f"{facts.records:,} records")


def _updates(facts: Facts, so_far: Decisions) -> None:
    batches = math.ceil(facts.records / so_far["batch_size"])
    if so_far.get("class_activation", "softmax") == "softmax":
        of_several = batches * (_ROWS // (_NETWORKS * _rows(facts, so_far)))
        networks = _NETWORKS if of_several >= _UPDATES_OF_SEVERAL else 1
        so_far.decide("ensemble", networks, f"{_rows(facts, so_far):,} rows in an epoch")
    rows = _rows(facts, so_far) * so_far.get("ensemble", 1)
    affordable = _ROWS // rows
    epochs = min(round(_UPDATES[1] / batches), affordable, _MOST_EPOCHS)
    epochs = max(epochs, min(round(_UPDATES[0] / batches), 2 * affordable), 1)
    if so_far.get("model", "") == _FITTED:
        so_far.decide("epochs", 1, "it is fitted before the first update, which trains nothing")
    so_far.decide("epochs", epochs, f"{epochs * batches:,} updates")
    so_far.decide("max_minutes", 8, "more is rarely worth waiting for")
    so_far.decide("learning_rate", 0.001, "AdamW")
    so_far.decide("lr_schedule", "cosine", "ends with small steps")
    so_far.decide("warmup_epochs", so_far["epochs"] / 20, "a twentieth of the training")
    so_far.decide("evaluate_with", "last", "the schedule has come to its end there")
    every = math.ceil(so_far["epochs"] / 25)
    so_far.decide("validate_every_epochs", every, "at most 25 times")
    so_far.decide("checkpoint_every_epochs", every, "as often")


def _regularization(facts: Facts, so_far: Decisions) -> None:
    so_far.decide("weight_decay", 0.01, "AdamW's own default")
    so_far.decide("head_dropout", 0.4, "few recordings are learnt by heart")
    if facts.has_several:
        so_far.decide("decide_by", "f1", "a threshold for each class, on the validation split")
    elif facts.class_counts:
        so_far.decide("label_smoothing", 0.1, "classes")
        present = [count for count in facts.class_counts if count] or [0]
        if max(present) > 3 * min(present):
            reason = f"classes of {min(present):,} to {max(present):,} labels"
            so_far.decide("class_weights", "balanced", reason)


def _class_counts(label: LabelSpec | None, split: SplitEntry) -> tuple[int, ...]:
    """Labels of each class; of several labels of the one whose classes are the most unequal."""
    from tfrecords_schema.labels import views  # Help must not wait for TensorFlow.

    heads = views(label) if label else ()
    counts = [
        tuple(split.of_head(head).class_counts.values())
        for head in heads
        if head.label.class_names and (head.label.is_single or not head.name)
    ]
    return max(counts, key=lambda found: max(found) / max(min(found), 1), default=())


def _median(histogram: dict[int, int]) -> int:
    passed, half = 0, sum(histogram.values()) / 2
    for steps, count in sorted(histogram.items()):
        passed += count
        if passed >= half:
            return steps
    return 1
