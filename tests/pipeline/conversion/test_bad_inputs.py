"""What is wrong with the input is told, with what to do; one bad file stops no conversion."""

import dataclasses
import io
import pathlib
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from pipeline.sources.kinds.signals import SignalSource
from pipeline.sources.source import RawRecord
from tests.pipeline.conversions import (
    Converter,
    Folders,
    hashes,
    rejects,
    write_npz,
    write_recordings,
)

_SIGNAL = np.ones((4, 2), np.float32)
_LABEL = np.array([0, 1, 0, 1])


def _without_key(folders: Folders) -> None:
    write_npz(folders, "bad", other=_SIGNAL, label=_LABEL)


def _object_array(folders: Folders) -> None:
    write_npz(folders, "bad", signal=np.array([[1], [2, 3]], object), label=_LABEL)


def _label_longer(folders: Folders) -> None:
    write_npz(folders, "bad", signal=_SIGNAL, label=np.arange(5) % 2)


def _label_shorter(folders: Folders) -> None:
    write_npz(folders, "bad", signal=_SIGNAL, label=np.arange(3) % 2)


def _no_label(folders: Folders) -> None:
    write_npz(folders, "bad", signal=_SIGNAL)


def _nan(folders: Folders) -> None:
    signal = _SIGNAL.copy()
    signal[2, 1] = np.nan
    write_npz(folders, "bad", signal=signal, label=_LABEL)


def _float32_overflow(folders: Folders) -> None:
    write_npz(folders, "bad", signal=np.full((4, 2), 1e300), label=_LABEL)


def _other_step_shape(folders: Folders) -> None:
    write_npz(folders, "bad", signal=np.ones((4, 3), np.float32), label=_LABEL)


def _other_dtype(folders: Folders) -> None:
    write_npz(folders, "bad", signal=np.ones((4, 2), np.int16), label=_LABEL)


def _complex(folders: Folders) -> None:
    write_npz(folders, "bad", signal=np.ones((4, 2), complex), label=_LABEL)


def _no_step(folders: Folders) -> None:
    write_npz(folders, "bad", signal=np.ones((0, 2), np.float32), label=_LABEL[:0])


def _text_label(folders: Folders) -> None:
    write_npz(folders, "bad", signal=_SIGNAL, label=np.array(["0", "1", "0", "1"]))


def _truncated(folders: Folders) -> None:
    path = write_npz(folders, "bad", signal=_SIGNAL, label=_LABEL)
    path.write_bytes(path.read_bytes()[:-100])


def _flipped_bit(folders: Folders) -> None:
    path = write_npz(folders, "bad", signal=_SIGNAL, label=_LABEL)
    content = bytearray(path.read_bytes())
    content[content.index(_SIGNAL.tobytes()) + 3] ^= 1
    path.write_bytes(bytes(content))


def _flipped_bit_behind_the_header(folders: Folders) -> None:
    signal = np.arange(10_000, dtype=np.float32).reshape(5000, 2)
    path = write_npz(folders, "bad", signal=signal, label=np.arange(5000) % 2)
    content = bytearray(path.read_bytes())
    content[content.index(signal[4000:].tobytes()) + 3] ^= 1
    path.write_bytes(bytes(content))


