"""What a step knows of each kind of labels: `<kind>_label.py` is that of one `LabelSpec.kind`.

Imports what stands in `step`; each file defines one `StepKind` (`step_kind.py`).
"""

import functools
import sys

from pipeline.console.rooms import label_kind_in
from trainer.step.step_kind import StepKind


@functools.cache
def step_kind(label_kind: str) -> StepKind:
    """That of a `LabelSpec.kind`."""
    return label_kind_in(sys.modules[__name__], StepKind, label_kind)
