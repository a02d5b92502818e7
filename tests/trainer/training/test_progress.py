"""What is seen while training runs, on a terminal and in a file, and in TensorBoard."""

import io
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.datasets import toy_dataset
from tests.trainer.in_process import run_trainer
from tests.trainer.training.test_loop import traces
from trainer.step.steps import StepResult, Steps
from trainer.training.progress import Progress
from trainer.training.timing import Timing

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


class _Clock:
    """In place of the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """The clock of what is timed, which stands still unless it is told."""
    made = _Clock()
    for module in ("timing", "loop"):
        monkeypatch.setattr(f"trainer.training.{module}.time", made)
    return made


def _timing(clockwork: _Clock, *steps: tuple[float, float, bool]) -> Timing:
    """After steps of 50 valid time steps: seconds of waiting, of computing, whether it compiled."""

    def batches() -> Iterator[None]:
        for wait_secs, _, _ in steps:
            clockwork.now += wait_secs
            yield None

    timing, input_pipeline = Timing(), batches()
    for _, secs, compiled in steps:
        timing.wait_for(input_pipeline)
        clockwork.now += secs
        timing.count(np.int32([30, 20]), compiled=compiled)
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


@pytest.mark.parametrize(("head", "shown"), [("stage", "stage"), ("recording-17", "recor...")])
def test_of_several_labels_the_first_stands_above_its_metric(head: str, shown: str) -> None:
    stream = io.StringIO()
    metrics = {"loss": 0.5, f"{head}/balanced_accuracy": 0.75, "age/mae": 2.0}
    Progress(1, stream).epoch(0, _line(metrics), 0)
    above, of, names, _ = stream.getvalue().splitlines()
    assert above.split() == ["training", "validation", "valid"]
    assert of.split() == [shown, shown]
    assert names.split()[1:5] == ["loss", "balanced", "loss", "balanced"]
    for name, metric in zip((of[:27], of), (names[:27], names[:45]), strict=True):
        assert len(name.rstrip()) == len(metric.rstrip())


def test_without_validation_there_are_dashes() -> None:
    stream = io.StringIO()
    Progress(1, stream).epoch(0, _line(_CLASS, validation=None), 0)
    assert stream.getvalue().splitlines()[-1].split()[3:5] == ["-", "-"]


def test_the_bar_is_on_terminals_only_and_fits(
    monkeypatch: pytest.MonkeyPatch, clockwork: _Clock
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    for stream in (io.StringIO(), _Terminal()):
        progress = Progress(10, stream)
        timing = _timing(clockwork, (0, 2, False), (1, 2, False), (1, 2, False))
        progress.step(2, 3, 4, {"loss": (8.0, 4.0), "accuracy": (3.0, 4.0)}, timing)
        shown = stream.getvalue()
        assert bool(shown) == stream.isatty()
    line = shown.removeprefix("\r\x1b[K")
    assert "\x1b" not in line
    assert len(line) < 80
    assert line == ("3/10 [=========...] 3/4 loss 2.0000 accuracy 0.7500 17 steps/s, 0:03 left")


def test_what_is_measured_leaves_out_compiling_and_the_first_batch(clockwork: _Clock) -> None:
    timing = _timing(clockwork, (9, 90, True), (1, 3, False), (9, 90, True), (2, 4, False))
    assert timing.train_secs == 208
    assert timing.valid_steps_per_sec == 100 / 10
    assert timing.input_wait_share == 0.3
    assert timing.left_secs(100) == 500
    later_epoch = _timing(clockwork, (4, 2, False), (0, 2, False))
    assert later_epoch.valid_steps_per_sec == 25
    assert later_epoch.left_secs(10) == 40  # Every epoch has a first batch.


def test_what_is_not_known_yet_is_not_made_up(clockwork: _Clock) -> None:
    only_compiled = _timing(clockwork, (1, 99, True))
    assert only_compiled.left_secs(10) is None
    assert only_compiled.left_secs(0) == 0
    assert only_compiled.valid_steps_per_sec == 0.5
    assert only_compiled.input_wait_share == 0


def test_no_more_is_left_than_the_minutes_of_the_training() -> None:
    timing = Timing(most_secs=30)
    timing.train_secs, timing._steps = 20, 4
    assert timing.left_secs(1) == 5
    assert timing.left_secs(3) == 10
    assert Timing(most_secs=-1).left_secs(0) == 0


@pytest.mark.parametrize("flag", ["--accumulate_batches=1", "--accumulate_batches=2"])
def test_the_time_left_is_without_compiling_and_validation(
    flag: str,
    tmp_path: pathlib.Path,
    clockwork: _Clock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train, evaluate = Steps.train, Steps.evaluate
    compiled = []

    def slow_train(self: Steps, *args: Any, **kwargs: Any) -> StepResult:
        traces_before = traces(self)
        result = train(self, *args, **kwargs)
        assert result.compiled >= (traces(self) > traces_before)
        compiled.append(result.compiled)
        clockwork.now += 1000 if result.compiled else 2
        return result

    def slow_evaluate(self: Steps, *args: Any) -> dict[str, list[float]]:
        clockwork.now += 300
        return evaluate(self, *args)

    monkeypatch.setattr(Steps, "train", slow_train)
    monkeypatch.setattr(Steps, "evaluate", slow_evaluate)
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 9, "validation": 3})
    flags = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run", "--epochs=3", "--noreport"]
    model = ["--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=1"]
    assert run_trainer(*flags, *model, "--notensorboard", "--batch_size=3", flag) == 0
    rows = [line.split() for line in capsys.readouterr().err.splitlines()[2:5]]
    assert [row[0] for row in rows] == ["1/3", "2/3", "3/3"]
    assert [row[-1] for row in rows] == ["0:12", "0:06", "0:00"]  # 3 steps of 2 s in an epoch.
    assert compiled == [True, flag.endswith("2"), *[False] * 7]


def test_with_xla_every_new_shape_counts_as_compiling(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Steps.train
    met = []

    def watched(self: Steps, batch: Any, *args: Any, **kwargs: Any) -> StepResult:
        result = train(self, batch, *args, **kwargs)
        met.append((tuple(batch["signal"].shape), result.compiled))
        return result

    monkeypatch.setattr(Steps, "train", watched)
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 6})
    flags = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run", "--epochs=2", "--noreport"]
    model = ["--conv_filters=", "--conv_strides=", "--rnn_cell=none", "--num_buckets=3"]
    assert run_trainer(*flags, *model, "--notensorboard", "--batch_size=2", "--jit_compile") == 0
    shapes = [shape for shape, _ in met]
    assert len(set(shapes)) > 1
    assert [compiled for _, compiled in met] == [
        shape not in shapes[:number] for number, shape in enumerate(shapes)
    ]


def test_a_model_that_xla_cannot_compile_is_said_to_be_one(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, _ = toy_dataset(tmp_path, sizes={"train": 2})
    flags = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run", "--epochs=1", "--noreport"]
    model = ["--model=conformer", "--width=8", "--depth=1", "--ensemble=1"]
    others = ["--norandom_convolutions", "--normalization=record", "--notensorboard"]
    assert run_trainer(*flags, *model, *others, "--jit_compile") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: XLA cannot compile this model (")
    assert "block_0_attention" in error
    assert error.endswith("; leave --jit_compile out")


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
