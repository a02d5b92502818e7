import numpy as np

from pipeline.batches.plan import BatchOptions
from tests.datasets import toy_dataset
from trainer.data.split_data import SplitData


def test_each_part_of_the_replicas_gets_rows_of_its_own(tmp_path):
    dataset, records = toy_dataset(tmp_path)
    split = SplitData(dataset, "train", BatchOptions(batch_size=4, num_buckets=2))
    plan = split.plan()
    parts = [split.read(plan, num_replicas=2, replicas=range(i, i + 1)) for i in range(2)]
    rows = [np.concatenate([batch["record"] for batch in part]) for part in parts]
    rows = np.concatenate(rows)
    assert sorted(rows[rows >= 0]) == [*range(len(records["train"]))]
