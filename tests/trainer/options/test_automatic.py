"""The rules: what they decide, that given options stay, and that others follow from those."""

import math

import pytest

from pipeline.console.options import names_of
from trainer.options.automatic import Choice, Facts, decide, family_for
from trainer.runs.asked import RECORDED

_ALL = names_of(RECORDED)
_FACTS = Facts(
    kind="signal", samples=1, channels=3, per="record", class_counts=(50, 50), records=100,
    groups=100, steps=20_000, median_steps=200, longest=400, rate_hz=None, has_statistics=True,
)  # fmt: skip


def _decided(facts=_FACTS, given=None, settled=None):
    return {choice.name: choice for choice in decide(facts, given or {}, settled or {}, _ALL)}


@pytest.mark.parametrize("records", [1, 2, 3, 10, 100, 3_000, 10**6])
@pytest.mark.parametrize("steps", [1, 20, 1_000, 10**6])
@pytest.mark.parametrize("per", ["record", "step"])
def test_any_size_of_data_gets_a_training_of_bounded_cost(records, steps, per):
    facts = _FACTS._replace(
        records=records, steps=records * steps, median_steps=steps, longest=steps, per=per
    )
    values = {name: choice.value for name, choice in _decided(facts).items()}
    assert 1 <= values["batch_size"] <= max(records, 1)
    assert values["epochs"] >= 1
    steps = min(steps, values.get("crop_steps", steps))
    rows = records * steps / values.get("patch_samples", 1) / values.get("hop_samples", 1)
    assert values["epochs"] == 1 or values["epochs"] * rows <= 20e6
    assert all(choice.reason for choice in _decided(facts).values())


def test_what_is_given_stays_and_others_follow_from_it():
    plain, given = _decided(), _decided(given={"batch_size": 50, "normalization": "none"})
    assert "batch_size" in plain
    assert "batch_size" not in given
    assert "normalization" not in given
    assert given["epochs"].value != plain["epochs"].value
    assert math.isclose(
        _decided(given={"epochs": 40})["warmup_epochs"].value, 2
    )  # fmt: skip


def test_what_trials_settled_takes_the_place_of_what_is_open():
    assert _decided()["normalization"].candidates
    settled = Choice("normalization", "both", "tried")
    assert _decided(settled={"normalization": settled})["normalization"] == settled


def test_unequal_classes_are_balanced_and_values_have_no_smoothing():
    assert "class_weights" not in _decided()
    unequal = _decided(_FACTS._replace(class_counts=(90, 0, 10)))
    assert unequal["class_weights"].value == "balanced"
    assert "10 to 90" in unequal["class_weights"].reason
    values = _decided(_FACTS._replace(class_counts=()))
    assert "label_smoothing" not in values


def test_sound_is_heard_and_long_recordings_of_unknown_rate_are_tried_both_ways():
    sound = _decided(_FACTS._replace(channels=1, rate_hz=8000.0, median_steps=4000, steps=400_000))
    assert sound["front_end"].value == "log_mel"
    assert not sound["front_end"].candidates
    assert sound["hop_samples"].value == 80
    assert sound["frame_samples"].value == 256
    unknown = _decided(_FACTS._replace(channels=1, median_steps=4000, steps=400_000))
    assert unknown["front_end"].candidates == ("none", "log_mel")
    assert unknown["patch_samples"].value == 4
    for rate_hz in (8000.0, None):  # As of sound with age beside it, or with gaps.
        facts = _FACTS._replace(channels=2, rate_hz=rate_hz, median_steps=4000, steps=400_000)
        beside = _decided(facts._replace(has_roles=True))["front_end"]
        assert (beside.value, beside.candidates) == ("none", ())


def test_the_ridge_counts_where_there_is_one():
    assert _decided()["random_share"].value == 0.4
    assert "random_share" not in _decided(_FACTS, {"random_convolutions": False})


def test_families():
    assert family_for(_FACTS).value == "inception_time"
    assert family_for(_FACTS._replace(per="sequence")).value == "sequence"
    assert family_for(_FACTS._replace(per="end")).value == "forecaster"


def test_a_vector_that_a_sequence_follows_from_has_no_convolutions():
    sequence = _FACTS._replace(per="sequence")
    vector = _decided(sequence._replace(samples=16))
    assert (vector["conv_filters"].value, vector["conv_strides"].value) == ((), ())
    assert vector["normalization"].value == "training_split"
    assert not vector["normalization"].candidates
    assert "conv_filters" not in _decided(sequence._replace(samples=3000))


def test_what_is_forecast_without_statistics_is_not_normalized():
    assert (
        _decided(_FACTS._replace(per="end", has_statistics=False))["normalization"].value == "none"
    )


def test_patches_leave_a_step_several_rows():
    nights = _FACTS._replace(
        per="step", samples=3000, channels=1, records=9, steps=9_000, median_steps=1_000
    )
    for front_end in _decided(nights)["front_end"].candidates:
        values = {
            name: choice.value
            for name, choice in _decided(
                nights, {}, {"front_end": Choice("front_end", front_end, "tried")}
            ).items()
        }
        assert 3000 / values.get("hop_samples", 1) / values.get("patch_samples", 1) >= 8
        assert values["random_convolutions"]


def test_what_no_gradient_trains_goes_through_the_data_once():
    assert _decided(given={"model": "hydra", "ensemble": 1})["epochs"].value == 1
    assert _decided(given={"model": "fcn"})["epochs"].value > 1


def test_steps_of_a_few_rows_have_no_trials():
    steps = _FACTS._replace(per="step", samples=4)
    assert not _decided(steps)["normalization"].candidates
    assert "random_convolutions" not in _decided(steps)
    windows = _decided(steps._replace(samples=100))["normalization"]
    assert windows.candidates[0] == windows.value == "both"


def test_without_statistics_nothing_asks_for_them():
    without = _decided(_FACTS._replace(has_statistics=False))["normalization"]
    assert (without.value, without.candidates) == ("record", ())


def test_trials_of_sound_are_of_its_spectrum():
    sound = _decided(_FACTS._replace(channels=1, rate_hz=8000.0, median_steps=4000))
    assert (sound["normalization"].value, sound["normalization"].candidates) == ("record", ())
    assert sound["band_normalization"].candidates == ("spectrum", "bands", "both")
    assert "band_normalization" not in _decided()


def test_the_rows_of_a_record_in_training_are_bounded():
    assert "crop_steps" not in _decided()
    facts = _FACTS._replace(longest=10**7, steps=10**7 + 20_000)
    cropped = {name: choice.value for name, choice in _decided(facts).items()}
    assert cropped["crop_steps"] / cropped.get("patch_samples", 1) <= 8192
