"""The kinds of raw data by the name that `--source` gives them."""

from pipeline.files import Files
from pipeline.image_folders import ImageFolderSource
from pipeline.options import ConvertOptions
from pipeline.signals import SignalSource
from pipeline.source import Source


def make_source(options: ConvertOptions, files: Files) -> Source:
    """The source that `--source` names, reading through `files`."""
    if options.source == "image_folders":
        return ImageFolderSource(options, files)
    return SignalSource(options, files)
