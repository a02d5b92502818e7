"""What the JSON files of a run hold, for whoever reads a folder that somebody else wrote.

Fields that are not here are another version's, and are left alone.
"""

import dataclasses
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

from tfrecords_schema.decoding import decode
from tfrecords_schema.errors import DatasetError
from tfrecords_schema.left_out import LeftOut
from trainer.metrics.table import headline

Figures = dict[str, float | None]
# What pictures can be drawn of; the square of a float32 is at most 1.2e77.
_LARGEST_FIGURE, _LARGEST_COUNT = 1e100, 2**62


@dataclasses.dataclass
class Versions:
    """`versions.json`; all else in it is text."""

    parameters: int = 0
    trainable_parameters: int = 0


@dataclasses.dataclass
class Plan:
    """`plan.json`."""

    boundaries: list[int] = dataclasses.field(default_factory=list)
    padding_share: float = 0.0
    steps_per_epoch: int = 0
    batch_size: int | None = None
    batch_steps: int | None = None


@dataclasses.dataclass
class Decided:
    """An option of `choices.json`."""

    name: str
    value: Any
    reason: str


@dataclasses.dataclass
class Choices:
    """`choices.json`."""

    choices: list[Decided] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class LeftOuts:
    """`left_out.json`."""

    left_out: list[LeftOut] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Notes:
    """`worth_a_look.json`."""

    worth_a_look: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Epoch:
    """A line of `metrics.jsonl`."""

    epoch: int
    train: Figures
    validation: Figures | None = None
    step: int = 0
    seconds: float = 0.0
    valid_steps_per_sec: float = 0.0
    padding_share: float = 0.0
    input_wait_share: float = 0.0
    learning_rate: float | None = None


@dataclasses.dataclass
class Confusion:
    """How often one class was taken for another."""

    true: str
    predicted: str
    count: int


@dataclasses.dataclass
class Bin:
    """Of a reliability diagram; see `reliability`."""

    low: float
    high: float
    labels: float
    probability: float
    right: float


@dataclasses.dataclass
class Limits:
    """Of agreement; see `agreement`."""

    bias: float
    low: float
    high: float
    deviation: float = 0.0


@dataclasses.dataclass
class Here:
    """What a calibration comes to on the split that is measured."""

    before: Figures = dataclasses.field(default_factory=dict)
    after: Figures = dataclasses.field(default_factory=dict)
    reliability_before: list[Bin] = dataclasses.field(default_factory=list)
    decision: Figures = dataclasses.field(default_factory=dict)
    decisions: dict[str, Figures] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Calibrated:
    """The calibration that was measured with; see `Calibration`."""

    weights: str
    asked: dict[str, str]
    split: str
    labels: int
    temperature: float
    threshold: float | None
    decision: Figures
    thresholds: dict[str, float] = dataclasses.field(default_factory=dict)
    dataset_fingerprint: str = ""
    before: Figures = dataclasses.field(default_factory=dict)
    after: Figures = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    here: Here = dataclasses.field(default_factory=Here)


@dataclasses.dataclass
class Evaluation:
    """`evaluation-<stem>.json`."""

    split: str
    label: str = ""
    metrics: Figures = dataclasses.field(default_factory=dict)
    records: int = 0
    labels: int = 0
    intervals: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    groups: dict[str, Figures] = dataclasses.field(default_factory=dict)
    baselines: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    baseline: dict[str, Any] = dataclasses.field(default_factory=dict)
    dataset_fingerprint: str = ""
    dataset_seal: str = ""
    weights: str = ""
    predictions: str = ""
    other_data: str = ""
    missing_labels: int = 0
    bootstrap_resamples: int = 0
    group_count: int = 0
    per_class: dict[str, Figures] = dataclasses.field(default_factory=dict)
    class_names: list[str] = dataclasses.field(default_factory=list)
    class_count: int = 0
    confusion: list[list[int]] = dataclasses.field(default_factory=list)
    confusions: list[Confusion] = dataclasses.field(default_factory=list)
    curves: dict[str, Figures] = dataclasses.field(default_factory=dict)
    trained_on: dict[str, int] = dataclasses.field(default_factory=dict)
    decided_by_it: bool = False
    agreement: list[Limits] = dataclasses.field(default_factory=list)
    reliability: list[Bin] = dataclasses.field(default_factory=list)
    predicted: list[float] = dataclasses.field(default_factory=list)
    calibration: Calibrated | None = None


@dataclasses.dataclass
class RunOfStudy:
    """One of the runs of `cross_validation.json`."""

    repeat: int
    fold: int
    seed: int
    records: int = 0
    metrics: Figures = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class RunsOfStudy:
    """`cross_validation.json`, which is an evaluation besides."""

    runs: list[RunOfStudy]


_SHOWN = ("records", "labels", "metrics", "intervals", "groups", "baselines", "baseline")


def require_shown(value: Mapping[str, Any], run_dir: str) -> None:
    """Checks that an evaluation has what every page and comparison shows.

    Raises:
      DatasetError: it has not.
    """
    missing = [name for name in _SHOWN if name not in value]
    if missing or not value["metrics"]:
        raise DatasetError(
            f"the evaluation of {value.get('split')!r} in {run_dir} has no "
            f"{', '.join(missing) or 'figures'}; measure again with --mode=evaluate"
        )
    if wrong := next(_without_number(value), ""):
        raise DatasetError(
            f"the evaluation of {value['split']!r} in {run_dir} has no number in {wrong}; measure "
            "again with --mode=evaluate"
        )


def _without_number(value: Mapping[str, Any]) -> Iterator[str]:
    """Where a figure is missing that tables and sentences have."""
    names = {
        "groups": ("labels", headline(value["metrics"])),
        "per_class": ("precision", "recall", "f1", "support"),
    }
    rows = [("metrics", value["metrics"], value["metrics"].keys())]
    rows += [
        (f"{kind}[{name!r}]", row, needed)
        for kind, needed in names.items()
        for name, row in value.get(kind, {}).items()
    ]
    guesses = [*value["baselines"], *filter(None, [value["baseline"]])]
    rows += [("baselines", guess, guess.keys() - {"name", "per_component"}) for guess in guesses]
    for place, row, needed in rows:
        yield from (f"{place}.{n}" for n in needed if type(row.get(n)) not in (int, float))
    yield from ("baselines.name" for guess in guesses if not isinstance(guess.get("name"), str))


def require(kind: type, value: dict[str, Any]) -> None:
    """Checks a file's object.

    Args:
      kind: one of the classes above.
      value: the object.

    Raises:
      DatasetError: a field is missing or not of its type, or a number is beyond all that a run
        comes to; the message has its path.
    """
    known = {field.name for field in dataclasses.fields(kind)}
    given = {name: item for name, item in value.items() if name in known}
    decode(kind, given)
    for path, number in _numbers(given, ""):
        if abs(number) > (_LARGEST_COUNT if isinstance(number, int) else _LARGEST_FIGURE):
            raise DatasetError(f"{path}: got {reprlib.repr(number)}, which no run comes to")


def _numbers(value: Any, path: str) -> Iterator[tuple[str, int | float]]:
    """All numbers within a value of JSON, and where they are."""
    if isinstance(value, int | float):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _numbers(item, f"{path}[{place}]")
