"""What is said of a conversion: at its end, and of its rejects."""

from collections.abc import Iterable
from typing import Any

from pipeline.console.tables import COUNT, Table, as_text, label_table
from pipeline.console.texts import bytes_text, input_text, label_kind_text, wrapped
from pipeline.doubts.division import doubts
from pipeline.sources.rejects import left_out_text, rejects_text
from tfrecords_schema import Dataset
from tfrecords_schema.labels import LabelSpec
from tfrecords_schema.names import REJECTS, join
from tfrecords_schema.schema import RecordSchema

_SHOWN_CLASSES = 20


def summary_text(dataset: Dataset, outcome: dict[str, Any]) -> str:
    """The dataset in a few lines: splits, labels, rejects, what is worth a look, where it is."""
    path, schema, splits = dataset.path, dataset.schema, dataset.manifest.splits
    rows = (
        (name, split.records, split.groups, split.steps, len(split.shards), split.size_bytes)
        for name, split in splits.items()
    )
    lines = [splits_text(rows), "", schema_text(schema, outcome.get("why", ""))]
    if (table := label_table(schema.label, splits)).rows:
        lines += ["", as_text(table)]
    if outcome["rejects"]:
        lines += ["", rejects_text(outcome["rejects"], outcome["total"])]
        lines.append(f"all of them: {join(path, REJECTS)}")
    if dataset.manifest.left_out:
        lines += ["", left_out_text(dataset.manifest.left_out)]
    if found := doubts(dataset):
        lines += ["", doubts_text(found)]
    return "\n".join([*lines, "", f"dataset: {path}"])


def doubts_text(found: Iterable[str]) -> str:
    """What is worth a look, a line or more each."""
    return "\n".join(["worth a look:", *(wrapped(f"- {doubt}") for doubt in found)])


def splits_text(rows: Iterable[tuple[str, int, int, int, int, int]]) -> str:
    """For each split its name, records, groups, steps, shards and bytes, as a table."""
    counts = dict.fromkeys(("records", "groups", "steps", "shards"), COUNT)
    return as_text(Table("Splits", {"split": None, **counts, "size": bytes_text}, [*rows]))


def schema_text(schema: RecordSchema, why: str) -> str:
    """What a record holds and what is known of it, and how that was found out; a line a label."""
    lines = [f"input: {input_text(schema.input)}"]
    reasons = iter(why.split("\n") if why else ())
    for name, label in _labels(schema):
        because = f" ({reason})" if (reason := next(reasons, "")) and label else ""
        lines.append(wrapped(f"label{name}: {label_kind_text(label)}{because}"))
    return "\n".join(lines)


def _labels(schema: RecordSchema) -> list[tuple[str, LabelSpec | None]]:
    """Each label, and its name, with a space in front, where there are several."""
    heads = schema.label.heads if schema.label else ()
    return [(f" {head.name}", head.label) for head in heads] or [("", schema.label)]


def class_names_text(schema: RecordSchema) -> str:
    """Index and name of each class, a line for each label; empty without classes."""
    lines = []
    for label, spec in _labels(schema):
        names = spec.class_names if spec else ()
        shown = ", ".join(f"{index} = {name}" for index, name in enumerate(names[:_SHOWN_CLASSES]))
        more = ", ..." if len(names) > _SHOWN_CLASSES else ""
        of = f" of{label}" if label else ""
        lines += [wrapped(f"classes{of}: {shown}{more}")] if names else []
    return "\n".join(lines)
