"""Cutting a run into blocks."""

import pytest

import trials
from trials.plan import missing, portion


@pytest.mark.parametrize("block", [1, 3, 7, 10, 100])
def test_every_replicate_is_in_exactly_one_block(block):
    found = [r for part in missing(10, [], block) for r in part]
    assert found == list(range(10))
    assert all(len(part) <= block for part in missing(10, [], block))


def test_what_is_done_is_not_done_again():
    parts = list(missing(20, [range(5, 8), range(12, 16)], 4))
    assert sorted(r for part in parts for r in part) == [*range(5), *range(8, 12), *range(16, 20)]


def test_more_than_wanted_may_be_done_already():
    assert list(missing(10, [range(30)], 4)) == []
    assert [r for part in missing(10, [range(8, 30)], 4) for r in part] == list(range(8))


@pytest.mark.parametrize(
    ("name", "total", "workers", "expected"),
    [
        ("theophylline_bioequivalence", 4000, 1, 500),  # small: as many as are ever taken together
        ("theophylline_bioequivalence", 4000, 20, 50),  # four for each worker
        ("theophylline_bioequivalence", 3, 8, 1),
        ("lung_cancer_survival", 4000, 1, 5_000_000 // (1090 * (32 + 6 + 121))),  # large: as many as memory holds
    ],
)
def test_blocks_hold_many_small_trials_and_few_large_ones(name, total, workers, expected):
    assert portion(trials.load(name, ["runs=null"]).protocol, total, workers) == expected
