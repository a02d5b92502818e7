"""Reading predictions as what they must be: a file whose hash fits may hold arrays of any shape.

Memory is taken by the numbers in them, and rows are looked up by them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tfrecords_schema import Dataset, DatasetError, LabelSpec
from trainer.data.heads import described
from trainer.evaluation.evaluation_table import stem
from trainer.evaluation.predictions import Predictions

_WHOLE, _ANY, _PROBABILITIES = "iu", "iufb", "f"


def read_predictions(run_dir: str, dataset: Dataset, evaluation: Mapping[str, Any]) -> Predictions:
    """The predictions that an evaluation of a split of this dataset is of.

    Args:
      run_dir: where both are.
      dataset: that was measured on.
      evaluation: which split, and of several labels which.

    Raises:
      DatasetError: they are not there, or not of such records; the message says why.
    """
    name = stem(evaluation)
    found = Predictions.read(run_dir, name, evaluation.get("predictions", ""))
    label = described(dataset, evaluation.get("label", "")).schema.label
    for problem in _problems(found, dataset.split(evaluation["split"]).steps, label):
        raise DatasetError(
            f"predictions-{name}.npz of {run_dir} is not what an evaluation wrote ({problem}); "
            "measure again with --mode=evaluate"
        )
    return found


def _problems(found: Predictions, steps: np.ndarray, label: LabelSpec | None) -> Iterator[str]:
    """What is wrong with arrays; what follows relies on what comes first.

    Args:
      found: the arrays.
      steps: of each record of the split.
      label: that was predicted.
    """
    kinds = {
        "record": _WHOLE, "lengths": _WHOLE, "label": _ANY, "prediction": _PROBABILITIES,
        "answer": _WHOLE, "step": _WHOLE, "prefix_record": _WHOLE, "prefix_steps": _WHOLE,
        "prefix_prediction": _PROBABILITIES,
    }  # fmt: skip
    arrays = {name: values for name, values in vars(found).items() if values is not None}
    for name, values in arrays.items():
        if values.dtype.kind not in kinds[name] or not values.ndim:
            yield f"{name} is {values.dtype} {list(values.shape)}"
    for name in ("record", "lengths", "step", "prefix_record", "prefix_steps"):
        if name in arrays and (arrays[name].ndim > 1 or arrays[name].min(initial=0) < 0):
            yield f"{name} is of other numbers than there can be"
    if len(found.record) != len(found.lengths) or found.record.max(initial=-1) >= len(steps):
        yield f"record is of others than the {len(steps):,} of the split"
    if len({len(values) for name, values in arrays.items() if name.startswith("prefix")}) > 1:
        yield "beginnings of records differ in number"
    total = int(found.lengths.sum(dtype=np.int64))
    for name in ("label", "prediction", "answer", "step"):
        if name in arrays and len(arrays[name]) != total:
            yield f"{name} is of {len(arrays[name]):,} labels, lengths of {total:,}"
    if found.step is not None and label and label.per == "step":
        ends = np.repeat(steps[found.record], found.lengths)
        yield from ["step is beyond the end of a record"] * bool((found.step >= ends).any())
    if label and label.class_names and not label.heads:
        yield from _of_classes(found, len(label.class_names), is_single=label.is_single)


def _of_classes(found: Predictions, classes: int, *, is_single: bool) -> Iterator[str]:
    shape = (len(found.label), classes)
    if found.prediction.shape != shape:
        yield f"prediction is {list(found.prediction.shape)}, expected {list(shape)}"
    for name, values in (("label", found.label), ("answer", found.answer)):
        if values is None:
            continue
        if values.shape != (shape[:1] if is_single else shape):
            yield f"{name} is {list(values.shape)}"
        if is_single and not -1 <= values.min(initial=0) <= values.max(initial=0) < classes:
            yield f"{name} is of a class that there is not"
