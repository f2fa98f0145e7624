"""Events by chance: a constant or Weibull hazard that differs between patients by their covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import Number, fields
from trials.conduct.causes.base import Array, Cause, Situation, pairs
from trials.endpoints.base import Watch


@dataclass(frozen=True, slots=True)
class Hazard(Cause):
    """Cumulative hazard ``(rate t)^shape exp(sum effect (covariate - centre))``."""

    rate: float
    """1 over the scale, per time unit of the model; with shape 1 the hazard."""
    shape: float = 1.0
    effects: tuple[tuple[str, float], ...] = ()
    """Logarithm of the hazard ratio of one unit of each covariate: a mapping in YAML."""
    centres: tuple[tuple[str, float], ...] = ()
    """Value of a covariate at which it has no effect; 0 where none is given."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "cause", rate=Number(least=0), shape=Number(above=0), effects=pairs, centres=pairs)

    @property
    def measures(self) -> tuple[str, ...]:
        """Nothing that is measured."""
        return ()

    @property
    def covariates(self) -> tuple[str, ...]:
        """Covariates with an effect or a centre."""
        return tuple(dict.fromkeys(name for name, _ in (*self.effects, *self.centres)))

    def watches(self, until: float) -> tuple[Watch, ...]:  # noqa: ARG002 - it follows nothing
        """Nothing of the model."""
        return ()

    def when(self, situation: Situation) -> Array:
        """Time at which the cumulative hazard reaches the patient's number."""
        centres = dict(self.centres)
        predictor = np.zeros(len(situation.limit))
        for name, effect in self.effects:
            predictor = predictor + effect * (situation.covariates[name] - centres.get(name, 0.0))
        if self.rate == 0:
            return np.full(len(situation.limit), np.inf)
        time: Array = (situation.limit * np.exp(-predictor)) ** (1 / self.shape) / self.rate
        return time
