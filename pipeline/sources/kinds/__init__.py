"""The kinds of raw data by the name that `--source` gives them."""

from pipeline.sources.files import Files
from pipeline.sources.kinds.image_folders import ImageFolderSource
from pipeline.sources.kinds.signals import SignalSource
from pipeline.sources.options import ConvertOptions
from pipeline.sources.source import Source


def make_source(options: ConvertOptions, files: Files) -> Source:
    """The source that `--source` names, reading through `files`."""
    if options.source == "image_folders":
        return ImageFolderSource(options, files)
    return SignalSource(options, files)
