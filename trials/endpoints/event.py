"""Time to an event whose hazard the model has: death, relapse, dropout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.outcomes.events import PREFIX, crossing
from trials.checks import Number, fields, label, refuse
from trials.endpoints.base import Array, Endpoint, Found, Seen, Watch


@dataclass(frozen=True, slots=True)
class TimeToEvent(Endpoint):
    """Time from the start to an event, censored at the end of follow-up or when the patient leaves the study.

    The event happens where the cumulative hazard of the model reaches a unit-exponential number of the patient
    (Bender 2005, doi:10.1002/sim.2059), which is the same under every arm.
    """

    name: str
    unit: str
    output: str
    """Output of the model called ``cumulative_hazard_<event>``."""
    until: float
    """End of follow-up of a patient after the start, in the time unit of the model."""
    every: float
    """Time between the points of the course; between them the hazard is constant."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, output=label, until=Number(above=0), every=Number(above=0))
        if not self.output.startswith(PREFIX):
            raise refuse("endpoint.output", self.output, f"an output called {PREFIX}<event>")

    @property
    def measures(self) -> tuple[str, ...]:
        """Nothing that is measured."""
        return ()

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Cumulative hazard."""
        return (Watch(self.output, self.every, self.until),)

    def find(self, seen: Seen) -> Found:
        """Return the time of every patient and whether it is that of the event."""
        (watch,) = self.watches
        return censored(hazard_time(seen, watch), seen.left, self.until, np.isnan(seen.courses[watch]).any(axis=-1))


def hazard_time(seen: Seen, watch: Watch) -> Array:
    """Time (replicate, subject, period) at which a cumulative hazard reaches the patient's number; infinite if never.

    The number belongs to the output, so that whatever follows one hazard finds one time.
    """
    course = seen.courses[watch]
    limits = -np.log1p(-seen.uniform(watch.output, 1)[..., 0])
    times = crossing(watch.clock, course.reshape(-1, course.shape[-1]), limits.reshape(-1)).reshape(limits.shape)
    return np.where(np.isnan(times), np.inf, times)


def censored(time: Array, left: Array, until: float, unknown: Array) -> Found:
    """Time of an event or of censoring: the earliest of the event, leaving the study and the end of follow-up."""
    last = np.minimum(left, until)
    happened = (time <= last) & ~unknown
    return Found(np.where(unknown, np.nan, np.where(happened, time, last)), event=happened)
