"""In front of kinds of continuous recordings: labels of steps from tables of events."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.console.errors import (
    MissingLabelError,
    RejectedInputError,
    UsageError,
    printable,
)
from pipeline.sources.annotations import describe_labels
from pipeline.sources.in_front import InFront, digest
from pipeline.sources.outside.event_table import EventColumns, Events, read_events
from pipeline.sources.outside.table import keys_of
from pipeline.sources.recordings.annotations import Annotation, labels_of_steps
from pipeline.sources.recordings.companions import companion
from pipeline.sources.recordings.event_options import EventOptions
from pipeline.sources.source import Description, InputFile, RawRecord
from tfrecords_schema.left_out import LeftOut


@dataclasses.dataclass(frozen=True)
class EventsSource(InFront):
    """Another source, whose labels are the events in its recordings."""

    options: EventOptions

    def list_inputs(self) -> Iterator[InputFile | LeftOut]:
        """Lists the inputs that are no tables of events, and the recordings that are not there."""
        used: set[str] = set()
        for file in self.inner.list_inputs():
            if isinstance(file, InputFile) and self._is_table(file.path):
                continue
            if isinstance(file, InputFile) and self.options.events:
                used.update(keys_of(file.path, self.record_id(file.path)))
            yield file
        if self.options.events:
            events = self._of_all
            why = f"of {events.name}, with events but without an input; remove it, or add the file"
            for key in sorted(events.by_key.keys() - used):
                yield LeftOut("recording", why, 1, printable(key))

    def describe(self, path: str) -> Description:
        """See `Source`."""
        found, labels = self.inner.describe(path), self._labels(path)
        described = describe_labels(labels, self.options.described_labels)
        return found._replace(labels=described, checksum=found.checksum + digest(labels))

    def read(self, path: str) -> RawRecord:
        """See `Source`."""
        raw, labels = self.inner.read(path), self._labels(path)
        return dataclasses.replace(raw, labels=labels, checksum=raw.checksum + digest(labels))

    def _is_table(self, path: str) -> bool:
        suffix = self.options.events_suffix
        is_companion = bool(suffix) and path.endswith(suffix)
        return is_companion or self.full_path(path) == self.options.events

    @property
    def _columns(self) -> EventColumns:
        names = EventColumns._fields
        return EventColumns(*(getattr(self.options, f"{name}_column") for name in names))

    @property
    def _of_all(self) -> Events:
        return read_events(self.files, self.options.events, self._columns, is_of_one=False)

    def _of_one(self, place: str) -> Events:
        """Those of one recording; it alone is rejected if they cannot be read."""
        columns = self._columns._replace(event_file="")
        try:
            return read_events(self.files, place, columns, is_of_one=True)
        except UsageError as error:
            raise RejectedInputError(str(error)) from error

    def _labels(self, path: str) -> tuple[np.ndarray, ...]:
        if not self.options.asked_labels:
            return ()
        annotations, grid = self._annotations(path), self.inner.grid(path)
        if not grid.rate_hz:
            raise RejectedInputError(
                "its rate is not known, which events need; give --sample_rate_hz"
            )
        return (labels_of_steps(annotations, grid, self.options),)

    def _annotations(self, path: str) -> Sequence[Annotation]:
        if suffix := self.options.events_suffix:
            place = companion(self.files, self.full_path(path), suffix, self.suffix)
            events, keys = self._of_one(place), iter([""])
        else:
            events, keys = self._of_all, keys_of(path, self.record_id(path))
        key = next((key for key in keys if key in events.by_key), None)
        if key is None and self.options.missing_events == "reject" and not suffix:
            raise MissingLabelError(
                f"no row in {events.name} for its path, id or file name; add one with no more than "
                "that if it has no events, or use --missing_events=none"
            )
        if key is None:
            return ()
        if key in events.problems:
            raise RejectedInputError(events.problems[key])
        return events.by_key[key]
