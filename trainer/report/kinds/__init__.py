"""What pages show of each kind of labels: `<kind>_label.py` is that of one `LabelSpec.kind`.

Imports what stands in `report`; each file defines one `ShownKind` (`shown_kind.py`).
"""

import functools
import sys

from pipeline.console.rooms import label_kind_in
from trainer.report.shown_kind import ShownKind


@functools.cache
def shown_kind(label_kind: str) -> ShownKind:
    """That of a `LabelSpec.kind`."""
    return label_kind_in(sys.modules[__name__], ShownKind, label_kind)
