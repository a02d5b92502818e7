"""What a training leaves out of a dataset."""

import dataclasses

from tests.datasets import toy_dataset
from tfrecords_schema.left_out import LeftOut
from trainer.data.left_out import left_out
from trainer.options.options import DataOptions


def test_splits_that_nothing_reads_and_rejects_are_counted_beside_what_the_conversion_said(
    tmp_path,
):
    sizes = {"train": 5, "validation": 2, "dev": 4, "test": 3}
    dataset, _ = toy_dataset(tmp_path, sizes=sizes)
    said = (LeftOut("file", "ending in .txt", 9, "a.txt"),)
    of_dev = "of split dev, which is none of --train_split, --validation_split, --test_split"
    rejected = "rejected by the conversion, see rejects.jsonl"
    assert left_out(dataset, DataOptions()) == (LeftOut("record", of_dev, 4),)
    assert left_out(dataset, DataOptions(validation_split="dev"))[0].count == 2
    manifest = dataclasses.replace(dataset.manifest, left_out=said, rejects=6)
    found = left_out(dataclasses.replace(dataset, manifest=manifest), DataOptions())
    assert found == (*said, LeftOut("input", rejected, 6), LeftOut("record", of_dev, 4))
