"""Several labels side by side: tables have the columns of each, behind its name.

Everything else is measured of each label alone; see `apart.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfrecords_schema import LabelSpec
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
