"""What a file declares is not believed, what changes is noticed, what is named badly is told."""

import io
import json
import os
import pathlib
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.gfiles import GFiles
from pipeline.sources.kinds.signals import SignalOptions, SignalSource
from tests.pipeline.conversions import (
    Converter,
    Folders,
    hashes,
    read_records,
    rejects,
    write_npz,
    write_recordings,
)
from tfrecords_schema import open_dataset

_MIB = 1 << 20
_TRAIN = "--splits=train=1"


def _npy(array: np.ndarray, header: str = "") -> bytes:
    """An npy file; with a header that may say anything of the array."""
    content = io.BytesIO()
    if not header:
        np.lib.format.write_array(content, array)
        return content.getvalue()
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + array.tobytes()


def _zip(path: pathlib.Path, compression: int = zipfile.ZIP_STORED, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def _declared(shape: str) -> bytes:
    return _npy(np.zeros(8), f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}")


def _huge_shape(path: pathlib.Path) -> None:
    _zip(path, signal=_declared("(1000000000000, 3)"))


def _shape_beyond_int64(path: pathlib.Path) -> None:
    _zip(path, signal=_declared(f"(0, {10**40})"))


def _nested_header(path: pathlib.Path) -> None:
    _zip(path, signal=_declared("(" * 60))


def _zeros(path: pathlib.Path) -> None:
    np.savez_compressed(path, signal=np.zeros(65 * _MIB // 8))


def _unpacks_to_more_than_it_says(path: pathlib.Path) -> None:
    _zip(path, zipfile.ZIP_DEFLATED, signal=_npy(np.zeros(_MIB * 32)))
    content = path.read_bytes()
    sizes = len(_npy(np.zeros(_MIB * 32))).to_bytes(4, "little")
    path.write_bytes(content.replace(sizes, (256).to_bytes(4, "little")))


def _large_directory(path: pathlib.Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(60_000):
            archive.writestr(f"{number:06d}" * 4, b"")


def _other_compression(path: pathlib.Path) -> None:
    _zip(path, zipfile.ZIP_BZIP2, signal=_npy(np.zeros(_MIB)))


def _no_characters(path: pathlib.Path) -> None:
    text = "{'descr': '>U2', 'fortran_order': False, 'shape': ()}"
    label = _npy(np.array([97, 0x110000], ">u4"), text)
    _zip(path, signal=_npy(np.zeros((3, 2))), label=label)


_BOMBS = [
    (_huge_shape, "the header announces 24000000000128 bytes"),
    (_shape_beyond_int64, "the header announces 128 bytes, the file holds 192"),
    (_nested_header, "damaged or not readable"),
    (_zeros, "array 'signal' has 68157568 bytes, more than --max_record_mib=64 MiB; cut it into"),
    (_unpacks_to_more_than_it_says, "Bad CRC-32"),
    (_large_directory, "its zip directory has 4200000 bytes, more than 4194304"),
    (_no_characters, "not readable (a character of number 1114112, beyond Unicode); copy it"),
    (_other_compression, "zip feature that npz files do not use (array 'signal': compression 12)"),
]


@pytest.mark.parametrize(("make", "message"), _BOMBS)
def test_a_bomb_is_rejected_in_little_memory(
    folders: Folders, make: Callable[[pathlib.Path], None], message: str
) -> None:
    make(folders.inputs / "bomb.npz")
    options = SignalOptions(str(folders.inputs), "", "test", max_record_mib=64)
    source = SignalSource(options, GFiles())
    tracemalloc.start()
    with pytest.raises(RejectedInputError) as error:
        source.describe("bomb.npz")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message in str(error.value)
    assert peak_bytes < 1_000_000


def test_no_member_is_unpacked_beyond_the_size_that_it_declares(folders: Folders) -> None:
    # The header fits the declared size; behind it the stream goes on for 256 MiB.
    small = _npy(np.zeros(16))
    packed = zlib.compressobj(wbits=-15)
    stream = packed.compress(small + bytes(256 * _MIB)) + packed.flush()
    path = folders.inputs / "bomb.npz"
    _zip(path, zipfile.ZIP_DEFLATED, signal=bytes(len(stream)))
    info = zipfile.ZipFile(path).infolist()[0]
    start = len(info.FileHeader())
    directory = bytearray(path.read_bytes()[start + info.compress_size :])
    for offset, value in ((16, zlib.crc32(small)), (20, len(stream)), (24, len(small))):
        directory[offset : offset + 4] = value.to_bytes(4, "little")
    directory[-6:-2] = (start + len(stream)).to_bytes(4, "little")
    path.write_bytes(path.read_bytes()[:start] + stream + bytes(directory))
    source = SignalSource(SignalOptions(str(folders.inputs), "", "test"), GFiles())
    tracemalloc.start()
    assert (source.read("bomb.npz").data == np.zeros((16, 1))).all()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2_000_000


def test_padding_counts_for_the_limit(folders: Folders, converter: Converter) -> None:
    write_npz(folders, "short", signal=np.ones(3, np.float32))
    outcome = converter.run("--window_samples=1000000000", "--tail=pad", _TRAIN)
    assert "cut and padded, has 4000000000 bytes, more than --max_record_mib=1024" in outcome.text


@pytest.mark.parametrize("flags", [(), ("--group_regex=^[a-z]*",)])
def test_what_is_odd_in_a_folder_stops_nothing(
    folders: Folders, converter: Converter, flags: tuple[str, ...]
) -> None:
    write_recordings(folders, 8)
    signal = np.ones((3, 2), np.float32)
    label = np.array([0, 1, 0])
    (folders.inputs / "loop").symlink_to(folders.inputs)
    (folders.inputs / "nowhere.npz").symlink_to(folders.inputs / "missing")
    (folders.inputs / "itself.npz").symlink_to(folders.inputs / "itself.npz")
    os.mkfifo(folders.inputs / "pipe.npz")
    os.rename(
        write_npz(folders, "latin", signal=signal, label=label),
        os.fsencode(folders.inputs) + b"/caf\xe9.npz",
    )
    write_npz(folders, "new\nline", signal=signal, label=label)
    write_npz(folders, "a\\..\\..\\up", signal=signal, label=label)
    dataset = converter.dataset(_TRAIN, "--max_rejected_fraction=0.5", *flags)
    found = {reject["path"]: reject["reason"] for reject in rejects(dataset)}
    assert "not UTF-8; rename it" in found.pop("caf\\udce9.npz")
    assert "it is empty; remove it" in found.pop("pipe.npz")
    assert "it is empty; remove it" in found.pop("nowhere.npz")
    assert "it is empty; remove it" in found.pop("itself.npz")
    assert found == {"new\nline.npz": "id 'new\\nline' is no name: expected one line of at most "
                     "1000 characters of valid Unicode; repair it"}  # fmt: skip
    assert len(read_records(dataset)) == 9


_NAMES = {
    "lone surrogate": (np.array("\ud800"), "class '\\ud800' is no name: expected one line"),
    "line break": (np.array("a\nb"), "class 'a\\nb' is no name"),
    "empty": (np.array(""), "class '' is empty, or has spaces around it; name it, or remove"),
    "space": (np.array("a "), "class 'a ' is empty, or has spaces around it; name it, or remove"),
    "long": (np.array("a" * 2000), "is no name: expected one line of at most 1000 characters"),
    "beyond int64": (np.array(2**63 + 1, np.uint64), "class 9223372036854775809 is beyond int64"),
}


@pytest.mark.parametrize("form", ["U", "u8"])
def test_a_class_that_cannot_be_stored_is_rejected(
    folders: Folders, converter: Converter, form: str
) -> None:
    bad = {name: found for name, found in _NAMES.items() if found[0].dtype.kind == form[0]}
    good = {f"good {number}": np.array(number).astype(form) for number in range(len(bad) + 1)}
    for name, label in [*good.items(), *((name, label) for name, (label, _) in bad.items())]:
        write_npz(folders, name, signal=np.ones((3, 2)), label=label)
    found = rejects(converter.dataset(_TRAIN, "--max_rejected_fraction=0.5"))
    assert {reject["path"] for reject in found} == {f"{name}.npz" for name in bad}
    for reject in found:
        assert bad[reject["path"].removesuffix(".npz")][1] in reject["reason"]


def test_property_03_a_group_is_one_in_any_unicode_form(
    folders: Folders, converter: Converter
) -> None:
    for number, name in enumerate(["Ren\u00e9", "Rene\u0301"]):
        write_npz(folders, f"{name}/{number}", signal=np.ones((3, 2)), label=0)
    dataset = converter.dataset(_TRAIN, "--group_regex=^[^/]+")
    assert dataset.manifest.splits["train"].groups == 1


def test_zeros_take_the_place_of_what_is_not_finite(folders: Folders, converter: Converter) -> None:
    write_recordings(folders, 4)
    signal = np.full((4, 2), 1.5)
    signal[1, 0], signal[2, 1], signal[3, 0] = np.nan, -np.inf, 1e300
    write_npz(folders, "odd", signal=signal.astype(np.float64), label=np.arange(4) % 2)
    flags = (_TRAIN, "--signal_key=signal", "--max_rejected_fraction=0.5")
    assert [reject["path"] for reject in rejects(converter.dataset(*flags))] == ["odd.npz"]
    outcome = converter.run(*flags, "--overwrite", "--non_finite=zero")
    assert "3 values: NaN or infinity, 0 now (--non_finite=zero) (as odd.npz)" in outcome.text
    expected = [[1.5, 1.5], [0, 1.5], [1.5, 0], [0, 1.5]]
    dataset = open_dataset(str(folders.dataset))
    assert read_records(dataset)["odd"]["signal"].tolist() == expected
    assert dataset.manifest.statistics is not None
    assert np.isfinite(dataset.manifest.statistics.mean).all()


def _rewrite(path: pathlib.Path) -> None:
    np.savez(path, signal=np.zeros((4, 2), np.float32), label=np.arange(4) % 2)


def _cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize("change", [_rewrite, _cut, pathlib.Path.unlink])
def test_an_input_that_changes_loses_no_record(
    folders: Folders,
    converter: Converter,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pathlib.Path], Any],
) -> None:
    write_recordings(folders, 12)
    path = folders.inputs / "g003_0003.npz"
    before = path.read_bytes()
    flags = (_TRAIN, "--num_shards=3", "--max_rejected_fraction=1")
    read = SignalSource.read

    def read_after_change(self: SignalSource, name: str) -> Any:
        if name == path.name:
            change(path)
        return read(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(SignalSource, "read", read_after_change)
        outcome = converter.run(*flags)
    assert outcome.code == 1
    assert "1 inputs changed or vanished while the conversion ran (the first is g003_0003" in (
        outcome.text
    )
    path.write_bytes(before)
    assert len(read_records(converter.dataset(*flags))) == 12


def test_a_conversion_killed_behind_its_manifest_only_cleans_up(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(folders, 6)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.conversion.work_dir.WorkDir.remove", lambda _: None)
        converter.dataset(_TRAIN)
    assert (folders.dataset / ".conversion").exists()
    before = hashes(folders.dataset)
    outcome = converter.run(_TRAIN)
    assert outcome.code == 0
    assert "train 6 6" in outcome.text
    after = {name: value for name, value in before.items() if ".conversion" not in name}
    assert hashes(folders.dataset) == after
    assert not (folders.dataset / ".conversion").exists()


def test_property_04_what_a_kill_left_beside_the_shards_is_removed(
    folders: Folders, converter: Converter
) -> None:
    write_recordings(folders, 4)
    folders.dataset.mkdir(parents=True)
    (folders.dataset / f"manifest.json.12-34-host-{'0123' * 8}.tmp").write_text("half a manif")
    (folders.dataset / "notes.tmp").write_text("of the user")
    converter.dataset(_TRAIN)
    assert [path.name for path in folders.dataset.glob("*.tmp")] == ["notes.tmp"]


def test_other_options_do_not_pass_for_the_finished_ones(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(folders, 6)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.conversion.work_dir.WorkDir.remove", lambda _: None)
        converter.dataset(_TRAIN)
    outcome = converter.run("--splits=train=0.5,test=0.5")
    assert outcome.code == 1
    assert "is a finished dataset; use --overwrite" in outcome.text
    assert not (folders.dataset / ".conversion").exists()


def test_text_from_json_in_no_unicode_is_rejected(folders: Folders, converter: Converter) -> None:
    from tests.pipeline.batches.test_frames_batches import encoded_image

    for number, group in enumerate(["a", "b", "\ud800"]):
        folder = folders.inputs / str(number)
        folder.mkdir()
        (folder / "0.jpg").write_bytes(encoded_image(number))
        (folder / "annotation.json").write_text(json.dumps({"v": 0.5, "group": group}))
    flags = ("--source=image_folders", _TRAIN, "--label_key=v", "--group_key=group")
    (reject,) = rejects(converter.dataset(*flags, "--max_rejected_fraction=0.5"))
    assert "group '\\ud800' is no name" in reject["reason"]
