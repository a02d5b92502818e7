"""Files of a run with any field missing or of another type: one message, or what is right."""

import json

import pytest

from tests.changed_json import MISSING, OTHERS, changed, places
from tests.datasets import toy_dataset
from tests.trainer.run_folders import write_run
from tfrecords_schema.errors import UserError
from trainer.report.report_data import RunFiles
from trainer.report.run_shapes import require_shown


@pytest.mark.parametrize("name", ["evaluation-test.json", "metrics.jsonl", "plan.json"])
def test_any_other_field_is_read_or_refused_by_its_file_and_name(name, tmp_path):
    dataset, splits = toy_dataset(tmp_path / "data")
    write_run(tmp_path / "run", dataset, splits)
    path = tmp_path / "run" / name
    value = json.loads(path.read_text().splitlines()[0] if "jsonl" in name else path.read_text())
    refused = []
    for place in places(value):
        for other in [*OTHERS, MISSING]:
            path.write_text(json.dumps(changed(value, place, other)))
            try:
                RunFiles.read(str(tmp_path / "run"))
            except UserError as error:
                refused.append((str(place[0]), str(error)))
    assert len(refused) > 10
    assert all(f"{name} is not what a run wrote (" in said for _, said in refused)
    assert all(field in said for field, said in refused)
    path.write_text(json.dumps(value))
    RunFiles.read(str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("name", "other"), [("loss", 1e308), ("loss", -1e101), ("epoch", 10**30), ("epoch", 2**62 + 1)]
)
def test_numbers_that_no_picture_can_be_drawn_of_are_refused(name, other, tmp_path):
    line = {"epoch": 0, "train": {"loss": 1e77}}
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(line) + "\n")
    assert RunFiles.read(str(tmp_path)).epochs == [line]
    (line if name in line else line["train"])[name] = other
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(UserError, match=f"metrics.jsonl is not what a run wrote .*{name}: got"):
        RunFiles.read(str(tmp_path))


@pytest.mark.parametrize("missing", ["metrics", "baselines", "intervals", "groups", "records"])
def test_an_evaluation_without_what_pages_show_is_refused(missing, tmp_path):
    dataset, splits = toy_dataset(tmp_path / "data")
    write_run(tmp_path / "run", dataset, splits)
    found = RunFiles.read(str(tmp_path / "run")).evaluations["test"]
    require_shown(found, "run")
    del found[missing]
    with pytest.raises(UserError, match=f"evaluation of 'test' in run has no {missing}"):
        require_shown(found, "run")
