"""Several labels side by side: tables have the columns of each, behind its name.

Everything else is measured of each label alone; see `apart.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfrecords_schema import LabelSpec
from tfrecords_schema.labels import column_spans, of_head
from trainer.evaluation.apart import rows_apart
from trainer.evaluation.kinds import scored_kind
from trainer.evaluation.rows import Row
from trainer.evaluation.scored_kind import ScoredKind


class HeadsLabel(ScoredKind):
    """Labels are `[n, columns]`; see `labels.py` of the schema."""

    def columns(self, rows: Sequence[Row], label: LabelSpec) -> dict[str, Any]:
        """See `ScoredKind`."""
        return {
            f"{head.name}_{name}": values
            for head, own in rows_apart(rows, label)
            for name, values in scored_kind(head.label.kind).columns(own, head.label).items()
        }

    def arrays(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """See `ScoredKind`: classes follow from the outputs, whose units `class_names` has."""
        return {}

    def label_columns(self, labels: Sequence[np.ndarray], label: LabelSpec) -> dict[str, Any]:
        """See `ScoredKind`."""
        found = {}
        for head, span in column_spans(label):
            own = [of_head(of[..., span], head.label) for of in labels]
            kind = scored_kind(head.label.kind)
            for name, values in kind.label_columns(own, head.label).items():
                found[f"{head.name}_{name}"] = values
        return found
