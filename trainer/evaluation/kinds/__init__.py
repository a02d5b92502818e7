"""What evaluations know of each kind of labels: `<kind>_label.py` is that of a `LabelSpec.kind`.

Imports what stands in `evaluation`; each file defines one `ScoredKind` (`scored_kind.py`).
"""

import functools
import sys

from pipeline.console.rooms import label_kind_in
from trainer.evaluation.scored_kind import ScoredKind


@functools.cache
def scored_kind(label_kind: str) -> ScoredKind:
    """That of a `LabelSpec.kind`."""
    return label_kind_in(sys.modules[__name__], ScoredKind, label_kind)
