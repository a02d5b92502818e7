"""One kind of object store (`s3://`, `gs://`, ...), through fsspec and its client for that kind.

A store has no folders, only keys with slashes in them; an object appears whole when its last byte
was taken, and cannot be appended to, nor renamed but by a copy.
"""

import datetime
import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tfrecords_schema.places.store_error import StoreError
from tfrecords_schema.places.tries import Answer, tried

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
# The client of S3 tries five times at most by itself; the library below it need not as well.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": 10,
            "read_timeout": 60,
            "retries": {"total_max_attempts": 1},
        }
    }
}
_LOCAL = "local"  # Of fsspec: files with links, of which a store knows nothing.
_VERSION = "?versionId="  # The client of S3 takes it, and what is behind, for no part of a name.
_TIMES = ("LastModified", "mtime", "updated", "last_modified", "modified", "created")


class About(NamedTuple):
    """Of an object: its path, its size in bytes, and when it was written, in ns."""

    path: str
    length: int
    mtime_nsec: int


class Store:
    """The objects of one kind of store; all paths have their scheme."""

    def __init__(self, scheme: str):
        """Prepares.

        Raises:
          StoreError: there is none, or its client is not installed, or cannot be imported.
        """
        self._scheme = scheme
        if scheme == _LOCAL:
            raise StoreError(f"{scheme}:// is of local files; give the path alone")
        try:
            importlib.import_module("fsspec").get_filesystem_class(scheme)
        except ImportError as error:
            extra = _EXTRAS.get(scheme)
            cure = f"pip install 'variable-length-training[{extra}]'" if extra else "install it"
            raise StoreError(f"{scheme}:// needs a client ({error}); {cure}") from error
        except ValueError as error:
            raise StoreError(f"{scheme}://: {error}; give a local path, s3:// or gs://") from error

    def _try(self, path: str, action: Callable[[Any], Answer]) -> Answer:
        """Tries an action of the client; that is made anew in each process, and kept by fsspec."""
        self._require_one_place(path)
        fsspec = importlib.import_module("fsspec")
        options = _OPTIONS.get("s3" if self._scheme == "s3a" else self._scheme, {})

        def once() -> Answer:
            client = fsspec.filesystem(self._scheme, use_listings_cache=False, **options)
            return action(client)

        return tried(path, once)

    def _require_one_place(self, path: str) -> None:
        """Refuses a path that clients read, list and remove as different ones.

        Raises:
          StoreError: it is one.
        """
        bucket, _, key = path.partition("://")[2].partition("/")
        problem = ""
        if not {".", ".."}.isdisjoint(key.split("/")):
            problem = "a store has no folder above or beside another, so . and .. lead nowhere"
        elif self._scheme in _EXTRAS and (not bucket or key.startswith("/")):
            problem = "expected the name of a bucket, and of what is in it, with one / between"
        elif _EXTRAS.get(self._scheme) == "s3" and _VERSION in key:
            problem = f"no name with {_VERSION} can be told from the version of another"
        if problem:
            raise StoreError(f"{path}: {problem}; give, or rename it to, another")

    def stat(self, path: str) -> About:
        """What is known of an object."""
        return self._about(path, self._try(path, lambda client: client.info(path)))

    def is_folder(self, path: str) -> bool | None:
        """Whether there are objects below; None if there is nothing, nor an object of the name."""

        def kind(client: Any) -> bool | None:
            try:
                return client.info(path)["type"] == "directory"
            except FileNotFoundError:
                return None

        return self._try(path, kind)

    def names(self, folder: str) -> list[str]:
        """Names of objects and folders directly below a folder."""
        own = folder.partition("://")[2].strip("/")
        found = self._try(folder, lambda client: client.ls(folder, detail=True))
        paths = (entry["name"].strip("/") for entry in found)
        return sorted({path.rpartition("/")[2] for path in paths if path != own})

    def below(self, folder: str) -> Iterator[About]:
        """All objects below a folder, in any depth; consoles make empty ones that end in `/`."""
        found = self._try(folder, lambda client: client.find(folder, detail=True))
        for name, entry in found.items():
            if entry["type"] == "file" and not name.endswith("/"):
                yield self._about(f"{self._scheme}://{name}", entry)

    def read(self, path: str, start: int, end: int) -> bytes:
        """The bytes `[start, end)` of an object."""

        def piece(client: Any) -> bytes:
            content = client.cat_file(path, start=start, end=end)
            if len(content) != end - start:
                raise ConnectionError(f"got {len(content)} of {end - start} bytes")
            return content

        return self._try(path, piece)

    def put(self, local: str, path: str) -> None:
        """Makes an object of a local file; one of that name is replaced."""
        self._try(path, lambda client: client.put_file(local, path))

    def copy(self, source: str, path: str) -> None:
        """Copies an object within the store."""
        self._try(source, lambda client: client.cp_file(source, path))

    def remove(self, path: str) -> None:
        """Removes an object, if there is one: an earlier try may have had no answer."""

        def gone(client: Any) -> None:
            try:
                client.rm_file(path)
            except FileNotFoundError:
                return

        self._try(path, gone)

    def _about(self, path: str, entry: dict[str, Any]) -> About:
        written = next(filter(None, map(entry.get, _TIMES)), 0)
        if isinstance(written, str):
            written = datetime.datetime.fromisoformat(written)
        if isinstance(written, datetime.datetime):
            written = written.timestamp()
        return About(path, int(entry["size"] or 0), int(written * 1e9))
