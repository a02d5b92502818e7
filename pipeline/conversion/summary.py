"""What is said of a conversion: at its end, and of its rejects."""

import textwrap
from collections.abc import Sequence
from typing import Any

from pipeline.sources.rejects import rejects_text
from tfrecords_schema.manifest import Manifest, SplitEntry
from tfrecords_schema.names import REJECTS, join
from tfrecords_schema.schema import RecordSchema

_HEADER = ("split", "records", "groups", "steps", "MB", "shards")
_SHOWN_CLASSES = 20
_WIDTH = 79


def summary_text(path: str, manifest: Manifest, outcome: dict[str, Any]) -> str:
    """The dataset in a few lines: splits, labels, rejects, where it is."""
    rows = [_HEADER, *(_row(name, entry) for name, entry in manifest.splits.items())]
    schema = manifest.schema
    lines = [table(rows), "", input_text(schema), label_text(schema, outcome.get("why", ""))]
    if classes := _classes_text(manifest):
        lines += ["", classes]
    if outcome.get("zeroed_values"):
        values, records = outcome["zeroed_values"], outcome["zeroed_records"]
        lines.append(f"{values:,} values in {records:,} records were not finite and are 0")
    if outcome["rejects"]:
        lines += ["", rejects_text(outcome["rejects"], outcome["total"])]
        lines.append(f"all of them: {join(path, REJECTS)}")
    return "\n".join([*lines, "", f"dataset: {path}"])


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows in columns, the header first."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(_cells(row, widths)).rstrip() for row in rows)


def _row(name: str, entry: SplitEntry) -> tuple[str, ...]:
    return (
        name,
        f"{entry.records:,}",
        f"{entry.groups:,}",
        f"{entry.steps:,}",
        f"{entry.size_bytes / 1e6:,.1f}",
        str(len(entry.shards)),
    )


def _classes_text(manifest: Manifest) -> str:
    """How often each class occurs in each split; empty without classes."""
    label = manifest.schema.label
    if label is None or label.kind != "class":
        return ""
    rows = [("class", *manifest.splits)]
    for index, name in enumerate(label.class_names[:_SHOWN_CLASSES]):
        counts = (entry.class_counts.get(name, 0) for entry in manifest.splits.values())
        rows.append((f"{index} = {name}", *(f"{count:,}" for count in counts)))
    more = len(label.class_names) - _SHOWN_CLASSES
    return table(rows) + (f"\nand {more} more classes" if more > 0 else "")


def _cells(row: tuple[str, ...], widths: list[int]) -> list[str]:
    """Names to the left, numbers to the right."""
    return [
        text.rjust(width) if column else text.ljust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    ]


def input_text(schema: RecordSchema) -> str:
    """What a record holds, in a line."""
    spec = schema.input
    shape = ", ".join(["time", *map(str, spec.step_shape)])
    return f"{spec.kind}: {spec.dtype} [{shape}]"


def label_text(schema: RecordSchema, why: str) -> str:
    """What is known of each record, how it was found out, and the classes."""
    spec = schema.label
    if spec is None:
        return "label: none"
    because = f" ({why})" if why else ""
    if spec.kind == "value":
        return _wrapped(f"label: {spec.dtype} {list(spec.shape)} per {spec.per}{because}")
    return _wrapped(f"label: one of {len(spec.class_names)} classes per {spec.per}{because}")


def class_names_text(schema: RecordSchema) -> str:
    """Index and name of each class; empty without classes."""
    names = schema.label.class_names if schema.label else ()
    shown = ", ".join(f"{index} = {name}" for index, name in enumerate(names[:_SHOWN_CLASSES]))
    more = ", ..." if len(names) > _SHOWN_CLASSES else ""
    return _wrapped(f"classes: {shown}{more}") if names else ""


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
