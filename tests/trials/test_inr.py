"""Percent of time in range."""

import math

import numpy as np
import pytest

from trials.endpoints.inr import TimeInRange
from trials.errors import TrialError

NAN = math.nan


def percent(values, times, **more):
    return TimeInRange("ttr", "percent", "inr", **more)(np.asarray(values, float), np.asarray(times, float))


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
    counts = (grid >= max(clock[0], endpoint.start)) & (grid <= min(clock[-1], end))
    counts &= np.diff(clock)[piece] <= (math.inf if endpoint.gap is None else endpoint.gap)
    inside = (np.interp(grid, clock, value) >= endpoint.low) & (np.interp(grid, clock, value) <= endpoint.high)
    return 100 * (counts & inside).sum() / counts.sum() if counts.any() else NAN


@pytest.mark.parametrize("window", [{}, {"start": 4.5, "end": 60.0}, {"gap": 10.0}, {"low": 1.8, "high": 3.5}])
def test_it_agrees_with_a_fine_grid(window):
    rng = np.random.default_rng(2)
    times = np.array([0, 3, 5, 7, 10, 14, 21, 28, 42, 56, 70, 84.0])
    values = 2.4 + np.cumsum(rng.normal(0, 0.6, (25, 12)), axis=1)
    values[rng.random(values.shape) < 0.15] = NAN
    endpoint = TimeInRange("ttr", "percent", "inr", **window)
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"low": 3, "high": 2}, r"endpoint\.high: got 2\.0, wanted a limit above endpoint\.low \(3\)"),
        ({"start": 10, "end": 5}, r"endpoint\.end: got 5\.0, wanted a time after endpoint\.start \(10\)"),
        ({"gap": 0}, r"endpoint\.gap: got 0, wanted a number in \(0, inf\)"),
        ({"start": -1}, r"endpoint\.start: got -1"),
    ],
)
def test_an_impossible_endpoint_names_its_field(change, words):
    with pytest.raises(TrialError, match=words):
        TimeInRange("ttr", "percent", "inr", **change)
