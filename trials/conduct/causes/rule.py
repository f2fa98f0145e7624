"""Events by rule: what is recorded at a visit is beyond a limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import Number, fields, label, refuse
from trials.conduct.causes.base import Array, Cause, Situation
from trials.endpoints.base import Watch
from trials.endpoints.criterion import Criterion


@dataclass(frozen=True, slots=True)
class Rule(Cause):
    """An event at the first visit at which a recorded measurement meets a criterion: rescue, progression."""

    measure: str
    criterion: Criterion
    start: float = 0.0
    """Time from which on the rule holds; visits before it still count as a baseline, nadir or confirmation."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "cause", measure=label, start=Number(least=0))
        if not isinstance(self.criterion, Criterion):
            raise refuse("cause.criterion", self.criterion, "a Criterion")

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
        """Time of the visit."""
        times = situation.times[self.measure]
        met = self.criterion.met(situation.values[self.measure]) & (times >= self.start)
        found: Array = np.where(met, times, np.inf).min(axis=1)
        return found
