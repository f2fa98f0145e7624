"""Areas under a course and under time times the course, by trapezoids, many courses at once."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]

METHODS = ("linear", "linear-up log-down")
"""Linear everywhere; or linear where the concentration rises and logarithmic where it falls."""

_SERIES_BELOW, _TERMS = 0.5, 16


class Area(NamedTuple):
    """Area, the last value that counted and its time, each (course,)."""

    value: Floats
    last: Floats
    time: Floats


def area(
    times: Floats, values: Floats, method: str, *, start: float = -np.inf, end: float = np.inf
) -> Area:  # fmt: skip
    """Area under each course between two times, over what was measured.

    Parameters
    ----------
    times
        (time, course or 1), increasing.
    values
        (time, course); a missing one (NaN) is stepped over.
    method
        One of `METHODS`. A logarithmic step from a to b has the area (a - b) dt / ln(a/b); within it the course is the
        exponential through both.
    start, end
        Bounds; the course is interpolated at a bound between two samples. Nothing is extrapolated.

    Notes
    -----
    A course with no value at all has area NaN.
    """
    total, before, clock = np.zeros(values.shape[1:]), values[0], times[0]
    for step in _steps(times, values, method):
        part = step.within(start, end)
        total += np.where(part.end > part.begin, part.area(), 0.0)
        before, clock = step.after, step.end
    return Area(np.where(np.isnan(values).all(axis=0), np.nan, total), before, np.broadcast_to(clock, total.shape))


def moment(
    times: Floats, values: Floats, method: str, *, start: float = -np.inf, end: float = np.inf
) -> Floats:  # fmt: skip
    """Area under time times each course, (course,); :func:`area` says what the arguments mean."""
    total = np.zeros(values.shape[1:])
    for step in _steps(times, values, method):
        part = step.within(start, end)
        total += np.where(part.end > part.begin, part.moment(), 0.0)
    return np.where(np.isnan(values).all(axis=0), np.nan, total)


def _steps(times: Floats, values: Floats, method: str) -> "Iterator[_Step]":
    """Steps of the courses from each sample to the next; a missing one makes a step without length, to be gone on."""
    before = values[0]
    clock = np.where(np.isnan(before), np.nan, times[0])
    for time, measured in zip(times[1:], values[1:], strict=True):
        known = ~np.isnan(measured)
        after, then = np.where(known, measured, before), np.where(known, time, clock)
        began = ~np.isnan(before)
        yield _Step(np.where(began, clock, then), then, np.where(began, before, after), after, method)
        before, clock = after, then


class _Step(NamedTuple):
    """A step from one sample to the next, each field (course,)."""

    begin: Floats
    end: Floats
    before: Floats
    after: Floats
    method: str

    def within(self, start: float, end: float) -> "_Step":
        """Part of the step between two times."""
        if start == -np.inf and end == np.inf:
            return self
        begin, finish = np.maximum(self.begin, start), np.minimum(self.end, end)
        return _Step(begin, finish, self._at(begin), self._at(finish), self.method)

    def _at(self, time: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (time - self.begin) / (self.end - self.begin)
            line = self.before + share * (self.after - self.before)
            falling = np.where(self._falls(), self.before * (self.after / self.before) ** share, line)
        return np.where(share <= 0, self.before, np.where(share >= 1, self.after, falling))

    def _falls(self) -> NDArray[np.bool_]:
        if self.method == "linear":
            return np.zeros(self.before.shape, dtype=bool)
        return (self.after < self.before) & (self.after > 0)

    def area(self) -> Floats:
        """Area of the step."""
        height = (self.before + self.after) / 2
        if self.method != "linear":
            falls = self._falls()
            drop = np.where(falls, self.before - self.after, 1.0)
            # log1p keeps all digits of ln(before/after) when the two are nearly equal
            height = np.where(falls, drop / np.log1p(drop / np.where(falls, self.after, 1.0)), height)
        found: Floats = (self.end - self.begin) * height
        return found

    def moment(self) -> Floats:
        """Area of time times the course."""
        length = self.end - self.begin
        straight: Floats = length * (self.begin * self.before + self.end * self.after) / 2
        if self.method == "linear":
            return straight
        falls = self._falls()
        after = np.where(falls, self.after, 1.0)
        decay = np.log1p(np.where(falls, self.before - self.after, 0.0) / after)
        curved = self.begin * self.area() + self.before * length**2 * _ramp(decay)
        return np.where(falls, curved, straight)


def _ramp(x: Floats) -> Floats:
    """Integral of s exp(-x s) over s from 0 to 1, x at least 0; by its series where the closed form cancels."""
    series = np.zeros_like(x)
    term = np.ones_like(x)
    for n in range(_TERMS):
        series += term / (n + 2)
        term = term * -x / (n + 1)
    large = np.maximum(x, _SERIES_BELOW)
    return np.where(x < _SERIES_BELOW, series, (1 - np.exp(-large) * (1 + large)) / large**2)
