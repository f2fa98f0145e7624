"""Risk sets: subjects sorted by time once, and how many are at risk and have the event at each distinct time."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class RiskSets(NamedTuple):
    """Counts at the distinct times of each replicate, all (replicate, position); position runs along sorted times.

    Subjects with one time are one risk set where there is an event among them: its counts of events stand at its first
    position and are 0 at the others, so a sum over positions is a sum over distinct times. Who is censored at the time
    of an event is at risk of it. Behind the last subject times are infinite and counts 0.
    """

    time: np.ndarray
    events: np.ndarray
    events_test: np.ndarray
    at_risk: np.ndarray
    at_risk_test: np.ndarray


def risk_sets(time: np.ndarray, event: np.ndarray, used: np.ndarray, test: np.ndarray) -> RiskSets:
    """Sort the subjects used by time and count.

    Parameters
    ----------
    time, event
        Time since randomisation and whether it is an event, (replicate, subject).
    used
        Who is analysed (replicate, subject).
    test
        Who of these is in the test group (replicate, subject); of one group, anybody.
    """
    used = used & np.isfinite(time)
    key = np.where(used, time, np.inf)
    order = np.argsort(key, axis=1)  # of equal times in any order: they are joined below
    times = np.take_along_axis(key, order, axis=1)
    code = np.take_along_axis((event & used).view(np.int8) + 2 * (test & used).view(np.int8), order, axis=1)
    left = used.sum(axis=1)[:, None] - np.arange(times.shape[1])
    there, events, in_test = left > 0, (code & 1).astype(float), (code >> 1).astype(float)
    events_test, at_risk = events * in_test, np.maximum(left, 0).astype(float)
    gone = np.cumsum(in_test, axis=1)
    at_risk_test = gone[:, -1:] - gone + in_test
    sets = RiskSets(times, events, events_test, at_risk, at_risk_test)
    happened = (events[:, 1:] > 0) | (events[:, :-1] > 0)
    return _tied(sets, there) if ((times[:, 1:] == times[:, :-1]) & happened).any() else sets


def _tied(sets: RiskSets, there: np.ndarray) -> RiskSets:
    """Join the subjects of one time into one risk set."""
    first, last = tie_bounds(sets.time, there)
    place = np.arange(sets.time.shape[1])
    joined = [np.take_along_axis(np.cumsum(counts, axis=1), last, axis=1) for counts in sets[1:3]]
    before = [np.take_along_axis(np.cumsum(counts, axis=1) - counts, first, axis=1) for counts in sets[1:3]]
    counts = [np.where(first == place, after - ahead, 0.0) for after, ahead in zip(joined, before, strict=True)]
    at_risk = [np.take_along_axis(counted, first, axis=1) for counted in sets[3:]]
    return RiskSets(sets.time, *counts, *at_risk)


def tie_bounds(times: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return first and last position of the tie each position belongs to, from sorted times (replicate, position)."""
    place = np.arange(times.shape[1])
    new = np.ones(times.shape, bool)
    new[:, 1:] = (times[:, 1:] != times[:, :-1]) | ~there[:, 1:]
    ends = np.ones(times.shape, bool)
    ends[:, :-1] = new[:, 1:]
    first = np.maximum.accumulate(np.where(new, place, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, place, len(place))[:, ::-1], axis=1)[:, ::-1]
    return first, last


def by_stratum(
    time: np.ndarray, event: np.ndarray, used: np.ndarray, test: np.ndarray, *, stratum: np.ndarray | None
) -> Iterator[RiskSets]:
    """Yield the risk sets of one stratum after the other; ``stratum`` (replicate, subject) has indices, -1 is in none.

    Without strata there is one.
    """
    if stratum is None:
        yield risk_sets(time, event, used, test)
        return
    for index in range(int(stratum.max(initial=-1)) + 1):
        yield risk_sets(time, event, used & (stratum == index), test)
