"""Recordings in the files of their field: ours beside the bare loop of the field's own library.

    python -m benchmarks.speed.kinds_speed [--quick] [--only=edf] [--repeats=5]

Two figures of each set, in processor seconds of all threads, of processes of their own on one
core, in turns, medians: to list and read all its recordings, as for a prediction, beside a loop of
the library's reading function; and what a recording more costs a conversion, beside the same loop
with `tf.io.TFRecordWriter`. Of conversions two sizes are compared, so that what a conversion
costs once is left out. The loops are in `benchmarks/peers/kind_loops.py`.
"""

import dataclasses
import functools
import os
import pathlib
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np

from benchmarks.harness.flags import parse_flags
from benchmarks.harness.measure import Row, against, alternately
from benchmarks.harness.processes import temporary_folder
from benchmarks.harness.tables import show
from benchmarks.harness.worker import Worker

_TARGET, _REPEATS = 0.8, 5
_RNG = np.random.default_rng(0)


def _wav(folder: pathlib.Path, name: str, secs: float, rate_hz: int) -> None:
    import soundfile

    samples = _RNG.integers(-(2**15), 2**15, round(secs * rate_hz), np.int16)
    soundfile.write(folder / f"{name}.wav", samples, rate_hz)


def _edf(folder: pathlib.Path, name: str, secs: int, rate_hz: int, channels: int) -> None:
    import edfio

    values = _RNG.normal(0, 50, (channels, secs * rate_hz))
    signals = [edfio.EdfSignal(x, rate_hz, label=f"C{i}") for i, x in enumerate(values)]
    edfio.Edf(signals).write(folder / f"{name}.edf")


def _wfdb(
    folder: pathlib.Path, name: str, secs: int, rate_hz: int, channels: int, fmt: str
) -> None:
    import wfdb

    wfdb.wrsamp(
        name, fs=rate_hz, units=["mV"] * channels, sig_name=[f"c{i}" for i in range(channels)],
        d_signal=_RNG.integers(-2000, 2000, (secs * rate_hz, channels)), fmt=[fmt] * channels,
        adc_gain=[200.0] * channels, baseline=[0] * channels, write_dir=str(folder),
    )  # fmt: skip


def _video(folder: pathlib.Path, name: str, frames: int, height: int, width: int) -> None:
    import av

    coarse = _RNG.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    image = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
    with av.open(str(folder / f"{name}.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(image, 4 * number, axis=1), "rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


@dataclasses.dataclass(frozen=True)
class _Set:
    """Recordings of one kind.

    Attributes:
      kind: of raw folder.
      count: recordings in all.
      write: writes one into a folder under a name.
    """

    kind: str
    count: int
    write: Callable[[pathlib.Path, str], None]


_SETS = {
    "wav, 0.4 s": _Set("audio", 2000, functools.partial(_wav, secs=0.4, rate_hz=8000)),
    "wav, 60 s": _Set("audio", 100, functools.partial(_wav, secs=60, rate_hz=16_000)),
    "edf, 10 min": _Set("edf", 40, functools.partial(_edf, secs=600, rate_hz=256, channels=8)),
    "edf, 10 s": _Set("edf", 400, functools.partial(_edf, secs=10, rate_hz=256, channels=8)),
    "wfdb 212, 30 min": _Set(
        "wfdb", 20, functools.partial(_wfdb, secs=1800, rate_hz=360, channels=2, fmt="212")
    ),
    "wfdb 16, 10 s": _Set(
        "wfdb", 400, functools.partial(_wfdb, secs=10, rate_hz=500, channels=12, fmt="16")
    ),
    "video, 4 s": _Set("video", 16, functools.partial(_video, frames=100, height=240, width=320)),
}


def run(quick: bool = False, only: str = "", repeats: int = _REPEATS) -> Iterator[Row]:
    """Yields two rows for each set; ten minutes."""
    for name, made in _SETS.items():
        if only in name:
            count = max(2, made.count // 20) if quick else made.count
            yield from _rows(name, dataclasses.replace(made, count=count), repeats)


def _rows(name: str, made: _Set, repeats: int) -> Iterator[Row]:
    few = max(1, made.count // 10)
    with temporary_folder() as folder, ExitStack() as stack:
        _write(folder, made, few)
        runs = {}
        for whose in ("ours", "bare"):
            for what, size in (("read", "all"), ("convert", "all"), ("convert", "few")):
                key = f"{whose}_{what} {size}"
                runs[key] = stack.enter_context(_worker(folder, made.kind, key)).step
        reports = alternately(runs, repeats)
    secs = {key: [found["cpu_secs"] for found in turns] for key, turns in reports.items()}
    for what in ("read", "convert"):
        costs = {
            whose: [
                1000 * (more - _once(secs, whose, what)) / (made.count - few * (what == "convert"))
                for more in secs[f"{whose}_{what} all"]
            ]
            for whose in ("ours", "bare")
        }
        unit = "processor ms a recording"
        yield against(f"{what} {name}", costs["ours"], costs["bare"], unit, _TARGET, turns=secs)


def _once(secs: dict[str, list[float]], whose: str, what: str) -> float:
    """What is spent on few recordings of a conversion; reading costs nothing once."""
    return statistics.median(secs[f"{whose}_{what} few"]) if what == "convert" else 0.0


def _write(folder: pathlib.Path, made: _Set, few: int) -> None:
    """Folders `all` and `few`; the second has the first recordings of the other."""
    for size in ("all", "few"):
        (folder / size).mkdir()
    for number in range(made.count):
        name = f"r{number:05d}"
        made.write(folder / "all", name)
        for path in (folder / "all").glob(f"{name}.*") if number < few else ():
            os.link(path, folder / "few" / path.name)


def _worker(folder: pathlib.Path, kind: str, key: str) -> Worker:
    way, _, size = key.partition(" ")
    output = folder / f"output_{way}_{size}"
    return Worker(
        "benchmarks.peers.kind_loops", f"--way={way}", f"--kind={kind}",
        f"--inputs={folder / size}", f"--output={output}",
    )  # fmt: skip


def main() -> int:
    """Prints the rows; returns 1 where a target is missed."""
    args = parse_flags(__doc__, quick=False, only="", repeats=_REPEATS)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = show(run(args.quick, args.only, args.repeats))
    return int(any(row.holds is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
