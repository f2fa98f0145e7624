"""Metrics of any course: time in a range, above or below a level, nadir, change, time to a level.

Between two samples the course is the straight line through both; nothing is extrapolated; missing samples are stepped
over. Percent of time in range so computed is Rosendaal's: Rosendaal, Cannegieter, van der Meer & Briet, Thromb Haemost
1993;69:236.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.errors import DataError
from engine.outcomes.fields import check_fields, choice, number, optional
from engine.outcomes.metric import Floats, Metric
from engine.outcomes.profiles import each
from engine.outcomes.trapezoid import area

DIRECTIONS = ("above", "below")


class _Line(NamedTuple):
    """Straight lines between two samples, cut to a window; lengths are 0 where there is none. Fields (course,)."""

    begin: Floats
    length: Floats
    before: Floats
    after: Floats

    def share(self, low: float, high: float) -> Floats:
        """Share of the line that lies within a range: exact."""
        flat = self.before == self.after
        within = np.clip(self.after, low, high) - np.clip(self.before, low, high)
        level = (self.before >= low) & (self.before <= high)
        return np.where(flat, level, within / np.where(flat, 1.0, self.after - self.before))


def _lines(times: Floats, values: Floats, start: float | None, end: float | None, gap: float | None) -> Iterator[_Line]:
    """Lines of the courses (time, course) from each sample to the next one known."""
    shape = values.shape[1:]
    clock, value = np.full(shape, np.nan), np.full(shape, np.nan)
    for time, measured in zip(times, values, strict=True):
        known = ~np.isnan(measured)
        span = time - clock
        begin, finish = (np.clip(one, start, end) if (start, end) != (None, None) else one for one in (clock, time))
        counts = known & ~np.isnan(value) & (finish > begin) & (True if gap is None else span <= gap)
        rise = (measured - value) / np.where(counts, span, 1.0)
        ends = [np.where(counts, value + rise * (one - clock), 0.0) for one in (begin, finish)]
        yield _Line(np.where(counts, begin, 0.0), np.where(counts, finish - begin, 0.0), ends[0], ends[1])
        clock, value = np.where(known, time, clock), np.where(known, measured, value)


def _within(times: Floats, values: Floats, bounds: "tuple[float, float]", window: "_Window") -> tuple[Floats, Floats]:
    """Time within a range, and time covered at all."""
    inside, covered = np.zeros(values.shape[1:]), np.zeros(values.shape[1:])
    for line in _lines(times, values, *window):
        inside += np.where(line.length > 0, line.share(*bounds), 0.0) * line.length
        covered += line.length
    return inside, np.where(covered > 0, covered, np.nan)


class _Window(NamedTuple):
    start: float | None
    end: float | None
    gap: float | None = None


@dataclass(frozen=True, slots=True)
class TimeInRange(Metric):
    """Percent of the time between samples that the interpolated value is within [low, high].

    ``start`` and ``end`` bound the time that counts; ``gap`` is the longest time between two samples that is
    interpolated (Rosendaal: 56 days for INR). None is no bound. NaN when no time is covered.
    """

    low: float
    high: float
    start: float | None = None
    end: float | None = None
    gap: float | None = None

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_fields(self, low=number(), high=number(), gap=optional(number(above=0)))
        _check_window(self)
        if self.low >= self.high:
            raise DataError(f"TimeInRange.high: got {self.high:g}, wanted a limit above low ({self.low:g})")

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the percentage of every course (...), in [0, 100]."""

        def percent(clock: Floats, some: Floats) -> Floats:
            window = _Window(self.start, self.end, self.gap)
            inside, covered = _within(clock, some, (self.low, self.high), window)
            return 100 * inside / covered

        return each(percent, values, times)

    def unit_of(self, value: str, time: str) -> str:  # noqa: ARG002  whatever they are
        """Percent."""
        return "percent"


@dataclass(frozen=True, slots=True)
class TimeAbove(Metric):
    """Time during which the interpolated value is at or above a level, between ``start`` and ``end``."""

    level: float
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_fields(self, level=number())
        _check_window(self)

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the time of every course (...); NaN when no time is covered."""
        return each(lambda clock, some: _duration(clock, some, (self.level, np.inf), self), values, times)

    def unit_of(self, value: str, time: str) -> str:  # noqa: ARG002
        """Unit of time."""
        return time


@dataclass(frozen=True, slots=True)
class TimeBelow(Metric):
    """Time during which the interpolated value is at or below a level, between ``start`` and ``end``."""

    level: float
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_fields(self, level=number())
        _check_window(self)

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the time of every course (...); NaN when no time is covered."""
        return each(lambda clock, some: _duration(clock, some, (-np.inf, self.level), self), values, times)

    def unit_of(self, value: str, time: str) -> str:  # noqa: ARG002
        """Unit of time."""
        return time


@dataclass(frozen=True, slots=True)
class _Windowed(Metric):
    """A metric of the samples between ``start`` and ``end``, in the unit of the value."""

    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        _check_window(self)

    def unit_of(self, value: str, time: str) -> str:  # noqa: ARG002
        """Unit of the value."""
        return value


@dataclass(frozen=True, slots=True)
class Average(_Windowed):
    """Time-weighted mean between ``start`` and ``end``."""

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the mean of every course (...); NaN when no time is covered."""

        def mean(clock: Floats, some: Floats) -> Floats:
            start, end = _bounds(self.start, -np.inf), _bounds(self.end, np.inf)
            found = area(clock, some, "linear", start=start, end=end).value
            covered: Floats = _within(clock, some, (-np.inf, np.inf), _Window(self.start, self.end))[1]
            return found / covered

        return each(mean, values, times)


@dataclass(frozen=True, slots=True)
class Largest(_Windowed):
    """Largest sampled value between ``start`` and ``end``."""

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the value of every course (...); NaN when there is none."""
        return each(lambda clock, some: np.fmax.reduce(_cut(clock, some, self), axis=0), values, times)


