"""Trials in the file: what a kill leaves between any two writes is asked for again, once."""

import pytest

from tests.optional import optional_library
from trainer.studies.search.storage import IDENTITY, Storage

optional_library("optuna")


def _open(folder):
    return Storage(str(folder), is_better_higher=True, seed=0, parallel=1)


def _ask(storage):
    number, trial = storage.ask()
    return number, trial, trial.suggest_float("rate", 0, 1)


def test_a_trial_that_was_killed_comes_again_as_it_was(tmp_path):
    storage = _open(tmp_path)
    storage.add({"rate": 0.25})
    storage.ask()  # Killed before anything was asked of it.
    number, trial, rate = _ask(storage := _open(tmp_path))
    assert (number, rate) == (0, 0.25)
    storage.study.tell(trial, 1)
    number, _, rate = _ask(storage)
    assert number == 1
    storage = _open(tmp_path)  # Killed in the middle of it.
    _open(tmp_path)  # And at once again.
    assert storage.has_waiting()
    again, trial, same = _ask(storage)
    assert (again, same) == (1, rate)
    assert not storage.has_waiting()
    storage.study.tell(trial, 2)
    assert [found.value for found in _open(tmp_path).newest().values()] == [1, 2]


def test_a_trial_that_was_killed_before_it_had_a_number_is_forgotten(tmp_path):
    _open(tmp_path).study.ask()
    storage = _open(tmp_path)
    assert not storage.newest()
    assert not storage.has_waiting()
    assert _ask(storage)[0] == 0


def test_suggestions_depend_on_seed_and_number_alone(tmp_path):
    def rates(folder, reopened):
        storage, found = _open(tmp_path / folder), []
        for number in range(4):
            storage = _open(tmp_path / folder) if number in reopened else storage
            found.append(_ask(storage)[2])
            storage.study.tell(number, number)
        return found

    whole = rates("whole", ())
    assert len({*whole}) == 4  # A sampler that began anew would repeat the first.
    assert rates("cut", (1, 3)) == pytest.approx(whole)


def test_suggestions_of_a_trial_killed_between_two_options_are_those_of_a_quiet_one(tmp_path):
    def second(storage):
        number, trial, rate = _ask(storage)
        return number, rate, trial.suggest_float("dropout", 0, 1)

    expected = second(_open(tmp_path / "quiet"))
    _ask(_open(tmp_path / "killed"))
    assert second(_open(tmp_path / "killed")) == expected


def test_options_that_were_all_suggested_stay_through_two_kills(tmp_path):
    _, trial, rate = _ask(_open(tmp_path))
    dropout = trial.suggest_float("dropout", 0, 1)
    trial.set_user_attr(IDENTITY, "of the training")
    _ask(_open(tmp_path))  # Killed again, before it had them all.
    _, trial = _open(tmp_path).ask()
    assert trial.suggest_float("rate", 0, 1) == rate
    assert trial.suggest_float("dropout", 0, 1) == dropout


def test_time_of_earlier_starts_is_added_up(tmp_path):
    _open(tmp_path).spent(3)
    storage = _open(tmp_path)
    assert storage.secs_before == 3
    storage.spent(2)
    assert _open(tmp_path).secs_before == 5


def test_a_search_in_a_copy_by_hard_links_leaves_the_first_as_it_is(tmp_path):
    (tmp_path / "copy").mkdir()
    _open(tmp_path / "first").add({"depth": 2})
    database = tmp_path / "first" / "search.sqlite3"
    (tmp_path / "copy" / database.name).hardlink_to(database)
    before = database.read_bytes()
    copy = _open(tmp_path / "copy")
    copy.add({"depth": 3})
    assert len(copy.newest()) == 2
    assert database.read_bytes() == before
