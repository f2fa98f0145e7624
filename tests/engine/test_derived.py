"""Derived metrics: percent of time in range against brute force, and the others against hand-computed courses."""

import dataclasses
import math
import pickle

import numpy as np
import pytest

from engine import outcomes
from engine.errors import DataError
from engine.outcomes import (
    AtTime,
    Average,
    ChangeFrom,
    Largest,
    Nadir,
    TimeAbove,
    TimeBelow,
    TimeInRange,
    TimeOfNadir,
    TimeTo,
)

NAN = math.nan


def percent(values, times, **more):
    return TimeInRange(**{"low": 2, "high": 3} | more)(np.asarray(values, float), np.asarray(times, float))


@pytest.mark.parametrize(
    ("values", "times", "want"),
    [
        ([1, 3], [0, 10], 50),
        ([1, 4], [0, 9], 100 / 3),
        ([4, 1], [0, 9], 100 / 3),
        ([2.5, 2.5], [0, 10], 100),
        ([2, 2], [0, 10], 100),
        ([3, 3], [0, 10], 100),
        ([3.1, 3.1], [0, 10], 0),
        ([1, 2, 3, 4], [0, 1, 2, 3], 100 / 3),
        ([1, 3, 3], [0, 1, 4], (0.5 + 3) / 4 * 100),
    ],
)
def test_known_answers(values, times, want):
    assert percent(values, times) == pytest.approx(want, rel=1e-14)


def test_missing_measurements_are_stepped_over():
    assert percent([1, NAN, 3], [0, 3, 10]) == percent([1, 3], [0, 10])
    assert percent([NAN, 2.5, 2.5, NAN], [0, 3, 5, 10]) == 100
    assert np.isnan(percent([NAN, 2.5, NAN], [0, 3, 5]))
    assert np.isnan(percent([NAN, NAN], [0, 3]))


def test_only_the_time_from_start_to_end_counts():
    values, times = [1, 3, 3], [0, 10, 20]
    assert percent(values, times, start=5) == pytest.approx(100)
    assert percent(values, times, end=10) == pytest.approx(50)
    assert percent(values, times, start=4, end=6) == pytest.approx(50)
    assert percent(values, times, start=15, end=400) == pytest.approx(100)
    assert np.isnan(percent(values, times, start=30, end=40))


def test_a_long_gap_is_not_interpolated():
    values, times = [2.5, 2.5, 5, 5], [0, 5, 65, 70]
    assert percent(values, times, gap=56) == 50
    assert percent(values, times, gap=60) == pytest.approx(100 * (5 + 12) / 70)


def brute_force(endpoint, values, times, points=400_000):
    """Share of a fine grid, each point interpolated between the measurements beside it."""
    known = ~np.isnan(values)
    if known.sum() < 2:
        return NAN
    clock, value = times[known], values[known]
    end = times[-1] if endpoint.end is None else endpoint.end
    grid = (np.arange(points) + 0.5) / points * times[-1]
    piece = np.clip(np.searchsorted(clock, grid) - 1, 0, len(clock) - 2)
    counts = (grid >= max(clock[0], endpoint.start or 0)) & (grid <= min(clock[-1], end))
    counts &= np.diff(clock)[piece] <= (math.inf if endpoint.gap is None else endpoint.gap)
    inside = (np.interp(grid, clock, value) >= endpoint.low) & (np.interp(grid, clock, value) <= endpoint.high)
    return 100 * (counts & inside).sum() / counts.sum() if counts.any() else NAN


@pytest.mark.parametrize("window", [{}, {"start": 4.5, "end": 60.0}, {"gap": 10.0}, {"low": 1.8, "high": 3.5}])
def test_it_agrees_with_a_fine_grid(window):
    rng = np.random.default_rng(2)
    times = np.array([0, 3, 5, 7, 10, 14, 21, 28, 42, 56, 70, 84.0])
    values = 2.4 + np.cumsum(rng.normal(0, 0.6, (25, 12)), axis=1)
    values[rng.random(values.shape) < 0.15] = NAN
    endpoint = TimeInRange(**{"low": 2, "high": 3} | window)
    want = [brute_force(endpoint, row, times) for row in values]
    np.testing.assert_allclose(endpoint(values, times), want, atol=5e-3)


def test_leading_axes_and_own_clocks():
    rng = np.random.default_rng(4)
    times = np.array([0, 3, 5, 7.0])
    values = rng.uniform(1, 5, (6, 3, 4))
    whole = percent(values, times)
    assert whole.shape == (6, 3)
    np.testing.assert_array_equal(whole, percent(values, np.broadcast_to(times, values.shape)))
    assert ((whole >= 0) & (whole <= 100)).all()


