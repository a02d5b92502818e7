"""Annotations and events as labels: which are classes, how long they last, where they are."""

import dataclasses
import re

from pipeline.console.errors import RejectedInputError, UsageError
from pipeline.console.options import Effect, option
from pipeline.sources.labels.asked import AskedLabel
from pipeline.sources.names import require_class
from pipeline.sources.outside.options import as_file
from pipeline.sources.recordings.section_options import SectionOptions


@dataclasses.dataclass(frozen=True)
class AnnotationOptions(SectionOptions):
    """Annotations as labels."""

    annotation_regex: str = option(
        "",
        "Only annotations, or events, whose text it finds are classes: by group 1, or by all that "
        "it finds; without it every text is a class.",
    )
    annotation_span: str = option(
        "duration",
        "How long an annotation lasts: its own duration, or until the next one that is a class.",
        ("duration", "until_next"),
    )
    unannotated: str = option("none", "Class of steps where there is no annotation.")

    def check(self) -> None:
        """See `Options`."""
        super().check()
        try:
            re.compile(self.annotation_regex)
            require_class(self.unannotated)
        except re.error as error:
            raise UsageError(
                f"--annotation_regex={self.annotation_regex}: not a regular expression ({error})"
            ) from error
        except RejectedInputError as error:
            raise UsageError(f"--unannotated: {error}") from error
        if self.window_label == "share" and not self.class_names:
            raise UsageError("--window_label=share needs --class_names, of which shares are")
        if self.window_label == "share" and len(self.asked_labels) > 1:
            raise UsageError(
                "--window_label=share is for one label, and several are named; leave it out"
            )

    @property
    def described_labels(self) -> tuple[AskedLabel, ...]:
        """Labels as they are described: shares are values, also where all are 0 or 1."""
        if self.window_label != "share":
            return self.file_labels
        return tuple(asked._replace(kind="step_value") for asked in self.file_labels)


@dataclasses.dataclass(frozen=True)
class EventOptions(AnnotationOptions):
    """Tables of events as labels."""

    events: str = option(
        "",
        "Table like --labels, with a row for every event: recording, start, end or duration "
        "(seconds), and what it is.",
        common=True,
        effect=Effect.NONE,
        parse=as_file,
    )
    events_suffix: str = option(
        "",
        "Events are in tables beside the recordings, which end so, as _events.tsv in BIDS; one is "
        "for the recording whose name begins most like its own.",
    )
    # Labels are in the checksums of recordings, and raw recordings have none: like the tables,
    # these are not asked for again.
    event_file_column: str = option(
        "",
        "Of --events; which recording they are in: filename, recording or the like if not given.",
        effect=Effect.NONE,
    )
    start_column: str = option(
        "", "Of events; onset, start, begin or the like if not given.", effect=Effect.NONE
    )
    end_column: str = option(
        "", "Of events; offset, end, stop or the like if not given.", effect=Effect.NONE
    )
    duration_column: str = option("", "Of events, in the place of their end.", effect=Effect.NONE)
    event_column: str = option(
        "", "What an event is; trial_type, event_label, label or the like.", effect=Effect.NONE
    )
    missing_events: str = option(
        "reject",
        "Recordings without a row in --events: reject them, or take them for recordings without "
        "events.",
        ("reject", "none"),
        effect=Effect.NONE,
    )

    def check(self) -> None:
        """See `Options`."""
        super().check()
        named = [f"--{name}" for name in ("events", "events_suffix") if getattr(self, name)]
        others = ("label_key", "label_column", "label_regex")
        named += [f"--{name}" for name in others if named and getattr(self, name)]
        if len(named) > 1:
            raise UsageError(f"give {' or '.join(named)}: there is one label")
        of_all = ("event_file_column", "missing_events")
        of_events = (*of_all, "start_column", "end_column", "duration_column", "event_column")
        given = [name for name in of_events if getattr(self, name) != getattr(EventOptions, name)]
        if given and not named:
            raise UsageError(
                f"--{given[0]} is of events; name them with --events or --events_suffix"
            )
        if self.events_suffix and (given := [name for name in given if name in of_all]):
            raise UsageError(
                f"--{given[0]} is for one table of all recordings (--events); leave it out"
            )
        if self.end_column and self.duration_column:
            raise UsageError("give --end_column or --duration_column, not both")

    @property
    def has_events(self) -> bool:
        """Whether a table of events has the labels."""
        return bool(self.events or self.events_suffix)

    @property
    def names_label(self) -> bool:
        """See `ConvertOptions`."""
        return self.has_events or super().names_label
