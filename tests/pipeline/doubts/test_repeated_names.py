"""A person's number in paths is found, and what names a class is not taken for one."""

import pytest

from pipeline.doubts.repeated_names import repeated_name


def _paths(form, people=4, takes=6):
    return [
        form.format(person=p, take=t, word="abcdefgh"[p])
        for p in range(people)
        for t in range(takes)
    ]


@pytest.mark.parametrize(
    ("form", "regex", "commonest"),
    [
        ("subject_{person:02}/walk_{take}.npz", r"subject_\d+", "subject_00"),
        ("data/S{person}/run{take}.npz", r"S\d+", "S0"),
        ("p{person}-take{take}.npz", r"p\d+", "p0"),
        ("map{take}/p{person}.npz", r"(?<![A-Za-z0-9])p\d+", "p0"),
        ("night{take}_Patient {person}.npz", r"Patient\ \d+", "Patient 0"),
        ("{word}/{take}.npz", "^[^/]+", "a"),
        ("{word}{take}.npz", None, None),
        ("{take}_{person}.npz", None, None),
        ("recording_{take}{person}.npz", None, None),
    ],
)
def test_what_repeats_is_found(form, regex, commonest):
    labels = ["rest", "move"] * 12
    found = repeated_name(_paths(form), labels)
    assert (found and found.regex) == regex
    if found:
        assert (found.names, found.commonest, found.paths) == (4, commonest, 6)


def test_what_goes_with_the_label_is_the_class_unless_it_names_people():
    labels = [label for label in "abcd" for _ in range(6)]
    assert repeated_name(_paths("{word}/{take}.npz"), labels) is None
    assert repeated_name(_paths("class{person}/{take}.npz"), labels) is None
    assert repeated_name(_paths("class{person}/{take}.npz"), ["a", "b"] * 12).regex == r"class\d+"
    assert repeated_name(_paths("subject{person}/{take}.npz"), labels).regex == r"subject\d+"


def test_a_name_that_is_not_in_every_path_or_in_one_alone_says_nothing():
    assert (
        repeated_name([*_paths("s{person}/{take}.npz"), "other.npz"], ["a", "b"] * 12 + ["a"])
        is None
    )
    assert repeated_name([f"s{i}.npz" for i in range(9)], [""] * 9) is None
    assert repeated_name(["s1.npz"] * 4, [""] * 4) is None
    assert repeated_name([], []) is None