def _short_array(folders: Folders) -> None:
    """The header announces 4 steps, the data of 2 follow; the zip file itself is sound."""
    content = io.BytesIO()
    np.lib.format.write_array(content, _SIGNAL)
    with zipfile.ZipFile(folders.inputs / "bad.npz", "w") as archive:
        archive.writestr("signal.npy", content.getvalue()[: -_SIGNAL.nbytes // 2])


def _not_a_zip(folders: Folders) -> None:
    (folders.inputs / "bad.npz").write_text("name,value\n")


def _empty_file(folders: Folders) -> None:
    (folders.inputs / "bad.npz").touch()


def _pickle(folders: Folders) -> None:
    (folders.inputs / "bad.npz").write_bytes(b"\x80\x04N.")


_REJECTED = [
    (_without_key, "describe", "no array 'signal' (--signal_key); the file has other, label"),
    (_object_array, "describe", "array 'signal' holds Python objects, which are never unpickled"),
    (_label_longer, "check", "the label has 5 steps, longer than the signal with 4; repair it"),
    (_label_shorter, "check", "the label has 3 steps, shorter than the signal with 4; repair it"),
    (_no_label, "check", "no label (arrays named label or y), others have one; add it"),
    (_nan, "write", "NaN or infinity in 1 of 4 steps, the first is step 2; repair or remove"),
    (_float32_overflow, "write", "the signal holds 1e+300, too large for float32, as which float6"),
    (
        _other_step_shape,
        "check",
        "[3], most of the set's are float32 [2]; make all recordings alike, or, if",
    ),
    (_other_dtype, "check", "steps of int16 [2], most of the set's are float32 [2]; make"),
    (_complex, "describe", "dtype complex128; expected one of"),
    (_no_step, "describe", "shape [0, 2]; expected at least one time step"),
    (_text_label, "check", "the label's form is text, most of the set's are integer; store one"),
    (_truncated, "describe", "copy it again, or write it with numpy.savez"),
    (_flipped_bit, "describe", "Bad CRC-32"),
    (_flipped_bit_behind_the_header, "write", "Bad CRC-32 for file 'signal.npy'"),
    (_short_array, "describe", "the header announces 160 bytes, the file holds 144; write the"),
    (_not_a_zip, "describe", "not a whole npz file"),
    (_empty_file, "list", "it is empty; remove it"),
    (_pickle, "describe", "not a whole npz file"),
]


def test_property_05_every_bad_input_is_one_reject_and_the_rest_is_converted(
    folders: Folders, converter: Converter
) -> None:
    write_recordings(folders, 40)
    for number, (make, _, _) in enumerate(_REJECTED):
        make(folders)
        (folders.inputs / "bad.npz").rename(folders.inputs / f"bad_{number:02d}.npz")
    dataset = converter.dataset("--signal_key=signal", "--max_rejected_fraction=0.5")
    found = rejects(dataset)
    assert [reject["path"] for reject in found] == [
        f"bad_{number:02d}.npz" for number in range(len(_REJECTED))
    ]
    for reject, (_, stage, reason) in zip(found, _REJECTED, strict=True):
        assert reject["stage"] == stage
        assert reason in reject["reason"]
    assert dataset.manifest.rejects == len(_REJECTED)
    assert sum(entry.records for entry in dataset.manifest.splits.values()) == 40


@pytest.mark.parametrize("bad", [_not_a_zip, _label_longer, _nan])
def test_property_05_above_the_allowed_fraction_nothing_is_committed(
    folders: Folders, converter: Converter, bad: Callable[[Folders], None]
) -> None:
    write_recordings(folders, 8)
    bad(folders)
    outcome = converter.run("--splits=train=1")
    assert outcome.code == 1
    assert "1 of 9 inputs were rejected, more than --max_rejected_fraction=0.1 allows" in (
        outcome.text
    )
    assert "bad.npz" in outcome.text
    assert "nothing was committed" in outcome.text
    assert [path.name for path in folders.dataset.iterdir()] == [".conversion"]
    parts = list(folders.dataset.glob(".conversion/*.parquet"))
    assert bool(parts) == (bad is _nan), "what is known from headers is refused before writing"


def _recordings(folders: Folders) -> None:
    write_recordings(folders, 6)


def _nothing(_: Folders) -> None:
    pass


def _other_files(folders: Folders) -> None:
    (folders.inputs / "notes.csv").touch()
    (folders.inputs / "._hidden.npz").touch()


def _named_classes(folders: Folders) -> None:
    for number in range(6):
        write_npz(folders, f"r{number}", signal=_SIGNAL, label=np.array("wake"))
    write_npz(folders, "bad", signal=_SIGNAL, label=np.array("weke"))


def _continuous(folders: Folders) -> None:
    for number, samples in enumerate([5, 100, 100, 100]):
        write_npz(folders, f"r{number}", signal=np.ones(samples, np.float32), label=1)


def _several_arrays(folders: Folders) -> None:
    write_npz(folders, "r0", left=_SIGNAL, right=_SIGNAL, label=_LABEL)


def _float_labels(folders: Folders) -> None:
    write_npz(folders, "r0", signal=_SIGNAL, label=np.full(4, 0.5))


def _odd_labels(folders: Folders) -> None:
    write_npz(folders, "r0", signal=_SIGNAL, label=np.arange(17))


def _same_id(folders: Folders) -> None:
    write_npz(folders, "caf\u00e9", signal=_SIGNAL, label=_LABEL)
    write_npz(folders, "cafe\u0301", signal=_SIGNAL, label=_LABEL)


def _no_targets(folders: Folders) -> None:
    for name in ("a", "b"):
        write_npz(folders, name, signal=_SIGNAL)
    (folders.inputs.parent / "targets").mkdir()


_COUNTS = "--splits=test=2,validation=2,train=rest"
_REFUSED = [
    (_nothing, [], "no npz file under --input_dir="),
    (_other_files, [], "give another folder"),
    (_nothing, ["--input_dir=/no/such/folder"], "--input_dir=/no/such/folder: no such folder"),
    (_nothing, ["--target_dir=/no/such/folder"], "--target_dir=/no/such/folder: no such folder"),
    (_recordings, ["--splits=train=0.999,test=0.001"], "split 'test' has no group: 6 groups"),
    (_recordings, ["--splits=test=6,train=rest"], "split 'train' has no group"),
    (_recordings, [_COUNTS, r"--split_regex=(?P<val>nothing)"], "matches no path"),
    (_recordings, [r"--split_regex=(?P<train>_000[01])", "--group_regex=g"], "in two splits"),
    (_recordings, ["--split_key=fold"], "no array 'fold' (--split_key); the file has signal"),
    (_recordings, ["--group_key=subject"], "no array 'subject' (--group_key)"),
    (_recordings, ["--group_regex=subject"], "does not match the path; every recording needs"),
    (_named_classes, ["--class_names=wake,sleep"], "unknown class 'weke', did you mean 'wake'?"),
    (_continuous, ["--window_samples=10"], "5 samples, shorter than one window of 10; use --tail"),
    (
        _several_arrays,
        [],
        "several arrays could be the signal (arrays: left [4, 2], right [4, 2], ",
    ),
    (_float_labels, ["--label_kind=step_class"], "the labels are floats, and not all are whole"),
    (_odd_labels, [], "neither one per step nor one per record (commonest shape [17]"),
    (_same_id, [], "is also that of caf\u00e9.npz; rename or remove one"),
    (_no_targets, ["--target_dir={parent}/targets"], "2 at describe: no target file '{parent}"),
    (_recordings, ["--window_samples=2", "--label_kind=step_class"], "check the window flags and"),
    (_nothing, ["--tail=keep"], "--tail=keep: 'keep' is none of drop, pad"),
    (_nothing, ["--windw_samples=3"], "unknown flag --windw_samples; did you mean --window_sam"),
    (_nothing, ["--splits=train=0.8,test=0.1"], "must be above 0 and sum to 1, got a sum of 0.9"),
    (_nothing, ["--splits=train=8,test=2"], "with counts, one split must be rest"),
    (_nothing, ["--splits=0.8"], "got '0.8', expected train=0.8"),
    (_nothing, ["--window_secs=3"], "--window_secs needs --sample_rate_hz"),
    (_nothing, ["--window_secs=0.5", "--sample_rate_hz=5"], "is a window of 2.5 samples; it must"),
    (_nothing, ["--window_samples=0"], "--window_samples=0: expected a number above 0"),
    (_nothing, ["--split_regex=_[0"], "--split_regex=_[0: not a regular expression"),
    (_nothing, ["--split_regex=_0"], "no named group; name the split, as in (?P<test>"),
    (
        _nothing,
        ["--split_regex=(?P<test>_0)", "--splits=train=0.9,test=0.1"],
        "split 'test' is in --split_regex and in --splits=train=0.9,test=0.1",
    ),
    (_nothing, ["--name=My-Set"], "--name=My-Set: expected lower-case letters"),
    (_nothing, ["--dataset_version=1"], "--dataset_version=1: expected MAJOR.MINOR.PATCH"),
    (_nothing, ["--max_rejected_fraction=2"], "--max_rejected_fraction=2.0: expected 0 to 1"),
    (_nothing, ["--class_names=a, a"], "--class_names: a name occurs twice"),
    (_nothing, ["--class_names=,wake,rem"], "--class_names: name 1 of 3 is empty; name every"),
    (_nothing, ["--class_names=wake, ,rem"], "--class_names: name 2 of 3 is empty; name every"),
    (_nothing, ["--class_names=wake,rem,"], "--class_names: name 3 of 3 is empty; name every"),
    (_nothing, ["--class_names=wa\nke,rem"], "--class_names: class 'wa\\nke' is no name: expect"),
]


@pytest.mark.parametrize(("make", "flags", "message"), _REFUSED)
def test_a_refusal_says_what_is_wrong_and_what_to_do(
    folders: Folders,
    converter: Converter,
    make: Callable[[Folders], None],
    flags: list[str],
    message: str,
) -> None:
    make(folders)
    parent = str(folders.inputs.parent)
    outcome = converter.run(*(flag.replace("{parent}", parent) for flag in flags))
    assert outcome.code in (1, 2)
    assert message.replace("{parent}", parent) in outcome.text
    assert "Traceback" not in outcome.text
    assert not (folders.dataset / "manifest.json").exists()


def test_two_files_with_one_id_are_both_rejected_and_name_each_other(
    folders: Folders, converter: Converter
) -> None:
    write_recordings(folders, 8)
    _same_id(folders)
    found = rejects(converter.dataset("--splits=train=1", "--max_rejected_fraction=0.2"))
    assert [(reject["path"], reject["stage"]) for reject in found] == [
        ("cafe\u0301.npz", "list"),
        ("caf\u00e9.npz", "list"),
    ]
    assert "also that of caf\u00e9.npz" in found[0]["reason"]
    assert "also that of cafe\u0301.npz" in found[1]["reason"]


def test_a_class_that_only_read_finds_is_named_with_its_file(
    folders: Folders, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recordings(folders, 6)
    read = SignalSource.read

    def other_class(source: SignalSource, path: str) -> RawRecord:
        found = read(source, path)
        return dataclasses.replace(found, labels=(np.full_like(found.labels[0], 7),))

    monkeypatch.setattr(SignalSource, "read", other_class)
    message = r"SignalSource.read\('/.*\.npz'\): LookupError: the class 7 .* listed only 0, 1"
    with pytest.raises(RuntimeError, match=message):
        converter.run("--splits=train=1")


def test_a_finished_dataset_is_not_replaced_unless_asked(
    folders: Folders, converter: Converter
) -> None:
    write_recordings(folders, 6)
    converter.dataset("--splits=train=1", "--num_shards=3")
    outcome = converter.run("--splits=train=1")
    assert outcome.code == 1
    assert "is a finished dataset; use --overwrite to replace it, or another --dataset" in (
        outcome.text
    )
    dataset = converter.dataset("--splits=train=1", "--overwrite")
    shards = [path.name for path in pathlib.Path(dataset.path).glob("*.tfrecord-*")]
    assert shards == ["test-train.tfrecord-00000-of-00001"]


def test_a_refused_overwrite_leaves_the_finished_dataset(
    folders: Folders, converter: Converter
) -> None:
    write_recordings(folders, 6)
    converter.dataset("--splits=train=1")
    before = hashes(folders.dataset)
    for bad in (_not_a_zip, _nan):  # Refused before and after shards are written.
        bad(folders)
        assert converter.run("--splits=train=1", "--overwrite").code == 1
        assert hashes(folders.dataset) == before
        (folders.inputs / "bad.npz").unlink()
