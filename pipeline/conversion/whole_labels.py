"""Labels that may be classes, stored as floats: a conversion says so."""

from collections.abc import Iterator, Sequence

from pipeline.conversion.parts import Part
from pipeline.sources.label_kinds import LabelPlan
from tfrecords_schema.left_out import LeftOut


def whole_labels(
    labels: LabelPlan | None, label_kind: str, parts: Sequence[Part]
) -> Iterator[LeftOut]:
    """Why floats that are whole numbers, all of them, are values, where nobody said so.

    MATLAB, and what once had gaps in pandas, stores classes as floats.

    Args:
      labels: what the labels of the set are.
      label_kind: `--label_kind`.
      parts: of all shards.
    """
    is_guess = labels is not None and labels.form == "value" and label_kind == "auto"
    has_labels = any(part.label_values for part in parts)
    if is_guess and has_labels and not any(part.fractional_labels for part in parts):
        yield LeftOut(
            "",
            "the labels are whole numbers, all of them, but stored as floats, so they are taken "
            "for values; store integers if they are classes",
            0,
        )
