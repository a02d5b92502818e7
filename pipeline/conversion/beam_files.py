"""Raw files through Beam's file systems; those of object stores as everybody else reads them."""

import posixpath
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from pipeline.sources.files import FoundFile, local_files
from pipeline.sources.gfiles import GFiles
from tfrecords_schema.places import gfile


class BeamFiles:
    """Every file system that Beam knows, and object stores; implements `Files`."""

    def __init__(self, left_out: str = ""):
        """Prepares.

        Args:
          left_out: folder that no listing looks into: a dataset among its inputs is none of them.
        """
        self._left_out = left_out

    def list(self, folder: str, *, follow_links: bool = False) -> Iterator[FoundFile]:
        """See `Files`."""
        if "://" not in folder:
            yield from local_files(folder, self._left_out, follow_links=follow_links)
            return
        for found in GFiles().list(folder) if gfile.in_store(folder) else self._listed(folder):
            if not self._left_out or not found.path.startswith(f"{self._left_out}/"):
                yield found

    def _listed(self, folder: str) -> Iterator[FoundFile]:
        root = posixpath.join(folder, "")  # Elsewhere the whole listing is in memory.
        # A `[` in the folder's name would start a character class; `?` matches it, too.
        for match in FileSystems.match([root.replace("[", "?").replace("*", "?") + "**"]):
            for found in match.metadata_list:
                if found.path.startswith(root):
                    seconds = found.last_updated_in_seconds or 0.0
                    yield FoundFile(found.path, found.size_in_bytes, seconds)

    def exists(self, path: str) -> bool:
        """See `Files`."""
        return GFiles().exists(path) if gfile.in_store(path) else FileSystems.exists(path)

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """See `Files`."""
        if "://" not in path or gfile.in_store(path):
            return GFiles().open(path)
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
