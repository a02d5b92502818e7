"""Values that a dtype of fewer bits, or a whole number of windows, does not hold as they are."""

import json
import re

import numpy as np
import pytest

from pipeline.batches.batch_reader import BatchReader
from pipeline.batches.channel_sums import ChannelSums
from pipeline.batches.keras_batches import keras_batches
from pipeline.batches.plan import BatchOptions, plan_epoch
from pipeline.console.errors import RejectedInputError
from pipeline.conversion.indistinct import indistinct
from pipeline.conversion.parts import Part
from pipeline.sources.annotations import label_array
from pipeline.sources.label_kinds import LabelPlan
from pipeline.sources.labels.records import convert_label
from pipeline.sources.window_labels import WindowLabels
from pipeline.verification.verify import verify_dataset
from tests.pipeline.conversions import Converter, Folders, write_npz
from tfrecords_schema import LabelSpec
from trainer.data.raw_batches import RawFolder
from trainer.layers import Normalization, pack_steps

_TRAIN = "--splits=train=1"
_FAR = 1_700_000_000


def test_float64_that_float32_cannot_tell_apart_is_said(
    folders: Folders, converter: Converter
) -> None:
    for number in range(4):
        signal = _FAR + 20 * np.sin(np.arange(50) * (0.2 + number % 2))
        label = np.array([_FAR + 10 * number, number])
        write_npz(folders, f"r{number}", signal=signal[:, None], label=label)
    text = converter.run("--splits=train=.5,test=.5", "--label_kind=record_value").text
    values = np.concatenate([np.load(path)["signal"] for path in folders.inputs.iterdir()])
    mean, deviation = f"mean {values.mean():.10g}", f"deviation {values.std():.4g}"
    assert f"channel 0 of the signal has {mean} and {deviation}, and float32, as which it" in text
    assert "has steps of 128 there: subtract an offset, and convert again" in text
    assert "component 0 of the label has mean 1700000015 and deviation 11.18" in text
    assert "component 1" not in text


_SMALL = np.random.default_rng(0).normal(size=(40, 2))


@pytest.mark.parametrize(
    ("field", "values", "said"),
    [
        ("unnarrowed", _SMALL * 20 + _FAR, 2),
        ("unnarrowed", _SMALL * [20, 1e6] + _FAR, 1),
        ("unnarrowed", _SMALL * 20 + 1e4, 0),
        ("unnarrowed", np.full((40, 2), 1e12 / 3), 0),
        ("unnarrowed", 0.1 + 1e-17 * np.round(_SMALL), 0),
        ("channels", np.round(_SMALL * 20 + _FAR).astype(np.int64), 0),
        ("channels", (_SMALL * 20 + _FAR).astype(np.float32), 0),
        ("channels", np.arange(80).reshape(40, 2) + _FAR * 10**9, 2),
        ("label_values", np.array([[_FAR], [_FAR + 9]]), 1),
        ("label_values", np.array([[0], [9]]), 0),
    ],
)
def test_only_what_a_float_cannot_tell_apart_is_said(
    field: str, values: np.ndarray, said: int
) -> None:
    halves = (ChannelSums.of(half) for half in np.array_split(values, 2))
    by_name = field == "label_values"
    parts = [
        Part("", "train", 0, "", **{field: {"": half} if by_name else half}) for half in halves
    ]
    found = [*indistinct([*parts, Part("", "test", 0, "")])]
    assert len(found) == min(said, 1)
    assert all(("(1 more likewise)" in row.reason) == (said == 2) for row in found)


@pytest.mark.parametrize(
    ("label", "windows", "reason"),
    [
        (np.array([1.0, 1e39]), None, "the label holds 1e+39, too large for float32"),
        (np.full(20, -1e39), WindowLabels(10, "mean"), "the label holds -1e+39, too large for"),
        (np.array([1.0, np.inf]), None, "the label holds NaN or infinity"),
    ],
)
def test_labels_too_large_for_float32_are_told_from_infinity(
    label: np.ndarray, windows: WindowLabels | None, reason: str
) -> None:
    spec = LabelSpec("step", "value", "float32")
    with pytest.raises(RejectedInputError, match=re.escape(reason)):
        convert_label(label, LabelPlan(spec, "value", (), "", windows), len(label))


def test_a_number_of_an_annotation_too_large_for_float32_is_named() -> None:
    with pytest.raises(RejectedInputError, match=r"field 'v' of .* holds 1e\+39, too large for fl"):
        label_array(json.loads("[1.5, 1e39]"), "v", "record_value")


