"""Percent of time in the therapeutic range by linear interpolation between measurements.

Rosendaal, Cannegieter, van der Meer & Briët (1993), Thrombosis and Haemostasis 69:236.
"""

from dataclasses import dataclass

import numpy as np

from trials.checks import Number, Optional, fields, label, refuse
from trials.endpoints.base import Endpoint
from trials.endpoints.profiles import each


@dataclass(frozen=True, slots=True)
class TimeInRange(Endpoint):
    """Percent of the time between measurements that the interpolated value is within [low, high]."""

    name: str
    unit: str
    measure: str
    low: float = 2.0
    high: float = 3.0
    start: float = 0.0
    """Time from which it counts, on the clock of the period."""
    end: float | None = None
    """Time up to which it counts; None is the last measurement."""
    gap: float | None = None
    """Longest time between two measurements that is interpolated (Rosendaal: 56 days); None is any."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, low=Number(), high=Number())
        positive = Optional(Number(above=0))
        fields(self, "endpoint", start=Number(least=0), end=positive, gap=positive)
        if self.low >= self.high:
            raise refuse("endpoint.high", self.high, f"a limit above endpoint.low ({self.low:g})")
        if self.end is not None and self.end <= self.start:
            raise refuse("endpoint.end", self.end, f"a time after endpoint.start ({self.start:g})")

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the percentage of every profile (...), in [0, 100].

        Nothing is extrapolated: time before the first and after the last measurement does not count. Missing
        measurements are stepped over. NaN when no time is covered.
        """
        return each(self._percent, values, times)

    def _percent(self, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the percentage (profile,), adding step by step the time in range and the time covered."""
        shape = values.shape[1:]
        inside, covered = np.zeros(shape), np.zeros(shape)
        clock, value = np.full(shape, np.nan), np.full(shape, np.nan)
        for time, measured in zip(times, values, strict=True):
            known = ~np.isnan(measured)
            share, length = self._step((clock, np.broadcast_to(time, shape)), (value, measured))
            inside += share * length
            covered += length
            clock, value = np.where(known, time, clock), np.where(known, measured, value)
        positive = covered > 0
        percent: np.ndarray = 100 * inside / np.where(positive, covered, np.nan)
        return percent

    def _step(
        self, times: tuple[np.ndarray, np.ndarray], values: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the share in range and the length of what counts of one step; both 0 when an end is missing."""
        span = times[1] - times[0]
        bounds = [np.clip(time, self.start, self.end) for time in times]
        length = bounds[1] - bounds[0]
        counts = ~np.isnan(values[1] + span) & (length > 0) & (True if self.gap is None else span <= self.gap)
        rise = (values[1] - values[0]) / np.where(counts, span, 1.0)
        ends = [np.where(counts, values[0] + rise * (bound - times[0]), 0.0) for bound in bounds]
        return np.where(counts, self._share(ends[0], ends[1]), 0.0), np.where(counts, length, 0.0)

    def _share(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Return the share of a straight line that lies in the range: exact."""
        flat = before == after
        within = np.clip(after, self.low, self.high) - np.clip(before, self.low, self.high)
        level = (before >= self.low) & (before <= self.high)
        return np.where(flat, level, within / np.where(flat, 1.0, after - before))
