"""Generated waves and echoes, against a derivation of their own and through a conversion."""

import hashlib
import pathlib

import numpy as np
import pytest

from pipeline.generate import main, wave
from tests.pipeline.conversions import Converter, Folders, read_records

# Sixths between two whole wavelengths, as the forecaster's authors divide them.
_SIXTHS = {"train": (0 / 6, 1 / 6), "validation": (2 / 6, 3 / 6), "test": (4 / 6, 5 / 6)}
_SPLITS = "--split_regex=^(?P<train>train/)|^(?P<validation>validation/)|^(?P<test>test/)"


def _hashes(folder: pathlib.Path) -> dict[str, str]:
    files = sorted(folder.rglob("*.npz"))
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("generated") / "waves"
    counts = ["--train=60", "--validation=30", "--test=30"]
    assert main(["waves", f"--output_dir={folder}", *counts, "--seed=7"]) == 0
    return folder


def _fit(values: np.ndarray) -> tuple[float, float]:
    """Wavelength and shift of a sine, from its samples alone.

    Of any sine x[t - 1] + x[t + 1] = 2 cos(1 / wavelength) x[t]; the shift then follows from the
    amplitudes of sine and cosine.
    """
    x = values.astype(np.float64)
    cosine = (x[:-2] + x[2:]) @ x[1:-1] / (2 * x[1:-1] @ x[1:-1])
    wavelength = 1 / np.arccos(cosine)
    time = np.arange(len(x)) / wavelength
    (a, b), *_ = np.linalg.lstsq(np.stack([np.sin(time), np.cos(time)], 1), x, rcond=None)
    assert np.hypot(a, b) == pytest.approx(1, abs=1e-3)
    return wavelength, float(np.arctan2(b, a))


def test_waves_are_sines_whose_wavelengths_never_meet_between_splits(waves: pathlib.Path) -> None:
    for split, (low, high) in _SIXTHS.items():
        wavelengths, shifts = [], []
        for path in sorted((waves / split).glob("*.npz")):
            signal = np.load(path)["signal"]
            assert signal.dtype == np.float32
            assert signal.shape[1:] == (5,)
            assert 300 <= len(signal) < 450
            for feature in signal.T:
                wavelength, shift = _fit(feature)
                np.testing.assert_allclose(
                    feature, np.sin(np.arange(len(feature)) / wavelength + shift), atol=2e-3
                )
                wavelengths.append(wavelength)
                shifts.append(shift)
        fractions = np.array(wavelengths) % 1
        assert (fractions > low - 1e-3).all()
        assert (fractions < high + 1e-3).all()
        # Wide enough to tell uniform values from constant ones.
        assert np.ptp(fractions) > 0.1
        assert min(wavelengths) >= 10
        assert max(wavelengths) < 31
        assert np.ptp(np.floor(wavelengths)) >= 17
        assert min(shifts) > -1e-2
        assert max(shifts) < 1 + 1e-2
        assert np.ptp(shifts) > 0.8


def test_waves_depend_on_seed_and_number_alone(waves: pathlib.Path, tmp_path: pathlib.Path) -> None:
    few = ["--train=3", "--validation=0", "--test=1"]
    for seed in (7, 8):
        assert main(["waves", f"--output_dir={tmp_path}/{seed}", *few, f"--seed={seed}"]) == 0
    same, other, all_ = _hashes(tmp_path / "7"), _hashes(tmp_path / "8"), _hashes(waves)
    assert sorted(same) == [f"test/{0:06d}.npz", *(f"train/{i:06d}.npz" for i in range(3))]
    assert same.items() <= all_.items()
    assert not set(same.values()) & set(other.values())
    assert len(set(all_.values())) == 120


def test_waves_convert_by_folder(
    waves: pathlib.Path, folders: Folders, converter: Converter
) -> None:
    dataset = converter.dataset(f"--input_dir={waves}", _SPLITS)
    assert {name: entry.records for name, entry in dataset.manifest.splits.items()} == {
        "train": 60,
        "validation": 30,
        "test": 30,
    }
    assert dataset.schema.label is None
    record = read_records(dataset)["test/000003"]["signal"]
    np.testing.assert_array_equal(record, np.load(waves / "test" / "000003.npz")["signal"])


@pytest.mark.parametrize(
    ("problem", "flags", "per", "label_shape", "records", "steps"),
    [
        ("one_to_one", [], "record", (), 5, 1),
        ("many_to_one", ["--label_kind=record_value"], "record", (5,), 1, 5),
        ("many_to_many", [], "step", (), 1, 5),
    ],
)
def test_echoes_convert_to_what_their_models_need(
    folders: Folders,
    converter: Converter,
    problem: str,
    flags: list[str],
    per: str,
    label_shape: tuple[int, ...],
    records: int,
    steps: int,
) -> None:
    assert main(["echo", f"--output_dir={folders.inputs}"]) == 0
    flags = [*flags, f"--input_dir={folders.inputs}/{problem}", "--splits=train=1"]
    dataset = converter.dataset(*flags)
    label = dataset.schema.label
    assert label is not None
    assert (label.per, label.kind, label.shape) == (per, "value", label_shape)
    found = [record for _, record in sorted(read_records(dataset).items())]
    assert [record["signal"].shape for record in found] == [(steps, 1)] * records
    for part in ("signal", "label"):
        values = np.concatenate([record[part].reshape(-1) for record in found])
        assert [f"{value:.1f}" for value in values] == ["0.0", "0.2", "0.4", "0.6", "0.8"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["waves", "--train=-1"], "--train=-1: expected at least 0"),
        (["waves", "--tran=1"], "unknown flag --tran; did you mean --train?"),
        (["wave"], "'wave' is none of waves, echo; did you mean waves?"),
        ([], "no waves|echo is named; see python -m pipeline.generate --help"),
        (["echo", "--seed=1"], "give no flag but --output_dir"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert main([f"--output_dir={tmp_path}/new", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_needed_must_be_empty(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.npz").touch()
    assert main(["echo", f"--output_dir={tmp_path}"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert main(["waves"]) == 2
    assert "--output_dir is required" in capsys.readouterr().err


def test_waves_are_those_of_every_version_of_numpy() -> None:
    """What the random numbers decide, read off the waves: NumPy 2.4 drew them so."""
    steps = [len(wave(split, number, seed=3)) for split in _SIXTHS for number in range(3)]
    assert steps == [421, 341, 447, 426, 392, 373, 301, 416, 344]
    assert _fit(wave("test", 2, seed=3)[:, 4]) == pytest.approx((28.79609, 0.12243), abs=1e-3)


def test_the_full_help_has_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["waves", "--helpfull"])
    assert not ended.value.code
    printed = capsys.readouterr().out
    for flag in ("output_dir", "train", "validation", "test", "seed"):
        assert f"  --{flag} " in printed
