import numpy as np
import tensorflow as tf

from tests.datasets import CLASS_PER_RECORD
from trainer.augmentation.augmentation import augmented
from trainer.augmentation.shift import Shift


def _batch(frames, records):
    return {
        "frames": tf.constant(frames),
        "lengths": tf.constant([frames.shape[1]] * len(frames)),
        "record": tf.constant(records, tf.int64),
        "label": tf.zeros([len(frames)]),
    }


def _shifted(frames, records, epoch=0):
    moved = tf.function(lambda batch: augmented(batch, [Shift(0.25)], 0, epoch, CLASS_PER_RECORD))
    return moved(_batch(frames, records))["frames"].numpy()


def test_all_frames_of_a_record_move_alike_and_edges_are_continued():
    rows, columns = np.mgrid[:8, :12]
    frame = np.stack([rows, columns, rows], axis=-1).astype(np.uint8)
    found = _shifted(np.broadcast_to(frame, (16, 3, 8, 12, 3)), range(16)).astype(int)
    np.testing.assert_array_equal(found, np.broadcast_to(found[:, :1], found.shape))
    down, right = found[:, 0, 4, 6, 0] - 4, found[:, 0, 4, 6, 1] - 6
    for record in range(16):
        np.testing.assert_array_equal(
            found[record, 0, :, 0, 0], np.clip(np.arange(8) + down[record], 0, 7)
        )
        np.testing.assert_array_equal(
            found[record, 0, 0, :, 1], np.clip(np.arange(12) + right[record], 0, 11)
        )
    assert set(down) <= {*range(-2, 3)}
    assert set(right) <= {*range(-3, 4)}
    assert len(set(down)) > 2
    assert len(set(right)) > 2


def test_a_record_moves_alike_in_any_batch_and_otherwise_in_another_epoch():
    frames = np.random.default_rng(0).integers(0, 256, (6, 2, 8, 12, 3), dtype=np.uint8)
    both = _shifted(frames, range(6))
    np.testing.assert_array_equal(_shifted(frames[3:], range(3, 6)), both[3:])
    assert np.any(_shifted(frames, range(6), epoch=1) != both)
