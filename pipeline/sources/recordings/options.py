"""Options of kinds whose files are continuous recordings with a rate and named channels."""

import dataclasses
from typing import ClassVar

from pipeline.console.options import option
from pipeline.sources.recordings.event_options import EventOptions


@dataclasses.dataclass(frozen=True)
class RecordingOptions(EventOptions):
    """Units of recordings."""

    reads_metadata: ClassVar[bool] = True

    units: tuple[str, ...] = option(
        (),
        "Units of the channels in their order, or one for all: uV. Values that a file has in "
        "another multiple, as mV, are brought to it; others stay.",
    )
