"""Data records with time between them, against a plain loop over samples."""

import numpy as np
import pytest

from pipeline.console.errors import RejectedInputError
from pipeline.sources.recordings.timelines import timeline_of


@pytest.mark.parametrize("seed", range(20))
def test_samples_are_at_their_times(seed: int) -> None:
    rng = np.random.default_rng(seed)
    records, per_record = int(rng.integers(1, 12)), int(rng.integers(1, 6))
    record_secs = per_record / float(rng.choice([3, 10, 128]))
    gaps = rng.integers(0, 4, records) * rng.integers(0, 2, records)  # In samples.
    places = np.arange(records) * per_record + np.cumsum(gaps)
    timeline = timeline_of(places * record_secs / per_record, record_secs)
    places -= places[0]
    values = rng.normal(size=records * per_record).astype(np.float32)
    expected = np.full(places[-1] + per_record, np.nan, np.float32)
    for record, place in enumerate(places):
        for sample in range(per_record):
            expected[place + sample] = values[record * per_record + sample]
    assert timeline.samples(per_record) == len(expected)
    assert len(timeline.gaps) == np.count_nonzero(gaps[1:])
    start, stop = sorted(rng.integers(0, len(expected) + 1, 2).tolist())
    loaded: list[int] = []

    def load(first: int, last: int) -> np.ndarray:
        loaded.append(last - first)
        return values[first:last]

    found = timeline.read(start, stop, per_record, load)
    np.testing.assert_array_equal(found, expected[start:stop])
    assert sum(loaded) == np.isfinite(expected[start:stop]).sum()  # And no more.


@pytest.mark.parametrize("onsets", [[0, 1, 1.5], [0, -1], [0, np.inf], [0, np.nan, 2]])
def test_records_must_follow_each_other(onsets: list[float]) -> None:
    with pytest.raises(RejectedInputError, match="one after the other"):
        timeline_of(np.array(onsets, float), 1.0)
