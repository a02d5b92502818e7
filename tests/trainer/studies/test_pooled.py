"""What all folds and seeds come to, against plain loops."""

import json

import numpy as np
import pytest

from tests.datasets import CLASS_PER_RECORD, CLASS_PER_STEP, CLASSES_PER_STEP, VALUE_PER_STEP
from tests.trainer.studies.random_runs import random_runs
from tfrecords_schema.errors import UserError
from trainer.evaluation.group_sums import GroupSums
from trainer.evaluation.kinds import scored_kind
from trainer.studies.compared_runs import Predicted, paired_draws
from trainer.studies.pooled import draws_of, summarize
from trainer.studies.scored import Scored
from trainer.studies.spread import student_t
from trainer.studies.study_tables import runs_table, spread_table, study_text

_LABELS = [CLASS_PER_RECORD, CLASS_PER_STEP, VALUE_PER_STEP, CLASSES_PER_STEP]
_FIGURES = {"class": "accuracy", "value": "rmse", "classes": "subset_accuracy"}


def _figure(scored, label):
    """The headline of some records, by hand."""
    found = scored.predictions
    if label.kind == "class":
        return float(np.mean(found.prediction.argmax(-1) == found.label))
    if label.kind == "classes":
        return float(((found.prediction >= 0.5) == found.label).all(-1).mean())
    return float(np.sqrt(np.mean((found.prediction - found.label) ** 2)))


@pytest.mark.parametrize("label", _LABELS, ids=lambda label: f"{label.per}-{label.kind}")
def test_figures_are_means_over_draws_of_all_folds_together(label):
    runs = random_runs(label, folds=4, seeds=(0, 1, 2), repeats=2)
    result = summarize(runs, label)
    name = _FIGURES[label.kind]
    draws = {}
    for run in runs:
        draws.setdefault((run.repeat, run.seed), []).append(run.scored)
    figures = {draw: _figure(Scored.joined(parts), label) for draw, parts in draws.items()}
    assert result["metrics"][name] == pytest.approx(np.mean([*figures.values()]), rel=1e-6)
    assert result["draws"] == 6
    assert result["records"] == 24
    spread = result["spread"][name]
    assert {"true", "predicted"} <= {*result["worst"][0]} or label.kind == "value"
    by_seed = [np.mean([figures[r, seed] for r in range(2)]) for seed in range(3)]
    assert spread["seeds"]["deviation"] == pytest.approx(np.std(by_seed, ddof=1), rel=1e-6)
    by_fold = [
        np.mean([_figure(r.scored, label) for r in runs if (r.repeat, r.fold) == (repeat, fold)])
        for repeat in range(2)
        for fold in range(4)
    ]
    assert spread["folds"]["number"] == 8
    half = student_t(7) * np.std(by_fold, ddof=1) * np.sqrt(1 / 8 + 1 / 3)
    assert spread["folds"]["interval"] == pytest.approx(
        [np.mean(by_fold) - half, np.mean(by_fold) + half], rel=1e-6
    )
    assert json.loads(json.dumps(result)) == result


def test_more_divisions_compare_with_fewer_by_those_that_both_have():
    runs = random_runs(CLASS_PER_RECORD, folds=3, seeds=(0,), repeats=2)
    few = [run for run in runs if run.repeat == 0]
    data = {0: ["a", "b", "c"], 1: ["d", "e", "f"]}
    more = Predicted("more", data, CLASS_PER_RECORD, draws_of(runs), ())
    less = Predicted("less", {0: data[0]}, CLASS_PER_RECORD, draws_of(few), ())
    assert len(paired_draws(more, less)) == 1
    with pytest.raises(UserError, match="different data"):
        paired_draws(more, less._replace(data={0: ["a", "b", "x"]}))


def test_folds_kept_for_validation_widen_the_interval_over_folds():
    runs = random_runs(VALUE_PER_STEP, folds=4, seeds=(0,))
    widths = []
    for untrained in (1, 2):
        result = summarize(runs, VALUE_PER_STEP, untrained_folds=untrained)
        low, high = result["spread"]["rmse"]["folds"]["interval"]
        widths.append(high - low)
    assert widths[1] / widths[0] == pytest.approx(np.sqrt((1 / 4 + 1 / 2) / (1 / 4 + 1 / 3)))


def test_the_interval_draws_the_same_groups_for_all_seeds():
    runs = random_runs(CLASS_PER_RECORD, folds=3, seeds=(0, 1))
    result = summarize(runs, CLASS_PER_RECORD)
    draws = draws_of(runs)
    counts = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), 1000)
    drawn = []
    for scored in draws.values():
        right = scored.predictions.prediction.argmax(-1) == scored.predictions.label
        of_group = np.array(
            [right[np.array(scored.groups) == g].sum() for g in sorted({*scored.groups})]
        )
        drawn.append(counts @ of_group / (3 * counts.sum(1)))
    expected = np.quantile(np.mean(drawn, 0), [0.025, 0.975])
    assert result["intervals"]["accuracy"] == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("groups", "least"), [(20, 0.9), (40, 0.92)])
def test_intervals_over_groups_cover_the_truth(groups, least):
    """On made-up people, each with a rate of its own, whose mean is known."""
    rng, covered, truth = np.random.default_rng(groups), 0, 0.7
    for _ in range(200):
        rates = rng.beta(7, 3, groups)
        right = rng.random((groups, 10)) < rates[:, None]
        answers = np.eye(2)[(~right).astype(int).ravel()]
        sums = GroupSums("class", np.zeros(groups * 10, int), answers, np.repeat(range(groups), 10))
        low, high = sums.intervals(resamples=400)["accuracy"]
        covered += low <= truth <= high
    assert covered / 200 >= least


def test_the_worst_records_are_those_whose_class_had_least_probability():
    runs = random_runs(CLASS_PER_RECORD)
    worst = summarize(runs, CLASS_PER_RECORD)["worst"]
    first, second = draws_of(runs).values()
    mean = sum(map(scored_kind("class").certainty, (first.predictions, second.predictions))) / 2
    order = np.argsort(mean)
    assert [row["id"] for row in worst] == [first.ids[at] for at in order]
    assert worst[0]["probability_of_true"] == pytest.approx(mean.min(), rel=1e-6)


def test_a_record_in_two_folds_is_refused():
    runs = random_runs(CLASS_PER_RECORD, seeds=(0,))
    with pytest.raises(UserError, match="in the test split of two folds"):
        summarize([*runs, runs[0]], CLASS_PER_RECORD)


def test_tables_have_80_columns_and_every_run():
    runs = random_runs(CLASS_PER_STEP, repeats=2)
    result = {**summarize(runs, CLASS_PER_STEP), "baselines": []}
    assert max(map(len, study_text(result).splitlines())) <= 80
    assert len(runs_table(result).rows) == len(runs)
    names = [row[0] for row in spread_table(result).rows]
    assert names == ["groups (6)", "folds (6)", "seeds (2)", "divisions (2)"]


def test_records_of_other_folds_that_were_trained_on_are_told():
    runs = random_runs(CLASS_PER_RECORD)
    assert summarize(runs, CLASS_PER_RECORD)["trained_on"] == {}
    seen = {"groups": 0, "records": 2, "of_groups": 2, "of_records": 6}
    for run in runs:
        run.evaluation["trained_on"] = seen if run.fold < 2 else {}
    found = summarize(runs, CLASS_PER_RECORD)["trained_on"]
    assert found == {"groups": 0, "records": 4, "of_groups": 6, "of_records": 18}