def _write_tails(folders: Folders) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    signals = {
        f"r{n}": rng.integers(40, 60, (samples, 2)) for n, samples in enumerate([25, 10, 31])
    }
    for name, signal in signals.items():
        write_npz(folders, name, signal=signal.astype(np.int16), label=int(name[1]) % 2)
    return signals


def test_how_many_samples_fill_a_tail_reaches_every_reader(
    folders: Folders, converter: Converter
) -> None:
    signals = _write_tails(folders)
    dataset = converter.dataset(_TRAIN, "--window_samples=10", "--tail=pad")
    assert not list(verify_dataset(dataset.path))
    expected = {name: -len(signal) % 10 for name, signal in signals.items()}
    index, options = dataset.split("train"), BatchOptions(batch_size=2, num_buckets=1)
    plan = plan_epoch(index.steps, options, seed=0, epoch=0)
    ids, found, normalized = index.ids(), {}, {}
    for batch in BatchReader(dataset, "train").epoch(plan):
        layer = Normalization("record")
        for row, record in enumerate(batch["record"].numpy().tolist()):
            found[ids[record]] = int(batch["padding"][row])
            one = [batch[name][row : row + 1] for name in ("signal", "lengths", "padding")]
            packed = pack_steps(one[0], one[1])
            normalized[ids[record]] = layer(packed, *one[1:]).numpy().reshape(-1, 2)
    assert found == expected
    for name, signal in signals.items():
        exact = (signal - signal.mean(0)) / signal.std(0)
        np.testing.assert_allclose(normalized[name][: len(signal)], exact, atol=1e-5)
        assert not normalized[name][len(signal) :].any()
    paddings = [p for inputs, *_ in keras_batches(dataset, "train") for p in inputs["padding"]]
    assert sorted(map(int, paddings)) == sorted(expected.values())
    raw = RawFolder(str(folders.inputs), dataset.schema.input, dataset.manifest.options)
    read = {i: p for b in raw.batches(2) for i, p in zip(b.ids, b.inputs["padding"], strict=True)}
    assert read == expected


def test_a_dataset_without_tails_is_as_it_was(folders: Folders, converter: Converter) -> None:
    _write_tails(folders)
    dropped = converter.dataset(_TRAIN, "--window_samples=10")
    assert not dropped.schema.input.has_padding
    assert "padding" not in dropped.schema.features()
    # Of a run folder of before there was such a field.
    described = json.loads(dropped.manifest.to_json())
    del described["schema"]["input"]["has_padding"]
    assert type(dropped.schema.input)(**described["schema"]["input"]).has_padding is False


def test_whole_numbers_that_float32_rounds_are_said(folders: Folders, converter: Converter) -> None:
    values = (16_777_216, 16_777_217, -16_777_219, 33_554_434)
    table = "".join(f"r{number},{value}\n" for number, value in enumerate(values))
    (folders.inputs / "labels.csv").write_text(f"id,y\n{table}")
    for number in range(len(values)):
        write_npz(folders, f"r{number}", signal=np.zeros((3, 1), np.float32))
    flags = (_TRAIN, f"--labels={folders.inputs}/labels.csv", "--label_kind=record_value")
    found = [row for row in converter.dataset(*flags).manifest.left_out if row.what == "label"]
    lost = [value for value in values if int(np.float32(value)) != value]
    assert [(row.count, row.example) for row in found] == [(len(lost), "r1.npz")]
    assert "float32 holds the nearest" in found[0].reason


def test_whole_numbers_in_floats_are_asked_about(folders: Folders, converter: Converter) -> None:
    for number, label in enumerate((0.0, np.nan, 2.0)):
        write_npz(folders, f"r{number}", signal=np.zeros((3, 1), np.float32), label=label)
    outcome = converter.run(_TRAIN)
    assert outcome.code == 1
    for kind in ("record_class takes them for classes", "record_value for values"):
        assert f"--label_kind={kind}" in outcome.text
    classes = converter.dataset(_TRAIN, "--label_kind=record_class")
    assert classes.schema.label == LabelSpec("record", "class", class_names=("0", "2"))
    assert classes.manifest.splits["train"].class_counts == {"0": 1, "2": 1}
    assert classes.manifest.splits["unlabelled"].missing_labels == 1
    write_npz(folders, "r0", signal=np.zeros((3, 1), np.float32), label=0.5)
    values = converter.dataset(_TRAIN, "--overwrite")
    assert values.schema.label == LabelSpec("record", "value", "float32", ())
