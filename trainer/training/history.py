"""`metrics.jsonl`: a line for each epoch."""

import json
import math
from typing import Any

from tfrecords_schema import storage


def cut(path: str, epochs: int) -> None:
    """Keeps the lines of the first epochs: those after the checkpoint are trained again."""
    content = storage.read(path)
    if content is not None:
        storage.atomic_write(path, b"".join(content.splitlines(keepends=True)[:epochs]))


def append(path: str, line: dict[str, Any]) -> None:
    """Adds the line of an epoch."""
    measured = {name: line[name] and _finite(line[name]) for name in ("train", "validation")}
    storage.append(path, json.dumps({**line, **measured}) + "\n")


def _finite(figures: dict[str, float]) -> dict[str, float | None]:
    """Null for what is not finite, which JSON cannot say."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
