"""Events by a hazard that depends on the response: the last one recorded, or the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.outcomes.events import PREFIX, crossing
from trials.checks import Number, fields, label, refuse
from trials.conduct.causes.base import Array, Cause, Situation, reached
from trials.endpoints.base import Watch


@dataclass(frozen=True, slots=True)
class LastObserved(Cause):
    """Hazard ``rate exp(slope (y - centre))`` of the last recorded value y: missing at random.

    Until a first value is there the hazard is `rate`.
    """

    rate: float
    measure: str
    slope: float
    """Logarithm of the hazard ratio of one unit of the measurement."""
    centre: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "cause", rate=Number(least=0), measure=label, slope=Number(), centre=Number())

    @property
    def measures(self) -> tuple[str, ...]:
        """The measurement."""
        return (self.measure,)

    @property
    def covariates(self) -> tuple[str, ...]:
        """None."""
        return ()

    def watches(self, until: float) -> tuple[Watch, ...]:  # noqa: ARG002 - it follows nothing
        """Nothing of the model."""
        return ()

    def when(self, situation: Situation) -> Array:
        """Time at which the cumulative hazard reaches the patient's number."""
        values, times = situation.values[self.measure], situation.times[self.measure]
        hazard = np.full(len(values), self.rate)
        rows = [hazard]
        for visit in range(values.shape[1]):
            own = self.rate * np.exp(self.slope * (values[:, visit] - self.centre))
            hazard = np.where(np.isfinite(values[:, visit]), own, hazard)
            rows.append(hazard)
        clock = np.concatenate([np.zeros((len(times), 1)), times], axis=1)
        return reached(clock, np.stack(rows, axis=1), situation.limit)


@dataclass(frozen=True, slots=True)
class Current(Cause):
    """Hazard ``rate exp(slope (x - centre))`` of the true output x of the model at that time: missing not at random.

    The hazard holds from one point of the course to the next one.
    """

    rate: float
    output: str
    slope: float
    """Logarithm of the hazard ratio of one unit of the output."""
    every: float
    """Time between the points of the course."""
    centre: float = 0.0

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(
            self, "cause", rate=Number(least=0), output=label, slope=Number(), every=Number(above=0), centre=Number()
        )

    @property
    def measures(self) -> tuple[str, ...]:
        """Nothing that is measured."""
        return ()

    @property
    def covariates(self) -> tuple[str, ...]:
        """None."""
        return ()

    def watches(self, until: float) -> tuple[Watch, ...]:
        """The output."""
        return (Watch(self.output, self.every, until),)

    def when(self, situation: Situation) -> Array:
        """Time at which the cumulative hazard reaches the patient's number."""
        (watch,) = (one for one in situation.courses if (one.output, one.every) == (self.output, self.every))
        course = situation.courses[watch]
        hazard = self.rate * np.exp(self.slope * (course - self.centre))
        clock = np.broadcast_to(situation.clocks[watch], course.shape)
        return reached(clock, np.where(np.isfinite(course), hazard, 0.0), situation.limit)


@dataclass(frozen=True, slots=True)
class ModelHazard(Cause):
    """The model's own cumulative hazard of the event; an endpoint of the same hazard finds the same time."""

    output: str
    """Output of the model called ``cumulative_hazard_<event>``."""
    every: float
    """Time between the points of the course; between them the hazard is constant."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "cause", output=label, every=Number(above=0))
        if not self.output.startswith(PREFIX):
            raise refuse("cause.output", self.output, f"an output called {PREFIX}<event>")

    @property
    def measures(self) -> tuple[str, ...]:
        """Nothing that is measured."""
        return ()

    @property
    def covariates(self) -> tuple[str, ...]:
        """None."""
        return ()

    def watches(self, until: float) -> tuple[Watch, ...]:
        """The cumulative hazard."""
        return (Watch(self.output, self.every, until),)

    def when(self, situation: Situation) -> Array:
        """Time at which the cumulative hazard reaches the patient's number."""
        (watch,) = (one for one in situation.courses if (one.output, one.every) == (self.output, self.every))
        found = crossing(situation.clocks[watch], situation.courses[watch], situation.hazards[self.output])
        return np.where(np.isnan(found), np.inf, found)
