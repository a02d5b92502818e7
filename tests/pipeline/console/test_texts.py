"""Quantities and kinds of data in words."""

from pipeline.console import texts
from pipeline.sources.rejects import rejects_text
from tfrecords_schema import InputSpec, LabelSpec


def test_sizes_and_numbers_have_their_unit() -> None:
    sizes = [texts.bytes_text(size) for size in (0, 999, 1000, 5.9e6, 1234.5e9)]
    assert sizes == ["0 B", "999 B", "1.0 kB", "5.9 MB", "1,234.5 GB"]
    assert [texts.counted(number, "group") for number in (0, 1, 2000)] == [
        "0 groups", "1 group", "2,000 groups",
    ]  # fmt: skip
    assert texts.counted(2, "batch", "batches") == "2 batches"


def test_a_name_in_a_list_is_no_line_of_its_own() -> None:
    assert texts.listed(["a\nerror: b", "c", "d"], 2) == "a\\nerror: b, c and 1 more"


def test_a_text_of_any_length_takes_a_few_pages() -> None:
    line = texts.wrapped("a\n" * 10_000_000)
    assert len(line) < 20_000
    assert line.endswith("and 19,990,000 more letters")
    assert texts.cut("a\n" * 100) == "a\n" * 100


def test_durations_have_two_units_at_most() -> None:
    durations = [texts.duration_text(secs) for secs in (0.125, 59, 119.9, 7260, 4e6)]
    assert durations == ["0.125 s", "59 s", "2 min", "2 h 1 min", "1,111 h 7 min"]
    assert texts.steps_text(1, None) == "1 step"
    assert texts.steps_text(1000, 0.25) == "1,000 steps (4 min)"


def test_what_is_left_is_a_clock_time() -> None:
    clocks = [texts.clock(secs) for secs in (0, 65, 7209, -1, None)]
    assert clocks == ["0:00", "1:05", "2:00:09", "0:00", "-"]


def test_input_and_label_are_named_by_kind_and_shape() -> None:
    assert texts.input_text(InputSpec("signal", "int16", (2, 3))) == "signal int16 [time, 2, 3]"
    labels = [
        LabelSpec("step", "class", class_names=("a", "b")),
        LabelSpec("record", "value", "float32", (2,)),
        LabelSpec("sequence", "value", "float32"),
        None,
    ]
    assert [texts.label_kind_text(label) for label in labels] == [
        "one of 2 classes per step",
        "float32 [2] value per record",
        "float32 value per sequence",
        "none",
    ]


def test_what_a_file_is_called_makes_no_line() -> None:
    rejects = [{"count": 1, "stage": "list", "reason": "odd", "examples": ["a\nerror: lost"]}]
    assert rejects_text(rejects, 2) == (
        "rejected 1 of 2 inputs:\n  1 at list: odd\n      a\\nerror: lost"
    )


def test_a_long_line_goes_on_further_in_and_keeps_its_hyphens() -> None:
    first, second = texts.wrapped("  - " + "a-word-that-is-long " * 5).splitlines()
    assert (first[:5], second) == ("  - a", "    a-word-that-is-long a-word-that-is-long")
