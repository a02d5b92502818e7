"""Damaged files of every kind of raw folder: each is read or rejected, quickly, in bounded memory.

    python -m benchmarks.faults.fuzz_kinds [--inputs=100] [--seed=0] [--only=edf]

Of each format (`kind_files.py`) a good file is damaged in so many ways: cut, bytes changed,
repeated or removed. It is listed, described and read as a conversion does. Counted as violations:
anything else than a record that is as described or a reject with a reason; a library that ends the
process; an input that takes more than 10 s; and 400 MB more than the good file takes
(--max_record_mib=64).

Exits with 1 after a violation; `--keep` names a folder that takes the files of those.
"""

from pipeline.console import quiet

quiet.start(gpu=False)

import json
import pathlib
import shutil
import sys
import time
import traceback

import numpy as np

from benchmarks.faults.kind_files import Format, formats
from benchmarks.faults.mutations import mutate_bytes
from benchmarks.harness.flags import parse_flags
from benchmarks.harness.processes import fork, peak_mb, temporary_folder
from benchmarks.harness.tables import Counts, report_by
from pipeline.console.errors import RejectedInputError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds import make_source, sources
from pipeline.sources.source import InputFile, Source
from tfrecords_schema.errors import UserError

_LIMIT_SECS, _BATCH_LIMIT_SECS, _LIMIT_MB, _RECORD_MIB = 10.0, 300.0, 400.0, 64.0
_COLUMNS = ("damaged", "read", "rejected", "slowest, ms", "MB above quiet")


def main(argv: list[str]) -> int:
    """Damages all formats and prints the table."""
    args = parse_flags(__doc__, argv, inputs=100, seed=0, only="", keep="")
    counts: dict[str, Counts] = {}
    for (kind, name), made in formats().items():
        if args.only in ("", kind):
            counts[f"{kind} {name}"] = run_format(kind, made, args.inputs, args.seed, args.keep)
    return report_by("format", counts, _COLUMNS)


def run_format(kind: str, made: Format, inputs: int, seed: int, keep: str = "") -> Counts:
    """Damages one format in a process of its own; what came of it."""
    counts = Counts()
    with temporary_folder() as root:
        code, quiet_mb = _process(root / "quiet", kind, made, 0, seed)
        if code:
            raise SystemExit((root / "quiet" / "log").read_text())
        code, most_mb = _process(root / "all", kind, made, inputs, seed)
        found = json.loads((root / "all" / "counts").read_text())
        counts.update({name: found[name] for name in ("damaged", "read", "rejected")})
        counts["slowest, ms"] = round(1000 * found["slowest"])
        counts["MB above quiet"] = max(0, round(most_mb - quiet_mb))
        counts.violation("ended or hung", code != 0, root / "all" / "log")
        counts.violation("fault", found["faults"], root / "all" / "log")
        counts.violation("slow", found["slowest"] > _LIMIT_SECS)
        counts.violation("memory", most_mb - quiet_mb > _LIMIT_MB)
        if keep and counts.violations:
            shutil.copytree(root / "all", pathlib.Path(keep, f"{kind}-{seed}"))
    return counts


def _process(
    folder: pathlib.Path, kind: str, made: Format, inputs: int, seed: int
) -> tuple[int, float]:
    folder.mkdir()

    def work() -> int:
        damage(folder, kind, made, inputs, seed)
        return 0

    pid = fork(work, folder / "log")
    return peak_mb(pid, _BATCH_LIMIT_SECS)


def damage(
    folder: pathlib.Path, kind: str, made: Format, inputs: int, seed: int
) -> dict[str, float]:
    """Damages a file again and again; writes counts before each, as it may be the last.

    Returns:
      What came of it.

    Raises:
      RuntimeError: the good file is not read.
    """
    inside = folder / "in"
    inside.mkdir()
    names = made.write(inside)
    whole = {name: (inside / name).read_bytes() for name in names}
    options = {**made.options, "max_record_mib": _RECORD_MIB}
    if "events" in options:
        options["events"] = str(inside / options["events"])
    source_options = sources()[kind].options_kind()(str(inside), "", "fuzz", **options)
    counts = {"damaged": 0, "read": 0, "rejected": 0, "faults": 0, "slowest": 0.0}
    reasons = _read_all(make_source(source_options, GFiles()))
    if any(reasons) or not reasons:
        raise RuntimeError(f"the good file of {kind} is rejected: {reasons}")
    for number in range(inputs):
        rng = np.random.default_rng([seed, number])
        name = names[number % len(names)]
        (inside / name).write_bytes(_damaged(whole[name], rng))
        counts["damaged"] += 1
        (folder / "counts").write_text(json.dumps(counts | {"faults": counts["faults"] + 1}))
        started = time.monotonic()
        try:
            reasons = _read_all(make_source(source_options, GFiles()))
            counts["rejected" if any(reasons) or not reasons else "read"] += 1
        except UserError:  # A table for all inputs refuses all of them.
            counts["rejected"] += 1
        except Exception:
            counts["faults"] += 1
            traceback.print_exc()
            (folder / f"fault-{number}-{pathlib.Path(name).name}").write_bytes(
                (inside / name).read_bytes()
            )
        counts["slowest"] = max(counts["slowest"], time.monotonic() - started)
        (inside / name).write_bytes(whole[name])
    (folder / "counts").write_text(json.dumps(counts))
    return counts


def _damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Half of the time only a few bytes, so that what is behind the first check is reached."""
    if rng.random() < 0.5:
        return mutate_bytes(content, rng)
    data = bytearray(content)
    end = len(data) if rng.random() < 0.5 else min(len(data), 1024)
    for place in rng.integers(0, end, rng.integers(1, 4)):
        data[place] = rng.integers(0, 256)
    return bytes(data)


def _read_all(source: Source) -> list[str]:
    """For each input why it is rejected; empty of one that was read as described."""
    reasons = []
    for file in source.list_inputs():
        if not isinstance(file, InputFile):
            continue
        reasons.append(file.problem)
        if file.problem or not file.size_bytes:
            continue
        try:
            described, raw = source.describe(file.path), source.read(file.path)
        except RejectedInputError as error:
            reasons[-1] = str(error)
            continue
        assert described.size_bytes <= _RECORD_MIB * 2**20
        assert len(raw.data) == described.steps
        assert raw.checksum == described.checksum
        if isinstance(raw.data, np.ndarray):
            assert (raw.data.dtype.name, raw.data.shape[1:]) == (
                described.dtype,
                described.step_shape,
            )
    return reasons


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
