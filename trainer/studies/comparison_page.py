"""The page of a comparison."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Mapping, Sequence

import tensorflow as tf

from pipeline.console import page
from pipeline.console.tables import Table
from tfrecords_schema.errors import UserError
from tfrecords_schema.places import gfile
from trainer.metrics.table import headline
from trainer.studies import paired_tables
from trainer.studies.comparison_place import mark
from trainer.studies.paired import Comparison
from trainer.studies.paired_figures import difference_pictures, group_picture


def write_page(
    path: str,
    runs: Sequence[str],
    split: str,
    warnings: Sequence[str],
    comparisons: Mapping[str, Comparison],
    paper: str,
) -> str:
    """Writes the page, and says where it is.

    Raises:
      UserError: it cannot be written there.

    Args:
      path: from `place_of_page`.
      runs: folders of the runs as they were given, the first first.
      split: that is compared.
      warnings: why figures of some runs are not to be believed.
      comparisons: by the second run's name, each with the first.
      paper: see `page.write`.
    """
    try:
        gfile.makedirs(posixpath.dirname(path) or ".")
        return page.write(
            path,
            "trainer.studies",
            "comparison.html",
            paper,
            mark=mark(runs, split),
            first=runs[0],
            warnings=warnings,
            about={"first": runs[0], **{f"run {i + 2}": run for i, run in enumerate(runs[1:])}},
            parts=[
                {
                    "name": name,
                    "metric": headline(found.metrics),
                    "difference": found.metrics[headline(found.metrics)],
                    "differences": difference_pictures(found),
                    "groups": group_picture(found),
                    "tables": [
                        _named(table, name, len(comparisons))
                        for table in paired_tables.all_tables(found)
                    ],
                }
                for name, found in comparisons.items()
            ],
        )
    except tf.errors.OpError as error:
        raise UserError(f"the page cannot be written to {path}: {error.message}") from error


def _named(table: Table, name: str, comparisons: int) -> Table:
    """Says of which run a table is, where there are several."""
    if comparisons == 1:
        return table
    return dataclasses.replace(table, title=f"{table.title}, {name}")
