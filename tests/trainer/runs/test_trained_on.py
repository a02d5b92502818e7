"""What a run keeps of the groups and recordings that it was trained on."""

import hashlib

import numpy as np
import pytest

from tests.datasets import toy_dataset
from trainer.runs import trained_on
from trainer.runs.trained_on import TrainedOn


def _hash(content):
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


@pytest.mark.parametrize("most_groups", [1, 1 << 24])
@pytest.mark.parametrize("most_records", [1, 1 << 22])
def test_hashes_of_so_many_groups_and_recordings_are_kept(
    most_groups, most_records, tmp_path, monkeypatch
):
    monkeypatch.setattr(trained_on, "_MOST_GROUPS", most_groups)
    monkeypatch.setattr(trained_on, "_MOST_RECORDS", most_records)
    dataset, splits = toy_dataset(tmp_path / "data")
    for _ in range(2):  # The second adds nothing.
        trained_on.write(str(tmp_path), dataset, "train")
    found, train = TrainedOn.read(str(tmp_path)), splits["train"]
    groups = sorted({_hash(record.group.encode()) for record in train})
    contents = [_hash(record.data.tobytes()) for record in train]
    assert found.groups.tolist() == (groups if most_groups > 1 else [])
    assert found.contents.tolist() == (contents if most_records > 1 else [])
    seen = {
        "groups": len(groups) * (most_groups > 1),
        "records": len(train) * (most_records > 1),
    }
    expected = {**seen, "of_groups": len(groups) * (most_groups > 1), "of_records": len(train)}
    assert found.seen(dataset, "train") == (expected if any(seen.values()) else {})
    assert found.groups.dtype == found.contents.dtype == np.uint64
