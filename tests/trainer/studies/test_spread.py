"""Deviation and interval of a few figures, against tables of Student's t."""

import numpy as np
import pytest
from scipy import stats

from trainer.metrics.table import limits
from trainer.studies.spread import spread, student_t


@pytest.mark.parametrize(
    # The usual table of two-sided 95%.
    ("freedom", "t"),
    [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (9, 2.26216), (30, 2.04227)],
)
def test_students_t_is_that_of_the_tables(freedom, t):
    assert student_t(freedom) == pytest.approx(t, rel=1e-5)


def test_students_t_is_that_of_scipy():
    for freedom in range(1, 60):
        assert student_t(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-12)


def test_the_interval_of_independent_figures_holds_their_mean_as_often_as_it_says():
    drawn = np.random.default_rng(0).normal(3, 2, (2000, 5))
    ends = np.array([spread(row)["interval"] for row in drawn])
    assert np.mean((ends[:, 0] < 3) & (ends[:, 1] > 3)) == pytest.approx(0.95, abs=0.015)


def test_what_folds_share_widens_the_interval():
    found, corrected = spread([1.0, 2.0, 3.0]), spread([1.0, 2.0, 3.0], 1 / 2)
    assert found["deviation"] == corrected["deviation"] == pytest.approx(1)
    widths = [one["interval"][1] - one["interval"][0] for one in (found, corrected)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt((1 / 3 + 1 / 2) / (1 / 3)))


def test_the_interval_ends_where_the_metric_does():
    assert spread([0.9, 1.0], limits=limits("accuracy"))["interval"][1] == 1
    assert spread([0.1, 0.2], limits=limits("accuracy"))["interval"][0] == 0
    assert spread([0.1, 0.9], limits=limits("cohen_kappa"))["interval"] == [-1, 1]
    low, high = spread([0.1, 0.9], limits=limits("rmse"))["interval"]
    assert (low, high) == (0, spread([0.1, 0.9])["interval"][1])
    assert high > 1


def test_one_figure_has_no_interval():
    assert spread([0.5]) == {"number": 1, "mean": 0.5, "least": 0.5, "greatest": 0.5}
