"""The rules for frames: bounded, several networks for few of them, never mirrored."""

import pytest

from pipeline.console.options import names_of
from tests.datasets import CLASS_PER_RECORD
from tests.trainer.frame_models import frames_dataset
from trainer.models.video import Video
from trainer.options.automatic import Facts, decide, family_for
from trainer.runs.asked import RECORDED, asked


def _facts(records=100, frames=8, height=120, width=160):
    return Facts(
        kind="frames", samples=1, channels=3 * height * width, per="record", class_counts=(),
        records=records, groups=records, steps=records * frames, median_steps=frames,
        longest=frames, rate_hz=None, has_statistics=True,
    )  # fmt: skip


def _decided(facts):
    assert family_for(facts).value == "video"
    choices = decide(facts, {}, {}, names_of(RECORDED))
    assert all(choice.reason for choice in choices)
    assert len({choice.name for choice in choices}) == len(choices)
    return {choice.name: choice.value for choice in choices}


def _frames_computed(facts, chosen):
    return chosen["epochs"] * facts.steps * chosen["ensemble"]


def test_few_frames_are_learnt_by_several_networks_and_never_mirrored():
    chosen = _decided(_facts())
    assert chosen["ensemble"] == 3
    assert chosen["batch_size"] == 8
    assert chosen["epochs"] * 100 / 8 >= 600
    assert "crop_steps" not in chosen
    assert "flip" not in chosen


@pytest.mark.parametrize("records", [1, 10, 100, 1000, 10_000])
def test_the_frames_of_a_training_are_bounded(records):
    facts = _facts(records)
    chosen = _decided(facts)
    assert chosen["epochs"] >= 1
    assert _frames_computed(facts, chosen) <= 400_000
    assert chosen["max_minutes"] <= 8


@pytest.mark.parametrize(("frames", "height", "width"), [(3000, 60, 80), (100, 1080, 1920)])
def test_the_memory_of_a_batch_is_bounded(frames, height, width):
    chosen = _decided(_facts(50, frames, height, width))
    held = chosen["batch_size"] * min(chosen["crop_steps"], frames)
    assert held <= 512
    assert held * height * width <= 2**25


def test_a_command_without_a_model_trains_the_family_for_frames(tmp_path):
    dataset = frames_dataset(tmp_path, CLASS_PER_RECORD, {"train": [2, 3, 1]})
    command = [f"--dataset={dataset.path}", f"--run_dir={tmp_path}/run"]
    found = asked([*command, "--ensemble=2", "--brightness=0"])
    assert isinstance(found.model.family, Video)
    assert found.model.options[0].ensemble == 2
    assert found.training.label_smoothing > 0
    assert {choice.name for choice in found.choices}.isdisjoint({"ensemble", "brightness"})
    assert [type(one).__name__ for one in found.augmentations] == ["Pictures", "Shift"]
