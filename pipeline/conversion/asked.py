"""What a command line of `python -m pipeline` asks for; read without TensorFlow and Beam."""

from absl.flags import FlagValues

from pipeline.console.command import Command
from pipeline.console.options import read
from pipeline.sources.options import ConvertOptions

COMMAND = Command(
    "python -m pipeline",
    "Converts a folder of recordings into an indexed TFRecord dataset. Flags that are not "
    "listed go to Apache Beam: --runner, --direct_num_workers, --setup_file, ...",
    (ConvertOptions,),
    passes_on=True,
)


def asked(values: FlagValues) -> ConvertOptions:
    """The options of a conversion, from parsed flags.

    Raises:
      UsageError: they make no sense; the message says what to change.
    """
    return read(ConvertOptions, values)
