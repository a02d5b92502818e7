import dataclasses
import re

import pytest
from absl import flags

from pipeline.console import options as option_flags
from pipeline.console.errors import UsageError
from trainer.models.forecaster import ForecastOptions
from trainer.models.frames import FrameModelOptions
from trainer.models.signal import SignalModelOptions
from trainer.options.options import DataOptions, RunOptions, TrainingOptions
from trainer.runs.asked import COMMAND


@dataclasses.dataclass(frozen=True)
class _Options(option_flags.Options):
    steps: int = option_flags.option(3, "Steps.")
    rate: float | None = option_flags.option(None, "Rate.")
    kind: str = option_flags.option("a", "Kind.", ("a", "b"))
    sizes: tuple[int, ...] = option_flags.option((1, 2), "Sizes.")
    fast: bool = option_flags.option(False, "Fast.")

    def check(self):
        if self.steps < 0:
            raise UsageError(f"--steps={self.steps}: expected 0 or more")


def _parsed(options_type, *arguments):
    values = flags.FlagValues()
    option_flags.define([options_type], values)
    values(["program", *arguments])
    return option_flags.read(options_type, values)


def test_defaults_are_the_dataclass_defaults():
    assert _parsed(_Options) == _Options()


def test_flags_become_typed_fields():
    read = _parsed(_Options, "--steps=5", "--rate=.5", "--kind=b", "--sizes=4,5,6", "--fast")
    assert read == _Options(5, 0.5, "b", (4, 5, 6), True)
    assert _parsed(_Options, "--sizes=").sizes == ()


def test_a_flagfile_brings_the_options_back(tmp_path):
    options = _Options(rate=1e-7, sizes=(), fast=True)
    path = tmp_path / "config.flags"
    path.write_text(option_flags.flagfile_text([options]))
    assert _parsed(_Options, f"--flagfile={path}") == options


def test_wrong_values_are_refused():
    with pytest.raises(flags.IllegalFlagValueError, match="'c' is none of a, b"):
        _parsed(_Options, "--kind=c")
    with pytest.raises(ValueError, match="expected 0 or more"):
        _parsed(_Options, "--steps=-1")


@pytest.mark.parametrize(
    ("options_type", "wrong", "expected"),
    [
        (RunOptions, "--seed=-1", "0 to 4294967295"),
        (RunOptions, "--worker_timeout_secs=0", "at least 1"),
        (DataOptions, "--boundaries=7,0", "at least 1"),
        (TrainingOptions, "--clip_norm=-1.0", "at least 0"),
        (TrainingOptions, "--clip_norm=nan", "at least 0"),
        (TrainingOptions, "--label_smoothing=1.5", "0 to 1"),
        (SignalModelOptions, "--rnn_units=8,0", "at least 1"),
        (SignalModelOptions, "--dropout=-0.5", "0 to 1"),
        (FrameModelOptions, "--frame_pool=0", "at least 1"),
        (ForecastOptions, "--teacher_forcing=2.0", "0 to 1"),
    ],
)
def test_a_number_out_of_range_is_named(options_type, wrong, expected):
    needed = ["--dataset=d", "--run_dir=r"] if options_type is RunOptions else []
    with pytest.raises(UsageError, match=re.escape(f"{wrong}: expected {expected}")):
        _parsed(options_type, *needed, wrong)


@pytest.mark.parametrize("options_type", COMMAND.kinds)
def test_every_flag_of_the_trainer_has_a_help_text(options_type):
    values = flags.FlagValues()
    option_flags.define([options_type], values)
    for field in dataclasses.fields(options_type):
        assert values[field.name].help.strip()
