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


@pytest.mark.parametrize("missing", ["metrics", "baselines", "intervals", "groups", "records"])
def test_an_evaluation_without_what_pages_show_is_refused(missing, tmp_path):
    dataset, splits = toy_dataset(tmp_path / "data")
    write_run(tmp_path / "run", dataset, splits)
    found = RunFiles.read(str(tmp_path / "run")).evaluations["test"]
    require_shown(found, "run")
    del found[missing]
    with pytest.raises(UserError, match=f"evaluation of 'test' in run has no {missing}"):
        require_shown(found, "run")