@dataclass(frozen=True, slots=True)
class Nadir(_Windowed):
    """Smallest sampled value between ``start`` and ``end``."""

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the value of every course (...); NaN when there is none."""
        return each(lambda clock, some: np.fmin.reduce(_cut(clock, some, self), axis=0), values, times)


@dataclass(frozen=True, slots=True)
class TimeOfNadir(_Windowed):
    """Time of the smallest sampled value between ``start`` and ``end``, the first if there are several."""

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the time of every course (...); NaN when there is no value."""

        def time(clock: Floats, some: Floats) -> Floats:
            inside = _cut(clock, some, self)
            place = np.where(np.isnan(inside), np.inf, inside).argmin(axis=0)[None]
            found = np.take_along_axis(np.broadcast_to(clock, some.shape), place, axis=0)[0]
            return np.where(np.isnan(inside).all(axis=0), np.nan, found)

        return each(time, values, times)

    def unit_of(self, value: str, time: str) -> str:  # noqa: ARG002
        """Unit of time."""
        return time


@dataclass(frozen=True, slots=True)
class AtTime(Metric):
    """Value at one time, interpolated between samples."""

    time: float

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_fields(self, time=number())

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the value of every course (...); NaN outside its samples."""
        return each(lambda clock, some: _value_at(clock, some, self.time), values, times)

    def unit_of(self, value: str, time: str) -> str:  # noqa: ARG002
        """Unit of the value."""
        return value


@dataclass(frozen=True, slots=True)
class ChangeFrom(Metric):
    """Change from the value at ``baseline`` to that at ``time``, or in ``percent`` of the former."""

    baseline: float
    time: float
    percent: bool = False

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_fields(self, baseline=number(), time=number())
        if not isinstance(self.percent, bool):
            raise DataError(f"ChangeFrom.percent: got {self.percent!r}, wanted true or false")
        if self.time <= self.baseline:
            raise DataError(f"ChangeFrom.time: got {self.time:g}, wanted a time after baseline ({self.baseline:g})")

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the change of every course (...); NaN where either value is not known."""

        def change(clock: Floats, some: Floats) -> Floats:
            before, after = (_value_at(clock, some, time) for time in (self.baseline, self.time))
            with np.errstate(divide="ignore", invalid="ignore"):
                found: Floats = 100 * (after - before) / before if self.percent else after - before
                return found

        return each(change, values, times)

    def unit_of(self, value: str, time: str) -> str:  # noqa: ARG002
        """Unit of the value, or percent."""
        return "percent" if self.percent else value


@dataclass(frozen=True, slots=True)
class TimeTo(Metric):
    """First time from ``start`` on at which the interpolated value is at or ``above`` (or ``below``) a level."""

    level: float
    direction: str = "above"
    start: float | None = None

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_fields(self, level=number(), direction=choice(DIRECTIONS), start=optional(number()))

    def __call__(self, values: Floats, times: Floats) -> Floats:
        """Give the time of every course (...); NaN when it is never there while it is observed."""
        sign = 1.0 if self.direction == "above" else -1.0

        def first(clock: Floats, some: Floats) -> Floats:
            found = np.full(some.shape[1:], np.nan)
            for line in _lines(clock, some, self.start, None, None):
                before, after = sign * (line.before - self.level), sign * (line.after - self.level)
                there = (line.length > 0) & ((before >= 0) | (after >= 0)) & np.isnan(found)
                share = np.where(before >= 0, 0.0, -before / np.where(after > before, after - before, 1.0))
                found = np.where(there, line.begin + share * line.length, found)
            return found

        return each(first, values, times)

    def unit_of(self, value: str, time: str) -> str:  # noqa: ARG002
        """Unit of time."""
        return time


type _Bounded = TimeAbove | TimeBelow | TimeInRange | _Windowed


def _check_window(spec: _Bounded) -> None:
    check_fields(spec, start=optional(number()), end=optional(number()))
    if spec.start is not None and spec.end is not None and spec.end <= spec.start:
        raise DataError(f"{type(spec).__name__}.end: got {spec.end:g}, wanted a time after start ({spec.start:g})")


def _duration(times: Floats, values: Floats, bounds: tuple[float, float], spec: TimeAbove | TimeBelow) -> Floats:
    inside, covered = _within(times, values, bounds, _Window(spec.start, spec.end))
    return np.where(np.isnan(covered), np.nan, inside)


def _bounds(value: float | None, none: float) -> float:
    return none if value is None else value


def _cut(times: Floats, values: Floats, spec: _Bounded) -> Floats:
    within = (times >= _bounds(spec.start, -np.inf)) & (times <= _bounds(spec.end, np.inf))
    return np.where(within, values, np.nan)


def _value_at(times: Floats, values: Floats, time: float) -> Floats:
    found: Floats = np.fmax.reduce(np.where(times == time, values, np.nan), axis=0)
    for line in _lines(times, values, None, None, None):
        inside = (line.length > 0) & (line.begin < time) & (time < line.begin + line.length) & np.isnan(found)
        share = (time - line.begin) / np.where(line.length > 0, line.length, 1.0)
        found = np.where(inside, line.before + share * (line.after - line.before), found)
    return found
