import numpy as np
import pytest

from pipeline.batches.plan import BatchOptions
from tests.datasets import VALUE_PER_RECORD, VALUE_PER_STEP, VALUE_SEQUENCE
from tests.trainer.frame_models import frames_dataset
from trainer.data.split_data import SplitData
from trainer.evaluation.baselines import label_mean


@pytest.mark.parametrize(
    "label", [VALUE_PER_RECORD, VALUE_PER_STEP, VALUE_SEQUENCE], ids=lambda label: label.per
)
def test_the_mean_of_labels_decodes_no_frame(label, tmp_path, monkeypatch):
    dataset = frames_dataset(tmp_path, label, {"train": [3, 1, 4, 2]})
    split = SplitData(dataset, "train", BatchOptions(batch_size=3, num_buckets=2))
    batches = list(split.in_order())
    monkeypatch.setattr("pipeline.batches.batch_reader.decode_frames", pytest.fail)
    lengths = "label_lengths" if label.per == "sequence" else "lengths"
    labels = [
        np.reshape(values if label.per == "record" else values[:length], (-1, *label.shape))
        for batch in batches
        for values, length in zip(batch["label"].numpy(), batch[lengths].numpy(), strict=True)
    ]
    np.testing.assert_allclose(label_mean(split), np.concatenate(labels).mean(0), rtol=1e-6)
