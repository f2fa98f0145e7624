"""Noncompartmental endpoints of a concentration profile after an extravascular dose at the start of the period.

Below the limit of quantification (``lloq``; zero and negative values always): 0 before the first quantifiable
concentration, missing afterwards. The area stops at the last quantifiable concentration.
"""

from dataclasses import dataclass

import numpy as np

from trials.checks import Choice, Number, fields, label
from trials.endpoints.base import Endpoint
from trials.endpoints.profiles import each, quantified
from trials.endpoints.terminal import terminal_slope
from trials.endpoints.trapezoid import METHODS, area

UNTIL = ("last", "infinity", "infinity predicted")
"""To the last quantifiable concentration, or on to infinity from it or from its fitted value, at the terminal rate."""


@dataclass(frozen=True, slots=True)
class AUC(Endpoint):
    """Area under the curve."""

    name: str
    unit: str
    measure: str
    method: str = "linear-up log-down"
    until: str = "last"
    lloq: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, lloq=Number(least=0))
        fields(self, "endpoint", method=Choice(METHODS), until=Choice(UNTIL))

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the area of every profile (...)."""
        return each(self._area, values, times)

    def _area(self, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        return _exposure(times, quantified(values, self.lloq), self.method, self.until)


@dataclass(frozen=True, slots=True)
class Cmax(Endpoint):
    """Largest concentration."""

    name: str
    unit: str
    measure: str
    lloq: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, lloq=Number(least=0))

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the maximum of every profile (...): 0 when nothing is quantifiable, NaN when nothing was measured."""
        return each(lambda _, some: np.fmax.reduce(quantified(some, self.lloq), axis=0), values, times)


@dataclass(frozen=True, slots=True)
class Tmax(Endpoint):
    """Time of the largest concentration, the first if there are several."""

    name: str
    unit: str
    measure: str
    lloq: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, lloq=Number(least=0))

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the time of every profile (...); NaN when nothing is quantifiable."""
        return each(self._time, values, times)

    def _time(self, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        known = quantified(values, self.lloq)
        ranked = np.where(known > 0, known, -np.inf)
        time = np.take_along_axis(np.broadcast_to(times, values.shape), ranked.argmax(axis=0)[None], axis=0)[0]
        return np.where((known > 0).any(axis=0), time, np.nan)


@dataclass(frozen=True, slots=True)
class LambdaZ(Endpoint):
    """Terminal rate constant, by the best adjusted R-squared."""

    name: str
    unit: str
    measure: str
    lloq: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, lloq=Number(least=0))

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the rate of every profile (...); NaN when no three concentrations after the maximum fall."""
        return each(lambda clock, some: terminal_slope(clock, quantified(some, self.lloq)).rate, values, times)


@dataclass(frozen=True, slots=True)
class HalfLife(Endpoint):
    """Terminal half-life, ln 2 over the terminal rate."""

    name: str
    unit: str
    measure: str
    lloq: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, lloq=Number(least=0))

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the half-life of every profile (...); NaN as for the rate."""
        rate = each(lambda clock, some: terminal_slope(clock, quantified(some, self.lloq)).rate, values, times)
        half_life: np.ndarray = np.log(2) / rate
        return half_life


@dataclass(frozen=True, slots=True)
class Clearance(Endpoint):
    """Apparent clearance CL/F: the dose over the area to infinity."""

    name: str
    unit: str
    measure: str
    dose: float
    method: str = "linear-up log-down"
    lloq: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, dose=Number(above=0))
        fields(self, "endpoint", method=Choice(METHODS), lloq=Number(least=0))

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the clearance of every profile (...); NaN without a terminal rate."""
        return each(self._clearance, values, times)

    def _clearance(self, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        clearance: np.ndarray = self.dose / _exposure(times, quantified(values, self.lloq), self.method, "infinity")
        return clearance


@dataclass(frozen=True, slots=True)
class Volume(Endpoint):
    """Apparent terminal volume Vz/F: the apparent clearance over the terminal rate."""

    name: str
    unit: str
    measure: str
    dose: float
    method: str = "linear-up log-down"
    lloq: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, dose=Number(above=0))
        fields(self, "endpoint", method=Choice(METHODS), lloq=Number(least=0))

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the volume of every profile (...); NaN without a terminal rate."""
        return each(self._volume, values, times)

    def _volume(self, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        known = quantified(values, self.lloq)
        volume: np.ndarray = self.dose / (
            _exposure(times, known, self.method, "infinity") * terminal_slope(times, known).rate
        )
        return volume


def _exposure(times: np.ndarray, values: np.ndarray, method: str, until: str) -> np.ndarray:
    """Return the area (profile,) to the last quantifiable concentration or to infinity."""
    found = area(times, values, method)
    if until == "last":
        return found.value
    slope = terminal_slope(times, values)
    last = found.last if until == "infinity" else np.exp(slope.last)
    exposure: np.ndarray = found.value + last / slope.rate
    return exposure
