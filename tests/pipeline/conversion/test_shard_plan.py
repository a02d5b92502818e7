import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from pipeline.conversion.convert import main
from pipeline.conversion.inputs import Decision, InputCounts
from pipeline.conversion.shard_plan import (
    ShardPlan,
    choose_borders,
    count_sizes,
    hash_bin,
    plan_shards,
)
from pipeline.sources.division.group_splits import GroupCounts
from pipeline.sources.kinds.signals import SignalOptions
from pipeline.sources.source import Description

_BINS = st.dictionaries(st.integers(0, 65_535), st.integers(1, 1000), min_size=1, max_size=60)


@hypothesis.given(_BINS, st.integers(1, 80))
def test_no_shard_is_empty_and_none_is_more_than_a_bin_from_its_share(
    bins: dict[int, int], wanted: int
) -> None:
    borders = choose_borders(bins, wanted)
    assert len(borders) == min(wanted, len(bins))
    assert borders[0] == 0
    shards = np.searchsorted(borders, sorted(bins), side="right") - 1
    assert sorted(set(shards.tolist())) == list(range(len(borders)))
    weights = np.bincount(shards, [bins[key] for key in sorted(bins)])
    if 3 * wanted <= len(bins):  # Otherwise bins are too few to balance.
        share = sum(bins.values()) / wanted
        assert weights.max() <= share + 2 * max(bins.values())


@hypothesis.given(_BINS, st.integers(1, 10))
def test_every_record_has_a_shard(bins: dict[int, int], wanted: int) -> None:
    plan = ShardPlan({"train": choose_borders(bins, wanted)})
    borders = [*plan.borders["train"], 1 << 16]
    for record in _records(50):
        shard = plan.shard_of(record)
        assert borders[shard] <= hash_bin(record) < borders[shard + 1]


def test_equal_bins_make_equal_shards() -> None:
    assert choose_borders(dict.fromkeys(range(8), 5), 4) == (0, 2, 4, 6)


def test_small_records_make_small_shards_as_the_help_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = count_sizes(_records(3 * 64))
    options = SignalOptions("", "", "test", shard_size_mib=1, splits="train=1")
    plan = plan_shards(sizes, InputCounts(), Decision(None), GroupCounts(), options)
    assert plan.num_shards("train") == 3
    with pytest.raises(SystemExit):
        main(["--helpfull"])
    assert "every record counts 16 KiB more than its data" in " ".join(
        capsys.readouterr().out.split()
    )


def _records(count: int) -> list[Description]:
    """Records of the training split without any data."""
    return [
        Description(f"r{number}", "", "", "train", "", "uint8", 0, ()) for number in range(count)
    ]
