"""The pictures and tables of a page as files beside it, for a paper.

What a template shows is noted while the page is put together, so nothing has to be listed for it.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.console.figures import Picture
from pipeline.console.table_files import csv_text, latex_text
from pipeline.console.tables import Table
from tfrecords_schema.errors import UserError
from tfrecords_schema.names import join
from tfrecords_schema.places import gfile
from tfrecords_schema.storage import read, remove, replace_tree, temporary_path

_ABOUT = "about.txt"
_OURS = "The pictures and tables of a page; it replaces this folder when it is written again.\n"
_IMAGE = re.compile(r'<img\b[^>]*? src="([^"]*)"[^>]*? alt="([^"]*)"')
_MOST_LETTERS = 60  # Of a name: four bytes each, and a file system takes 255.


class Exhibits:
    """What one page shows."""

    def __init__(self) -> None:
        self._tables: list[Table] = []
        self._pictures: dict[str, Picture] = {}

    def finalize(self, value: Any) -> Any:
        """Notes a picture that a template puts into the page; everything else passes."""
        if isinstance(value, Picture):
            self._pictures[str(value)] = value
        return value

    def table(self, table: Table) -> str:
        """Notes a table; adds nothing to the page."""
        self._tables.append(table)
        return ""

    def pairs(self, title: str, values: Mapping[str, Any]) -> str:
        """Notes names with their values, likewise."""
        return self.table(Table(title, {"name": None, "value": None}, [*values.items()]))

    def files(self, text: str, formats: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Paths and contents of all files; the titles of pictures are what stands in their place.

        Args:
          text: of the page.
          formats: of the pictures, `svg` or `pdf`; without any there are no files.
        """
        titles = {source: html.unescape(title) for source, title in _IMAGE.findall(text)}
        pictures = [(titles.get(source, "picture"), p) for source, p in self._pictures.items()]
        for name, (_, picture) in zip(_names([t for t, _ in pictures]), pictures, strict=True):
            for image_format in formats:
                yield f"figures/{name}.{image_format}", picture.content(image_format)
        if formats:
            names = _names([table.name or table.title for table in self._tables])
            for name, table in zip(names, self._tables, strict=True):
                yield f"tables/{name}.csv", csv_text(table).encode("utf-8", "backslashreplace")
                yield f"tables/{name}.tex", latex_text(table).encode("utf-8", "backslashreplace")


def folder_of(page: str) -> str:
    """Where the files of a page are: `report_paper` beside `report.html`."""
    return f"{posixpath.splitext(page)[0]}_paper"


def replace_files(folder: str, files: Sequence[tuple[str, bytes]]) -> None:
    """Makes a folder hold these files and no others; without any it is removed.

    Raises:
      UserError: something else is there, which is left as it is.
    """
    if gfile.exists(folder) and (read(join(folder, _ABOUT)) or b"") != _OURS.encode():
        if files:
            raise UserError(
                f"the page's pictures and tables belong in {folder}, where something else is; move "
                "that away, or leave out --paper"
            )
        return
    if not files:
        remove(folder)
        return
    written = temporary_path(folder)
    try:
        for path, content in ((_ABOUT, _OURS.encode()), *files):
            place = join(written, path)
            gfile.makedirs(posixpath.dirname(place))
            with gfile.open_file(place, "wb") as file:
                file.write(content)
        replace_tree(written, folder)
    finally:
        remove(written)


def _names(titles: Sequence[str]) -> Iterator[str]:
    """Names of files: lower case letters, digits and dashes of the titles, each name once."""
    used: set[str] = set()
    for title in titles:
        slug = re.sub(r"[\W_]+", "-", title.lower())[:_MOST_LETTERS].strip("-") or "untitled"
        name, number = slug, 1
        while name in used:
            number += 1
            name = f"{slug}-{number}"
        used.add(name)
        yield name
