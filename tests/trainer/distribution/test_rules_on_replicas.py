"""What the rules decide on, on several replicas and after a kill: networks, ridge, augmentation."""

import numpy as np
import pytest

from tests.datasets import CLASS_PER_RECORD, toy_dataset
from tests.trainer import processes as runs

_FLAGS = (
    "--width=4", "--depth=1", "--kernel_groups=2", "--ensemble=2", "--epochs=4", "--batch_size=6",
    "--head_dropout=0", "--noise=0.1", "--crop=0.3", "--time_stretch=0.2", "--gain=0.1",
    "--front_end=log_mel", "--frame_samples=8", "--hop_samples=1", "--mel_bands=4",
    "--band_normalization=spectrum", "--frequency_mask=0.5", "--frame_mask=0.5", "--mixup=0.4",
    "--learning_rate=0.01", "--checkpoint_every_epochs=1", "--validate_every_epochs=1",
    "--noreport", "--notensorboard", "--deterministic",
)  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    return toy_dataset(folder, label=CLASS_PER_RECORD, sizes={"train": 23})[0].path


@pytest.fixture(scope="module")
def undisturbed(dataset, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("one") / "run"
    runs.start(dataset, run_dir, model=_FLAGS).succeed()
    return runs.arrays(run_dir)


def test_property_09_replicas_augment_and_average_alike(dataset, undisturbed, tmp_path):
    runs.start(dataset, tmp_path / "run", "--cpu_replicas=2", model=_FLAGS).succeed()
    found = runs.arrays(tmp_path / "run")
    assert found.keys() == undisturbed.keys()
    for name, value in undisturbed.items():
        np.testing.assert_allclose(found[name], value, 1e-3, 1e-4, err_msg=name)


def test_property_10_a_killed_training_goes_on_bit_for_bit(dataset, undisturbed, tmp_path):
    run_dir = tmp_path / "run"
    runs.train_and_kill(dataset, run_dir, "ckpt-4", model=_FLAGS)
    assert runs.last_step(run_dir) < 16  # Something was left to do.
    runs.start(dataset, run_dir, model=_FLAGS).succeed()
    found = runs.arrays(run_dir)
    assert found.keys() == undisturbed.keys()
    for name, value in undisturbed.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
