"""Sources of folders, and their inputs."""

import pathlib
from typing import Any

from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source, sources
from pipeline.sources.source import InputFile, Source


def source_of(kind: str, folder: pathlib.Path, **options: Any) -> Source:
    """A source of a kind, with its options."""
    made = sources()[kind].options_kind()(str(folder), "", "test", **options)
    return make_source(made, GFiles())


def inputs_of(source: Source) -> list[InputFile]:
    """The inputs that a source lists, without what it passes over."""
    return [file for file in source.list_inputs() if isinstance(file, InputFile)]
