"""Good files of every kind of raw folder, a small recording in each format, to be damaged."""

import gzip
import pathlib
import wave
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np

from pipeline.sources.kinds import sources
from pipeline.sources.recordings.libraries import library

_HZ, _SAMPLES = 50, 400
_VALUES = np.round(np.random.default_rng(0).uniform(-90, 90, (_SAMPLES, 2)))


class Format(NamedTuple):
    """How a recording is written, and how it is read.

    Attributes:
      write: writes it into a folder; returns the names of its files.
      options: of its kind.
    """

    write: Callable[[pathlib.Path], Sequence[str]]
    options: Mapping[str, Any] = {}


def formats() -> dict[tuple[str, str], Format]:
    """Every format of every kind, by the kind and its own name.

    Raises:
      LookupError: a kind has none here, so that it would not be tried.
    """
    found = {
        (kind, name): made for kind, of_kind in _FORMATS.items() for name, made in of_kind.items()
    }
    if {*sources()} != {kind for kind, _ in found}:
        kinds = sorted({kind for kind, _ in found})
        raise LookupError(f"{sorted(sources())} are not {kinds}; add a file of each kind")
    return found


def _arrays(folder: pathlib.Path, name: str) -> Sequence[str]:
    values = {"signal": _VALUES.astype(np.float32), "label": np.arange(_SAMPLES) // 50, "fs": _HZ}
    path = folder / name
    if name.endswith(".npz"):
        (np.savez_compressed if name.startswith("small") else np.savez)(path, **values)
    elif name.endswith(".npy"):
        np.save(path, values["signal"])
    elif name.startswith("v5"):
        scipy_io = library("scipy.io", "arrays")

        scipy_io.savemat(path, values, do_compression=True)
    else:
        h5py = library("h5py", "arrays")

        with h5py.File(path, "w") as file:
            for key, value in values.items():
                packed = {"compression": "gzip"} if key == "signal" else {}
                file.create_dataset(f"group/{key}", data=value, **packed)
    return [name]


def _sound(folder: pathlib.Path, name: str) -> Sequence[str]:
    soundfile = library("soundfile", "audio")

    subtype = "FLOAT" if name.startswith("float") else None
    soundfile.write(folder / name, _VALUES.repeat(20, 0) / 100, 8000, subtype=subtype)
    return [name]


def _plain_wave(folder: pathlib.Path) -> Sequence[str]:
    with wave.open(str(folder / "plain.wav"), "wb") as file:
        file.setparams((2, 3, 8000, 0, "NONE", ""))
        file.writeframes(bytes(6 * _SAMPLES))
    return ["plain.wav"]


def _edf(folder: pathlib.Path, name: str) -> Sequence[str]:
    edfio = library("edfio", "edf")

    is_bdf = name.endswith(".bdf")
    kind, signal = (edfio.Bdf, edfio.BdfSignal) if is_bdf else (edfio.Edf, edfio.EdfSignal)
    stages = [edfio.EdfAnnotation(second, 2, "AB"[second // 2 % 2]) for second in range(0, 8, 2)]
    signals = [signal(column, _HZ, physical_range=(-100, 100)) for column in _VALUES.T]
    kind(signals, annotations=stages, data_record_duration=1).write(folder / name)
    if name.startswith("parts"):
        content = (folder / name).read_bytes().replace(b"EDF+C", b"EDF+D")
        (folder / name).write_bytes(content.replace(b"+7\x14\x14", b"+9\x14\x14"))
    return [name]


def _wfdb(folder: pathlib.Path, fmt: str) -> Sequence[str]:
    wfdb = library("wfdb", "wfdb")

    wfdb.wrsamp(
        "a", _HZ, ["mV"] * 2, ["I", "II"], _VALUES, fmt=[fmt] * 2, adc_gain=[10.0] * 2,
        baseline=[0, 0], write_dir=str(folder),
    )  # fmt: skip
    beats = np.arange(10, _SAMPLES, 40)
    wfdb.wrann("a", "atr", beats, ["N"] * len(beats), fs=_HZ, write_dir=str(folder))
    return ["a.hea", "a.dat", "a.atr"]


def _segments(folder: pathlib.Path) -> Sequence[str]:
    wfdb = library("wfdb", "wfdb")

    for name in ("s1", "s2"):
        wfdb.wrsamp(
            name, _HZ, ["mV"] * 2, ["I", "II"], _VALUES, fmt=["16"] * 2, adc_gain=[10.0] * 2,
            baseline=[0, 0], write_dir=str(folder),
        )  # fmt: skip
    lines = [f"a/2 2 {_HZ} {2 * _SAMPLES}", f"s1 {_SAMPLES}", f"s2 {_SAMPLES}"]
    (folder / "a.hea").write_text("\n".join(lines) + "\n")
    return ["a.hea", "s1.hea", "s2.dat"]


def _table(folder: pathlib.Path, name: str) -> Sequence[str]:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    x, y = _VALUES.T
    rows = np.arange(_SAMPLES)
    columns = {"id": rows // 100, "t": rows / _HZ, "x": x, "y": y, "what": (rows // 20 % 2)}
    table = pa.table(columns)
    write = pa.parquet.write_table if name.endswith("parquet") else pa.csv.write_csv
    with (
        gzip.open(folder / name, "wb") if name.endswith(".gz") else nullcontext(folder / name) as to
    ):
        write(table, to)
    return [name]


def _events(folder: pathlib.Path) -> Sequence[str]:
    _arrays(folder, "a.npz")
    rows = "".join(f"a,{second},{second + 1},{second % 2}\n" for second in range(8))
    (folder / "events.csv").write_text(f"file,start,end,label\n{rows}")
    return ["events.csv"]


def _video(folder: pathlib.Path, name: str, codec: str) -> Sequence[str]:
    av = library("av", "video")

    rng = np.random.default_rng(1)
    with av.open(str(folder / name), "w") as file:
        stream = file.add_stream(codec, rate=10)
        stream.width, stream.height = 32, 32
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(12):
            image = rng.integers(0, 256, (32, 32, 3), np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(stream.encode())
    return [name]


def _frames(folder: pathlib.Path, suffix: str) -> Sequence[str]:
    from PIL import Image

    rng = np.random.default_rng(2)
    (folder / "clip").mkdir()
    names = [f"clip/{number}.{suffix}" for number in range(3)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).save(folder / name)
    (folder / "clip" / "annotation.json").write_text('{"velocity": [0.5, 1.5, 2.5]}')
    return [*names[1:2], "clip/annotation.json"]


def _of(write: Callable[..., Sequence[str]], *names: str, **options: Any) -> dict[str, Format]:
    """A format for each name, the first argument behind the folder."""
    return {
        name: Format(lambda folder, name=name: write(folder, name), options)  # type: ignore[misc]
        for name in names
    }


_ATR = {"label_key": "atr", "window_samples": 40}
_FORMATS: dict[str, dict[str, Format]] = {
    "signals": {
        **_of(_arrays, "a.npz", "small.npz", signal_key="signal", label_key="label"),
        "gaps": Format(
            lambda folder: _arrays(folder, "a.npz"),
            {"signal_key": "signal", "rate_key": "fs", "resample_hz": 20, "non_finite": "mask"},
        ),
        "events": Format(
            _events,
            {"signal_key": "signal", "sample_rate_hz": _HZ, "events": "events.csv"},
        ),
    },
    "arrays": {
        **_of(_arrays, "a.npy"),
        **_of(_arrays, "a.h5", "v73.mat", signal_key="group/signal", label_key="group/label"),
        **_of(_arrays, "v5.mat", signal_key="signal", label_key="label"),
    },
    "audio": {
        **_of(_sound, "a.wav", "float.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", resample_hz=500),
        "plain.wav": Format(_plain_wave),
    },
    "edf": _of(
        _edf, "a.edf", "a.bdf", "parts.edf", label_key="annotations", non_finite="split"
    ),
    "wfdb": {
        **_of(_wfdb, "16", "212", "24", **_ATR),
        "segments": Format(_segments, {"non_finite": "fill"}),
    },
    "tables": {
        **_of(_table, "a.csv", "a.csv.gz", "a.parquet", time_column="t", label_key="what"),
        **_of(
            _table, "long.csv", "long.parquet", recording_column="id", time_column="t",
            resample_hz=20, non_finite="split",
        ),
    },
    "video": {
        name: Format(lambda folder, name=name, codec=codec: _video(folder, name, codec))  # type: ignore[misc]
        for name, codec in {"a.mp4": "mpeg4", "a.avi": "mjpeg", "a.mkv": "ffv1"}.items()
    },
    "image_folders": _of(
        _frames, "jpg", "png", "webp", "bmp", "tif", "gif", "ppm", label_key="velocity"
    ),
}  # fmt: skip
