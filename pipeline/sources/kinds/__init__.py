"""All kinds of raw folders: every file here that declares one."""

import dataclasses
import functools
import sys
from collections.abc import Mapping
from typing import Any

from pipeline.console.rooms import classes_in
from pipeline.sources.files import Files
from pipeline.sources.frames.beside import BesideSource
from pipeline.sources.frames.options import FrameOptions
from pipeline.sources.gaps.options import GapOptions
from pipeline.sources.gaps.split import SplitSource
from pipeline.sources.options import ConvertOptions
from pipeline.sources.outside.events import EventsSource
from pipeline.sources.outside.source import OutsideSource
from pipeline.sources.recordings.event_options import EventOptions
from pipeline.sources.several.options import ValueOptions
from pipeline.sources.several.values import ValueSource
from pipeline.sources.source import Source
from tfrecords_schema.decoding import decode
from tfrecords_schema.errors import DatasetError


@functools.cache
def sources() -> dict[str, type[Source]]:
    """Every kind by its name, which is that of its file."""
    return classes_in(sys.modules[__name__], Source)


def make_source(options: ConvertOptions, files: Files) -> Source:
    """The source that options are for, reading through `files`."""
    source = _with_events(sources()[options.source](options, files))
    source = OutsideSource(options, files, source) if options.are_outside else source
    return _split_at_gaps(_with_values(source))


def _with_values(source: Source) -> Source:
    """A source whose frames have numbers beside them, or signals values of the whole recording."""
    options = source.options
    if isinstance(options, FrameOptions) and options.beside_key:
        return BesideSource(options, source.files, source)
    adds = isinstance(options, ValueOptions) and options.adds_values
    return ValueSource(options, source.files, source) if adds else source


def _with_events(source: Source) -> Source:
    """A source whose labels are events in tables, if that is asked for."""
    options = source.options
    if not (isinstance(options, EventOptions) and options.has_events):
        return source
    return EventsSource(options, source.files, source.without_labels())


def _split_at_gaps(source: Source) -> Source:
    """A source of which each stretch between gaps is a recording, if that is asked for."""
    options = source.options
    is_split = isinstance(options, GapOptions) and options.splits_at_gaps
    return SplitSource(options, source.files, source) if is_split else source


def source_like(recorded: Mapping[str, Any], input_dir: str, files: Files) -> Source:
    """A source that reads a folder as a conversion did.

    Args:
      recorded: the options that the manifest records; those of other kinds are left aside.
      input_dir: the folder.
      files: where it is.

    Raises:
      DatasetError: if the options do not say how.
    """
    cure = "convert them, and give --predict_split"
    if "source" not in recorded:
        raise DatasetError(
            "the model's dataset was not converted by python -m pipeline, so that how to read raw "
            f"recordings is not known; {cure}"
        )
    name = str(recorded["source"])
    fields = {kind: _fields(source) for kind, source in sources().items()}
    unknown = sorted({*recorded} - {"source"}.union(*fields.values()))
    if name not in fields:
        unknown = [f"source={name}"]
    if unknown:
        raise DatasetError(
            f"the model's dataset was converted with --{unknown[0]}, which this version does not "
            f"have, so that it cannot read raw recordings; {cure}"
        )
    kind = sources()[name]
    own = {key: recorded[key] for key in recorded.keys() & fields[name]}
    given = {**own, "input_dir": input_dir, "output_dir": ""}
    options = decode(kind.options_kind(), given, "schema.json: options")
    return _split_at_gaps(_with_values(_with_events(kind(options, files))))


def _fields(kind: type[Source]) -> set[str]:
    return {field.name for field in dataclasses.fields(kind.options_kind())}
