"""Curves over epochs, of lines with any field missing or of another type."""

from typing import Any
from unittest import mock

import pytest

from tests.changed_json import MISSING, changed, places
from tfrecords_schema.errors import UserError
from trainer.report import report, report_figures
from trainer.report.run_shapes import Epoch, require
from trainer.studies import study_page

_FIGURES = {"loss": 0.5, "accuracy": 0.75}
_LINE: dict[str, Any] = {
    "epoch": 0, "step": 3, "seconds": 1.5, "train": _FIGURES, "validation": _FIGURES,
}  # fmt: skip


def test_any_other_field_of_an_epoch_is_drawn_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (report_figures, study_page):
        monkeypatch.setattr(module, "svg", lambda draw, size: str(draw(mock.MagicMock())))
    expected = report._curves([_LINE])
    assert expected.keys() == {"loss", "accuracy"}
    drawn = refused = 0
    for place in places(_LINE):
        for other in [None, "3", {}, MISSING]:
            line = changed(_LINE, place, other)
            try:
                require(Epoch, line)
            except UserError:
                refused += 1
                continue
            drawn += 1
            for lines in ([line, _LINE], [_LINE, line]):
                assert "loss" in report._curves(lines)
                assert "loss" in study_page._curves([lines, [_LINE]])
    assert drawn > 10
    assert refused > 10
