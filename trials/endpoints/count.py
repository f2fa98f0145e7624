"""Number of events of a patient: seizures, exacerbations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import Number, Optional, fields, label
from trials.endpoints.base import Array, Endpoint, Found, Seen, Watch


@dataclass(frozen=True, slots=True)
class Count(Endpoint):
    """Events from the start to the end of follow-up, or until the patient leaves; beside it the time at risk.

    The number is Poisson with the mean the model has. With a dispersion each patient's mean is multiplied by a gamma
    number with mean 1 and this variance, so that counts are negative binomial with variance m + dispersion m^2. One
    uniform number, and one for the gamma number, belong to the patient under every arm.
    """

    name: str
    unit: str
    output: str
    """Output of the model that is the mean number of events so far."""
    until: float
    """End of follow-up of a patient after the start, in the time unit of the model."""
    every: float
    """Time between the points of the course; between them the rate is constant."""
    dispersion: float | None = None

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, output=label, until=Number(above=0), every=Number(above=0))
        fields(self, "endpoint", dispersion=Optional(Number(above=0)))

    @property
    def measures(self) -> tuple[str, ...]:
        """Nothing that is measured."""
        return ()

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Mean number so far."""
        return (Watch(self.output, self.every, self.until),)

    def find(self, seen: Seen) -> Found:
        """Return the number of every patient, and the time at risk."""
        from scipy.stats import gamma, poisson

        (watch,) = self.watches
        exposure = np.minimum(seen.left, self.until)
        mean = _at(watch.clock, seen.courses[watch], exposure)
        uniform = seen.uniform(self.name, 2)
        if self.dispersion is not None:
            mean = mean * gamma.ppf(uniform[..., 1], 1 / self.dispersion, scale=self.dispersion)
        known = np.isfinite(mean)
        count = np.maximum(poisson.ppf(uniform[..., 0], np.where(known, mean, 0.0)), 0.0)
        return Found(np.where(known, count, np.nan), exposure=np.where(known, exposure, np.nan), at=self.until)


def _at(clock: Array, course: Array, time: Array) -> Array:
    """Value of a course (..., point) at a time of each patient (...), by straight lines, less that at the start."""
    after = np.clip(np.searchsorted(clock, time), 1, len(clock) - 1)
    share = (time - clock[after - 1]) / (clock[after] - clock[after - 1])
    low, high = (np.take_along_axis(course, (after - back)[..., None], axis=-1)[..., 0] for back in (1, 0))
    found: Array = low + share * (high - low) - course[..., 0]
    return found
