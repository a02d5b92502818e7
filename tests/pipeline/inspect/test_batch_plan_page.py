"""docs/batch_plan.md: its code prints what the page says, and its picture can be drawn."""

import re

import numpy as np

from benchmarks.results import batch_plan_picture
from pipeline.batches.plan import plan_epoch
from tests.repository import REPOSITORY

_PAGE = (REPOSITORY / "docs/batch_plan.md").read_text()


def test_the_code_prints_what_the_page_says(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
    (printed,) = re.findall(r"```text\n(.*?)```", _PAGE, re.DOTALL)
    names = {}
    exec(code, names)
    assert capsys.readouterr().out == printed
    np.testing.assert_array_equal(names["lengths"], batch_plan_picture.LENGTHS)
    np.testing.assert_array_equal(names["plan"].records, batch_plan_picture.example_plan().records)


def test_the_picture_is_of_that_plan():
    figure = batch_plan_picture.picture()
    batches = figure.axes[-1]
    plan = plan_epoch(batch_plan_picture.LENGTHS, batch_plan_picture.OPTIONS, seed=0, epoch=0)
    drawn = [label.get_text().split("\n") for label in batches.get_xticklabels()]
    padded = [str(steps) for steps in plan.padded_steps]
    assert drawn == [[str(step), steps] for step, steps in enumerate(padded)]
    assert len(batches.images) == plan.num_steps
    assert "22 records become 6 global batches of 2 replicas" in _PAGE
    assert (len(batch_plan_picture.LENGTHS), plan.num_steps) == (22, 6)
    # Those that hold what full batches left over.
    assert [int(s) for s in np.flatnonzero(np.diff(plan.step_starts) < 4)] == [2, 4]
