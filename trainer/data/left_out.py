"""What a training leaves out of a dataset, beside what the conversion did."""

from tfrecords_schema import Dataset
from tfrecords_schema.left_out import LeftOut, Tally
from tfrecords_schema.names import UNLABELLED
from trainer.options.options import DataOptions


def left_out(dataset: Dataset, options: DataOptions) -> tuple[LeftOut, ...]:
    """What was left out or changed between the recordings and the figures of a run, and why."""
    manifest, found = dataset.manifest, Tally(dataset.manifest.left_out)
    if manifest.rejects:
        why = "rejected by the conversion, see rejects.jsonl"
        found.add(LeftOut("input", why, manifest.rejects))
    used = {options.train_split, options.validation_split, options.test_split, UNLABELLED}
    for name in sorted({*manifest.splits} - used):
        if records := manifest.splits[name].records:
            why = (
                f"of split {name}, which is none of --train_split, --validation_split, --test_split"
            )
            found.add(LeftOut("record", why, records))
    return found.rows()
