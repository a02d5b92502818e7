"""Mutated JSON, flagfiles, indexes and archives: of their structure, and of any byte."""

import copy
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.faults.mutations import mutate_bytes

Random = np.random.Generator

_VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 2**31 - 1, 2**63 - 1, 10**30, -0.5, 1e308, float("nan"),
    float("inf"), "", "a", "../../x", "/etc/passwd", "\x1b[2J", "\u202e", "\ud800", "x" * 100_000,
    [], {}, [None], [[1]], {"a": 1}, ["a", 1], {"": {"": []}},
]  # fmt: skip
_WHOLE = [
    b"", b"{}", b"[]", b"[1]", b"null", b'"x"', b"3", b"{", b"[" * 200_000, b'{"a":' * 200_000,
    b"\xff\xfe\x00", b"{}" * 2, b'{"a": ' + b"9" * 100_000 + b"}",
]  # fmt: skip


def mutate_json(value: Any, rng: Random) -> bytes:
    """JSON text of a value with a few places changed, of another value, or of other bytes."""
    kind = rng.integers(10)
    if kind == 0:
        return _WHOLE[int(rng.integers(len(_WHOLE)))]
    text = json.dumps(value, indent=1).encode()
    if kind == 1:
        return mutate_bytes(text, rng)
    return json.dumps(mutate_value(value, rng), indent=1).encode()


def mutate_value(value: Any, rng: Random) -> Any:
    """The value with one to three places changed."""
    changed = copy.deepcopy(value)
    for _ in range(int(rng.integers(1, 4))):
        places = [*_places(changed)]
        if not places:
            return changed
        inside, key = places[int(rng.integers(len(places)))]
        match rng.integers(5):
            case 0:
                del inside[key]
            case 1 if isinstance(inside, dict):
                inside[str(rng.choice(["surplus", "\x1b[2J", "__class__"]))] = inside[key]
            case 2 if isinstance(inside[key], int | float) and not isinstance(inside[key], bool):
                inside[key] = inside[key] * int(rng.choice([-1, 2, 1000, 2**31]))
            case 3:
                other, name = places[int(rng.integers(len(places)))]
                inside[key] = copy.deepcopy(other.get(name) if isinstance(other, dict) else name)
            case _:
                inside[key] = copy.deepcopy(_VALUES[int(rng.integers(len(_VALUES)))])
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = [*(value.items() if isinstance(value, dict) else enumerate(value))]
    for key, item in items:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def mutate_flags(text: str, rng: Random) -> bytes:
    """A flagfile with lines changed, doubled, or of options that there are not."""
    lines = text.splitlines()
    if rng.random() < 0.2:
        return mutate_bytes(text.encode(), rng)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(lines)))
        name = lines[at].partition("=")[0]
        odd = ["", "0", "-1", "nan", "1e99", "auto", "a,b", "\x1b[2J", "x" * 10_000, "../x", "None"]
        match rng.integers(4):
            case 0:
                del lines[at]
            case 1:
                lines.insert(0, f"{name}={rng.choice(odd)}")
            case 2:
                lines[at] = str(
                    rng.choice(["--surplus=1", "words", "--", "--flagfile=config.flags"])
                )
            case _:
                lines[at] = f"{name}={rng.choice(odd)}"
        if not lines:
            break
    return "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n"


def mutate_index(path: pathlib.Path, rng: Random) -> None:
    """Rewrites an index: other columns, types, numbers, rows, names, or bytes."""
    table = pq.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    kind, name = rng.integers(8), str(rng.choice(table.column_names))
    if kind == 0:
        path.write_bytes(mutate_bytes(path.read_bytes(), rng))
        return
    if kind == 1:
        table = table.drop_columns([name])
    elif kind == 2:
        table = table.append_column("surplus", table[name])
    elif kind == 3:
        table = pa.concat_tables([table] * int(rng.choice([0, 2, 3000])) or [table.slice(0, 0)])
    elif kind == 4:
        values = pa.array([None, *columns[name][1:]], table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), table.schema.field(name), values)
    else:
        is_text = isinstance(columns[name][0], str)
        odd: list[Any] = ["", "\x1b[2J", "x" * 100_000] if is_text else [-1, 0, 99, 2**31 - 1]
        columns[name][int(rng.integers(len(table)))] = odd[int(rng.integers(len(odd)))]
        table = pa.table(columns, table.schema)
    pq.write_table(table, path)
