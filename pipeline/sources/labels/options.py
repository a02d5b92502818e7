"""Options of labels: which there are, of which kind, and what of them is not known."""

import dataclasses

from pipeline.console.errors import UsageError
from pipeline.console.options import Options, option
from tfrecords_schema.names import UNLABELLED

LABEL_KINDS = (
    "auto",
    "step_class",
    "record_class",
    "sample_class",
    "step_classes",
    "record_classes",
    "sample_classes",
    "step_value",
    "record_value",
    "sample_value",
    "sequence_class",
    "sequence_value",
    "none",
)


@dataclasses.dataclass(frozen=True)
class LabelOptions(Options):
    """Labels."""

    label_key: str = option(
        "",
        "Array, field or column with the label, or several: stage,age; without it see --source.",
        common=True,
    )
    label_kind: str = option(
        "auto",
        "With auto it is inferred, and shown; of _classes a label is any number. Of several, one "
        "for each: step_class,record_value.",
        LABEL_KINDS,
        common=True,
        lists=True,
    )
    label_separator: str = option(
        "",
        "Between the names where a label is any number of classes: with ; a cell cough;sneeze has "
        "two, and a cell of a ; alone none.",
    )
    class_names: tuple[str, ...] = option(
        (),
        "In the order of their index: wake,sleep; of several stage=wake,sleep;sex=f,m.",
        common=True,
    )
    ignore_label: tuple[str, ...] = option(
        (),
        "Classes that mean not labelled: -1. Of values NaN.",
        common=True,
    )
    unlabelled: str = option(
        "auto",
        "Recordings without any label, beside others: with keep they are in a split of their own, "
        f"{UNLABELLED}, to be predicted, with drop left out. With auto those of which every label "
        "is NaN or one of --ignore_label are kept, and where none is found, the recording is "
        "rejected.",
        ("auto", "keep", "drop"),
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        if "" in self.ignore_label:
            raise UsageError("--ignore_label: a class is empty; name them with commas between")
