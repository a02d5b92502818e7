"""What is seen while training runs, on a terminal and in a file, and in TensorBoard."""

import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.datasets import toy_dataset
from tests.trainer.in_process import run_trainer
from trainer.progress import Progress, clock
from trainer.timing import Timing

_CLASS = {"loss": 0.5, "accuracy": 0.75}
_VALUE = {"loss": 123456.789, "mse": 1.0, "mae": 2.0, "rmse": 3.0}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _line(metrics: dict, **other: object) -> dict:
    return {
        "train": metrics,
        "validation": metrics,
        "valid_steps_per_sec": 1234567.8,
        "padding_share": 0.081,
        "input_wait_share": 0.02,
        **other,
    }


def _timing(secs: float) -> Timing:
    timing = Timing()
    timing.train_secs = timing.steady_secs = secs
    timing.valid_steps = 100
    return timing


@pytest.mark.parametrize("metrics", [_CLASS, _VALUE])
def test_rows_fit_80_columns_and_stand_below_their_names(metrics: dict) -> None:
    stream = io.StringIO()
    progress = Progress(1000, stream)
    for epoch in range(998, 1000):
        progress.epoch(epoch, _line(metrics), 36000)
    above, names, first, second = stream.getvalue().splitlines()
    assert max(map(len, (above, names, first, second))) == 79
    assert first.replace(" 999/", "1000/").split()[1:] == second.split()[1:]
    assert len(first.split()) == len(names.split()) == 9
    for name, cell in zip(names.split(), first.split(), strict=True):
        if name != "epoch":  # Flush right, each below its name.
            assert first.index(cell) + len(cell) in {
                i + len(name) for i in range(len(names)) if names.startswith(name, i)
            }
    assert "\x1b" not in stream.getvalue()


def test_without_validation_there_are_dashes() -> None:
    stream = io.StringIO()
    Progress(1, stream).epoch(0, _line(_CLASS, validation=None), 0)
    assert stream.getvalue().splitlines()[-1].split()[3:5] == ["-", "-"]


def test_the_bar_is_on_terminals_only_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    for stream in (io.StringIO(), _Terminal()):
        progress = Progress(10, stream)
        progress.step(2, 3, 4, {"loss": (8.0, 4.0), "accuracy": (3.0, 4.0)}, _timing(6.0))
        shown = stream.getvalue()
        assert bool(shown) == stream.isatty()
    line = shown.removeprefix("\r\x1b[K")
    assert "\x1b" not in line
    assert len(line) < 80
    assert line == ("3/10 [=========...] 3/4 loss 2.0000 accuracy 0.7500 17 steps/s, 0:02 left")


def test_durations_are_clock_times() -> None:
    assert [clock(secs) for secs in (0, 65, 7209, -1)] == ["0:00", "1:05", "2:00:09", "0:00"]


def test_tensorboard_has_curves_rate_throughput_padding_and_histograms(
    tmp_path: pathlib.Path,
) -> None:
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 8, "validation": 3})
    flags = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run", "--epochs=2", "--noreport"]
    model = ["--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=1"]
    assert run_trainer(*flags, *model, "--histograms") == 0
    found = {}
    for name in ("train", "validation", "weights"):
        events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / name))
        events.Reload()
        found[name] = events.Tags()["tensors"]
        for tag in found[name]:
            assert [event.step for event in events.Tensors(tag)] == [1, 2]
            values = tf.make_ndarray(events.Tensors(tag)[-1].tensor_proto)
            assert np.isfinite(values).all()
    measured = ("learning_rate", "valid_steps_per_sec", "padding_share", "input_wait_share")
    assert set(found["train"]) == {f"epoch/{name}" for name in ("loss", "accuracy", *measured)}
    assert set(found["validation"]) == {"epoch/loss", "epoch/accuracy"}
    assert "head/kernel" in " ".join(found["weights"])
