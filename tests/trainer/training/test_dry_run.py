"""`--dry_run`: what a training would do, without a trace of it."""

import pytest

from tests.datasets import toy_dataset
from tests.trainer.in_process import run_trainer

_MODEL = ("--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=2")


@pytest.mark.parametrize(
    ("flag", "size"), [("--batch_size=3", "3 records"), ("--batch_steps=30", "30 padded steps")]
)
def test_it_shows_the_batches_and_writes_nothing(flag, size, tmp_path, capsys):
    dataset, _ = toy_dataset(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    places = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run"]
    assert run_trainer(*places, *_MODEL, "--dry_run", flag) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"of up to {size}" in shown
    assert "nothing was trained, nothing was written" in shown
    assert sorted(tmp_path.rglob("*")) == before