TIMES = np.array([0.0, 1, 2, 4, 8])
COURSE = np.array([1.0, 5, 4, 2, 6])


@pytest.mark.parametrize(
    ("metric", "want"),
    [
        (TimeAbove(3.0), 0.5 + 1 + 1 + 3),  # crosses 3 at 0.5, at 3 and at 5
        (TimeBelow(3.0), 0.5 + 2),
        (TimeAbove(3.0, start=1, end=4), 1 + 1),
        (TimeAbove(9.0), 0.0),
        (Average(), (3 + 4.5 + 6 + 16) / 8),
        (Average(start=0.5, end=1.5), (4.0 * 0.5 + 4.75 * 0.5) / 1),
        (Largest(), 6.0),
        (Largest(end=4), 5.0),
        (Nadir(start=1), 2.0),
        (TimeOfNadir(start=1), 4.0),
        (AtTime(6.0), 4.0),
        (AtTime(4.0), 2.0),
        (ChangeFrom(1.0, 4.0), -3.0),
        (ChangeFrom(1.0, 4.0, percent=True), -60.0),
        (TimeTo(3.0), 0.5),
        (TimeTo(3.0, "below", start=1), 3.0),
        (TimeTo(1.0), 0.0),
        (TimeTo(6.0), 8.0),
        (TimeTo(2.0, "below", start=1), 4.0),
        (TimeTo(5.0, start=1), 1.0),
        (Largest(start=1, end=2), 5.0),
        (Nadir(start=1, end=2), 4.0),
        (Largest(start=8), 6.0),
    ],
    ids=repr,
)
def test_a_course_worked_out_by_hand(metric, want):
    assert metric(COURSE, TIMES) == pytest.approx(want, rel=1e-14)


def test_what_was_not_observed_is_not_known():
    assert np.isnan(TimeTo(7.0)(COURSE, TIMES))
    assert np.isnan(AtTime(9.0)(COURSE, TIMES))
    assert np.isnan(ChangeFrom(0.0, 9.0)(COURSE, TIMES))
    assert np.isnan(TimeAbove(3.0, start=10)(COURSE, TIMES))
    missing = np.where(TIMES == 2, NAN, COURSE)
    assert AtTime(2.0)(missing, TIMES) == pytest.approx(4.0)  # between 5 at 1 and 2 at 4


METRICS = [
    TimeInRange(2.0, 3.0), TimeAbove(3.0), TimeBelow(3.0), Average(), Largest(), Nadir(), TimeOfNadir(), AtTime(2.0),
    ChangeFrom(0.0, 8.0), TimeTo(3.0), outcomes.NCA("AUCLST"), outcomes.NCA("CMAX"),
]  # fmt: skip


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
def test_every_metric_keeps_the_contract(metric):
    assert pickle.loads(pickle.dumps(metric)) == metric
    assert hash(type(metric)(**dataclasses.asdict(metric))) == hash(metric)
    assert metric.unit_of("mg/L", "h") in {"percent", "h", "mg/L", "h*mg/L"}
    values = COURSE * np.random.default_rng(4).lognormal(0, 0.1, (5, 3, 5))
    found = metric(values, TIMES)
    assert found.shape == (5, 3)
    np.testing.assert_array_equal(found[2, 1], metric(values[2, 1], TIMES))
    np.testing.assert_array_equal(found, metric(values, np.broadcast_to(TIMES, values.shape)))
    assert np.isnan(metric(np.full(5, NAN), TIMES))
    with pytest.raises(DataError, match="times: got"):
        metric(COURSE, TIMES[::-1])


def test_every_metric_that_is_exported_is_here():
    exported = {name for name in outcomes.__all__ if isinstance(found := getattr(outcomes, name), type)
                and issubclass(found, outcomes.Metric)} - {"Metric"}  # fmt: skip
    assert exported == {type(metric).__name__ for metric in METRICS}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TimeInRange(3, 2), r"TimeInRange\.high: got 2, wanted a limit above low \(3\)"),
        (lambda: TimeInRange(2, 3, start=10, end=5), r"TimeInRange\.end: got 5, wanted a time after start \(10\)"),
        (lambda: TimeInRange(2, 3, gap=0), r"TimeInRange\.gap: got 0, wanted a number above 0"),
        (lambda: TimeTo(2, "under"), r"TimeTo\.direction: got 'under', wanted one of above, below"),
        (lambda: ChangeFrom(3, 2), r"ChangeFrom\.time: got 2, wanted a time after baseline"),
        (lambda: AtTime("soon"), r"AtTime\.time: got 'soon', wanted a number"),
    ],
)
def test_an_impossible_metric_names_its_field(make, words):
    with pytest.raises(DataError, match=words):
        make()
