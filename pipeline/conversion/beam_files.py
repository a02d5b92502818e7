"""Raw files through Beam's file systems."""

import posixpath
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from pipeline.sources.files import FoundFile, local_files


class BeamFiles:
    """Every file system that Beam knows; implements `Files`."""

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
        root = posixpath.join(folder, "")  # Elsewhere the whole listing is in memory.
        # A `[` in the folder's name would start a character class; `?` matches it, too.
        for match in FileSystems.match([root.replace("[", "?").replace("*", "?") + "**"]):
            for found in match.metadata_list:
                is_left_out = self._left_out and found.path.startswith(f"{self._left_out}/")
                if found.path.startswith(root) and not is_left_out:
                    seconds = found.last_updated_in_seconds or 0.0
                    yield FoundFile(found.path, found.size_in_bytes, seconds)

    def exists(self, path: str) -> bool:
        """See `Files`."""
        return FileSystems.exists(path)

    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """See `Files`."""
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
