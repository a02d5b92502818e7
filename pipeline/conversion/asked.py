"""What a command line of `python -m pipeline` asks for; read without TensorFlow and Beam."""

import dataclasses

from absl.flags import FlagValues

from pipeline.console.command import Command
from pipeline.console.options import REQUIRED, Options, option, read, refuse_unused
from pipeline.console.rooms import first_lines
from pipeline.sources.kinds import sources
from pipeline.sources.options import ConvertOptions

_OPTIONS = {name: kind.options_kind() for name, kind in sources().items()}


@dataclasses.dataclass(frozen=True)
class SourceOptions(Options):
    """Which kind of raw folder."""

    source: str = option(REQUIRED, first_lines(sources()), tuple(_OPTIONS), common=True)


COMMAND = Command(
    "python -m pipeline",
    "Converts a folder of recordings into an indexed TFRecord dataset. Flags that are not "
    "listed go to Apache Beam: --runner, --direct_num_workers, --setup_file, ...",
    (SourceOptions, *_OPTIONS.values()),
    passes_on=True,
)


def asked(values: FlagValues) -> ConvertOptions:
    """The options of a conversion, from parsed flags.

    Raises:
      UsageError: they make no sense; the message says what to change.
    """
    source = read(SourceOptions, values).source
    refuse_unused(values, {name: (kind,) for name, kind in _OPTIONS.items()}, source, "source")
    return read(_OPTIONS[source], values)
