"""Data cut at a calendar time: who is there, what is known, and when the d-th event is."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.analyses.survival.cutting import cut_at, time_of_event


def trial(seed, replicates=4, n=30):
    rng = np.random.default_rng(seed)
    enrolled = np.sort(rng.uniform(0, 12, (replicates, n)), axis=1)
    return enrolled, rng.exponential(10, (replicates, n)), rng.uniform(size=(replicates, n)) < 0.7


@given(seed=st.integers(0, 2**20), count=st.integers(1, 15))
@settings(max_examples=50, deadline=None)
def test_the_dth_event_is_the_last_that_is_known(seed, count):
    enrolled, time, event = trial(seed)
    calendar = time_of_event(enrolled, time, event, count)
    ordered = [np.sort((e + t)[v]) for e, t, v in zip(enrolled, time, event, strict=True)]
    np.testing.assert_array_equal(calendar, [row[count - 1] if len(row) >= count else np.inf for row in ordered])
    known, happened = cut_at(enrolled, time, event, calendar)
    assert happened.sum(axis=1).tolist() == np.minimum(count, event.sum(axis=1)).tolist()
    np.testing.assert_array_equal(np.isfinite(known), enrolled <= calendar[:, None])
    there = np.isfinite(known)
    assert (known[there] >= 0).all()
    assert (known <= time)[there].all()
    open_ = there & ~happened & (known < time)
    np.testing.assert_allclose((enrolled + known)[open_], np.broadcast_to(calendar[:, None], known.shape)[open_])


def test_each_replicate_may_wait_for_its_own_number_of_events():
    enrolled, time, event = trial(3)
    counts = np.array([1, 5, 100, 3])
    found = time_of_event(enrolled, time, event, counts)
    for index, count in enumerate(counts):
        assert found[index] == time_of_event(enrolled, time, event, count)[index]
    assert found[2] == np.inf
    with pytest.raises(ValueError, match="at least 1, got 0"):
        time_of_event(enrolled, time, event, 0)


def test_a_cut_by_hand():
    enrolled, time = np.array([[0.0, 1.0, 2.0, 5.0, np.nan]]), np.array([[4.0, 9.0, 1.0, 1.0, np.nan]])
    known, happened = cut_at(enrolled, time, np.array([[True, True, False, True, False]]), 4.0)
    np.testing.assert_array_equal(known, [[4.0, 3.0, 1.0, np.nan, np.nan]])
    np.testing.assert_array_equal(happened, [[True, False, False, False, False]])
    all_known, all_events = cut_at(enrolled, time, np.array([[True, True, False, True, False]]), np.inf)
    np.testing.assert_array_equal(all_known, time)
    assert all_events.sum() == 3


def test_later_cuts_know_more():
    enrolled, time, event = trial(4)
    cuts = [cut_at(enrolled, time, event, day) for day in (3.0, 8.0, 20.0, np.inf)]
    for (early, seen), (late, seen_later) in itertools.pairwise(cuts):
        assert (np.isnan(early) | (early <= late)).all()
        assert (seen <= seen_later).all()
