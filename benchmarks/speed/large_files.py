"""Peak memory and time to read a little out of one file that is larger than memory.

    python -m benchmarks.speed.large_files [--gb=10] [--only=csv] [--limit_mb=200]

Makes one file of so many GB of each kind that can be read in places, and reads from it as a
conversion does, in a process of its own: of sound and EDF the last ten seconds (`--from_secs`), of
long tables, which are listed first, the first, the middle and the last recording. Sound and EDF
are files of holes, which take no space on the disk; tables do, one after the other. Fails where a
process takes more than `--limit_mb` above one that reads a small file of the same kind.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import dataclasses
import math
import os
import pathlib
import struct
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import finish, fork, peak_mb, temporary_folder
from benchmarks.harness.tables import print_table
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source, sources
from pipeline.sources.source import InputFile

_RATE_HZ, _CHANNELS, _ROWS = 1000, 4, 50_000
_SECOND_BYTES, _LAST_SECS = 2 * _CHANNELS * _RATE_HZ, 10.0


@dataclasses.dataclass(frozen=True)
class _Kind:
    """How a large file is made and read.

    Attributes:
      source: kind of raw folder.
      name: of the file.
      write: writes it, of about so many bytes.
      recording_column: of a table; empty for sound and EDF.
    """

    source: str
    name: str
    write: Callable[[pathlib.Path, int], None]
    recording_column: str = ""

    def options(self, size: int) -> dict[str, Any]:
        """What is read of a file of so many bytes."""
        if self.recording_column:
            return {"recording_column": self.recording_column}
        secs = size // _SECOND_BYTES
        return {"from_secs": max(0.0, secs - _LAST_SECS), "to_secs": float(secs)}


def _w64(path: pathlib.Path, size: int) -> None:
    """16 bit sound; the sizes in the header of a short file are made long."""
    import soundfile

    soundfile.write(path, np.zeros((1, _CHANNELS), np.int16), _RATE_HZ)
    content = bytearray(path.read_bytes())
    start = content.index(b"data") + 24  # Behind the chunk's GUID and its size.
    content[16:24] = struct.pack("<q", start + size)
    content[start - 8 : start] = struct.pack("<q", size + 24)
    path.write_bytes(content[:start])
    os.truncate(path, start + size)


def _edf(path: pathlib.Path, size: int) -> None:
    import edfio

    signals = [
        edfio.EdfSignal(np.zeros(_RATE_HZ), _RATE_HZ, label=f"C{i}", physical_range=(-1, 1))
        for i in range(_CHANNELS)
    ]
    edfio.Edf(signals).write(path)
    start, records = 256 * (_CHANNELS + 1), size // _SECOND_BYTES
    with path.open("r+b") as file:
        file.seek(236)
        file.write(str(records).ljust(8).encode())
        file.truncate(start + records * _SECOND_BYTES)


def _csv(path: pathlib.Path, size: int) -> None:
    values = np.random.default_rng(0).normal(size=(_ROWS, _CHANNELS)).round(5)
    rows = "".join(f"RECORD,{','.join(map(str, row))}\n" for row in values.tolist()).encode()
    with path.open("wb") as file:
        file.write(b"id,a,b,c,d\n")
        for number in range(max(1, size // len(rows))):
            file.write(rows.replace(b"RECORD", f"{number:06d}".encode()))


def _parquet(path: pathlib.Path, size: int, group_recordings: int = 20) -> None:
    import pyarrow
    import pyarrow.parquet

    values = np.random.default_rng(0).normal(size=(_CHANNELS, _ROWS * group_recordings))
    count = max(1, size // values.nbytes)
    schema = pyarrow.schema({"id": "int64", **dict.fromkeys("abcd", "float64")})
    with pyarrow.parquet.ParquetWriter(path, schema, compression="none") as writer:
        for group in range(count):
            ids = np.repeat(np.arange(group_recordings) + group * group_recordings, _ROWS)
            table = pyarrow.table([ids, *values], schema=schema)
            writer.write_table(table, row_group_size=len(ids))


_KINDS = {
    "w64": _Kind("audio", "a.w64", _w64),
    "edf": _Kind("edf", "a.edf", _edf),
    "csv": _Kind("tables", "a.csv", _csv, "id"),
    "parquet": _Kind("tables", "a.parquet", _parquet, "id"),
}


def main() -> int:
    """Makes and reads the files, and prints the table; returns 1 where one takes too much."""
    args = parse_flags(__doc__, gb=10.0, only="", limit_mb=200.0)
    rows, exceeds = [], False
    for name, kind in _KINDS.items():
        if args.only not in name:
            continue
        (quiet_mb, _, _), (peak, size_bytes, secs) = (
            _measure(kind, size) for size in (10**7, int(args.gb * 1e9))
        )
        rows.append((name, f"{size_bytes / 1e9:.2f}", f"{peak - quiet_mb:.0f}", f"{secs:.1f}"))
        exceeds |= peak - quiet_mb > args.limit_mb
    print_table(("file", "GB", "MB above a small one", "secs"), rows)
    return int(exceeds)


def _measure(kind: _Kind, size: int) -> tuple[float, int, float]:
    """Peak MB of a process that reads from a file, the file's bytes, and the process's seconds."""
    with temporary_folder() as folder:
        path, log = folder / "in" / kind.name, folder / "log"
        path.parent.mkdir()
        finish(fork(lambda: kind.write(path, size) or 0, log), log, math.inf)
        options = kind.options(size)
        started = time.monotonic()
        code, peak = peak_mb(fork(lambda: _read(kind.source, path.parent, options), log))
        if code:
            raise SystemExit(log.read_text())
        return peak, path.stat().st_size, time.monotonic() - started


def _read(name: str, folder: pathlib.Path, options: Mapping[str, Any]) -> int:
    made = sources()[name].options_kind()(str(folder), "", "large", **options)
    source = make_source(made, GFiles())
    found = [file.path for file in source.list_inputs() if isinstance(file, InputFile)]
    for path in {found[0], found[len(found) // 2], found[-1]}:
        described, raw = source.describe(path), source.read(path)
        assert len(raw.data) == described.steps
    return 0


if __name__ == "__main__":
    sys.exit(main())
