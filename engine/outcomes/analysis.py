"""Noncompartmental analysis of a chunk of courses: what the parameters are made of, each part computed once.

Definitions follow Gabrielsson & Weiner, Methods Mol Biol 2012;929:377, doi:10.1007/978-1-62703-050-2_16, and the
conventions of the field's reference software where these differ in detail.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.outcomes.profiles import quantified
from engine.outcomes.terminal import Slope, terminal_slope
from engine.outcomes.trapezoid import Area, area, moment

type Floats = NDArray[np.float64]

ROUTES = ("extravascular", "iv bolus", "iv infusion")


@dataclass(frozen=True)
class Settings:
    """How courses are analysed; :class:`engine.outcomes.nca.NCA` says what the fields mean."""

    method: str
    route: str
    lloq: float
    dose: float | Floats | None
    duration: float | None
    tau: float | None
    start: float | None
    end: float | None


@dataclass(frozen=True, eq=False)
class Analysis:
    """Courses since their dose: times (time, course or 1) and concentrations as measured (time, course)."""

    settings: Settings
    times: Floats
    measured: Floats

    @cached_property
    def values(self) -> Floats:
        """Concentrations after the rule for the limit of quantification."""
        return quantified(self.measured, self.settings.lloq)

    @cached_property
    def dosed(self) -> "tuple[Floats, Floats]":
        """Times and concentrations with one at the time of the dose: as measured, else what the route implies."""
        times, values = self.times, self.values
        clock = np.zeros((1, times.shape[1]))
        known = np.where(times == 0, values, np.nan)
        at_dose = np.fmax.reduce(known, axis=0)
        at_dose = np.where(np.isnan(at_dose), self._implied(), at_dose)[None]
        later = np.where(times > 0, values, np.nan)
        return np.concatenate([clock, times]), np.concatenate([at_dose, later])

    def _implied(self) -> Floats:
        """Concentration at the dose when none was measured; NaN for a course without any value."""
        none = np.isnan(self.values).all(axis=0)
        if self.settings.tau is not None:
            return np.where(none, np.nan, self._smallest)
        if self.settings.route == "iv bolus":
            return self.initial
        return np.where(none, np.nan, 0.0)

    @cached_property
    def initial(self) -> Floats:
        """Concentration extrapolated back to a bolus: from the first two when they fall, else the first of all."""
        clock = np.broadcast_to(self.times, self.values.shape)
        order = np.argsort(np.where(self.values > 0, clock, np.inf), axis=0, kind="stable")[[0, min(1, len(clock) - 1)]]
        first, second = (np.take_along_axis(self.values, order[n : n + 1], axis=0)[0] for n in (0, 1))
        t1, t2 = (np.take_along_axis(clock, order[n : n + 1], axis=0)[0] for n in (0, 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            back = first * np.exp(np.log(first / second) / (t2 - t1) * t1)
        # the second sample must be the next one measured: a zero between them means no straight line
        usable = (second > 0) & (second < first) & (t2 > t1)
        found = np.where(usable, back, first)
        return np.where(t1 == 0, first, np.where(first > 0, found, np.nan))

    @cached_property
    def slope(self) -> Slope:
        """Terminal regression."""
        return terminal_slope(self.times, self.values, peak=self.settings.route == "iv bolus")

    @cached_property
    def to_last(self) -> Area:
        """Areas from the dose to the last quantifiable concentration."""
        return area(*self.dosed, self.settings.method)

    @cached_property
    def in_interval(self) -> Floats:
        """Area over one dosing interval, extrapolated at the terminal rate where the samples end earlier."""
        return self.between(0.0, self._tau)

    def moment_in_interval(self) -> Floats:
        """Area of the moment over one dosing interval, as :attr:`in_interval`."""
        return self.moment_between(0.0, self._tau)

    def between(self, start: float, end: float) -> Floats:
        """Area between two times; beyond the last quantifiable concentration at the terminal rate."""
        inside = area(*self.dosed, self.settings.method, start=start, end=end).value
        last, time, rate = self.to_last.last, self.to_last.time, self.slope.rate
        with np.errstate(invalid="ignore"):
            left, right = (np.exp(-rate * span) for span in (np.maximum(start - time, 0.0), end - time))
            found: Floats = inside + np.where(end > time, last / rate * (left - right), 0.0)
        return found

    def moment_between(self, start: float, end: float) -> Floats:
        """Area of the moment between two times, as :meth:`between`."""
        inside = moment(*self.dosed, self.settings.method, start=start, end=end)
        last, time, rate = self.to_last.last, self.to_last.time, self.slope.rate
        begin = np.maximum(start, time)
        with np.errstate(invalid="ignore"):
            left, right = (np.exp(-rate * (at - time)) * (at + 1 / rate) for at in (begin, end))
            found: Floats = inside + np.where(end > time, last / rate * (left - right), 0.0)
        return found

    @cached_property
    def moment_to_last(self) -> Floats:
        """Area of the moment from the dose to the last quantifiable concentration."""
        return moment(*self.dosed, self.settings.method)

    def infinite(self, last: Floats) -> Floats:
        """Area to infinity from a last concentration."""
        found: Floats = self.to_last.value + last / self.slope.rate
        return found

    def infinite_moment(self, last: Floats) -> Floats:
        """Area of the moment to infinity from a last concentration."""
        time, rate = self.to_last.time, self.slope.rate
        found: Floats = self.moment_to_last + time * last / rate + last / rate**2
        return found

    @property
    def observed(self) -> Floats:
        """Last quantifiable concentration."""
        return self.to_last.last

    @property
    def predicted(self) -> Floats:
        """The same as the terminal regression fits it."""
        return np.exp(self.slope.last)

    @cached_property
    def all_(self) -> Floats:
        """Area to the last measurement: with the triangle to the first one below the limit after the last above it."""
        clock = np.broadcast_to(self.times, self.measured.shape)
        below = ~np.isnan(self.measured) & np.isnan(self.values) & (clock > self.to_last.time)
        next_ = np.where(below, clock, np.inf).min(axis=0)
        triangle = np.where(np.isfinite(next_), (next_ - self.to_last.time) * self.to_last.last / 2, 0.0)
        found: Floats = self.to_last.value + triangle
        return found

    def largest(self, *, within: float = np.inf) -> "tuple[Floats, Floats]":
        """Largest concentration and its first time; 0 and NaN where none is quantifiable, NaN where none is known."""
        inside = self._within(within)
        top = np.fmax.reduce(inside, axis=0)
        return top, np.where(top > 0, self._time_of(np.where(np.isnan(inside), -np.inf, inside).argmax(axis=0)), np.nan)

    def smallest(self) -> "tuple[Floats, Floats]":
        """Smallest concentration of the dosing interval, and its first time."""
        inside = self._within(self._tau)
        low = np.fmin.reduce(inside, axis=0)
        time = self._time_of(np.where(np.isnan(inside), np.inf, inside).argmin(axis=0))
        return low, np.where(np.isnan(low), np.nan, time)

    @cached_property
    def _smallest(self) -> Floats:
        return self.smallest()[0]

    def at(self, time: float) -> Floats:
        """Concentration at one time: as measured there, else extrapolated from the last at the terminal rate or NaN."""
        here = np.fmax.reduce(np.where(self.times == time, self.values, np.nan), axis=0)
        last = self.to_last
        with np.errstate(invalid="ignore", over="ignore"):
            beyond = last.last * np.exp(-self.slope.rate * (time - last.time))
        return np.where(np.isnan(here) & (time > last.time), beyond, here)

    def lag(self) -> Floats:
        """Time of the sample before the first quantifiable concentration, 0 when it is the first of all."""
        clock = np.broadcast_to(self.times, self.values.shape)
        first = (self.values > 0).argmax(axis=0)
        before = np.where(~np.isnan(self.values) & (np.arange(len(clock))[:, None] < first), clock, 0.0).max(axis=0)
        return np.where((self.values > 0).any(axis=0), before, np.nan)

    @property
    def _tau(self) -> float:
        assert self.settings.tau is not None
        return self.settings.tau

    def _within(self, end: float) -> Floats:
        return np.where(self.times <= end, self.values, np.nan)

    def _time_of(self, index: NDArray[Any]) -> Floats:
        found: Floats = np.take_along_axis(np.broadcast_to(self.times, self.values.shape), index[None], axis=0)[0]
        return found
