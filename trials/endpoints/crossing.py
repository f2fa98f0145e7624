"""Time to the first visit at which a measurement meets a criterion: progression, response, remission."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import fields, label, refuse
from trials.endpoints.base import Endpoint, Found, Seen, Watch
from trials.endpoints.criterion import Criterion


@dataclass(frozen=True, slots=True)
class Crossing(Endpoint):
    """Time from the start to the visit at which a criterion is met, censored at the last visit that took place."""

    name: str
    unit: str
    measure: str
    criterion: Criterion

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label)
        if not isinstance(self.criterion, Criterion):
            raise refuse("endpoint.criterion", self.criterion, "a Criterion")

    @property
    def measures(self) -> tuple[str, ...]:
        """Measurements it reads."""
        return (self.measure,)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Nothing but what is measured."""
        return ()

    def find(self, seen: Seen) -> Found:
        """Return the time of every patient and whether it is that of the event."""
        values, times = seen.values[self.measure], seen.times[self.measure]
        stayed = np.where(times <= seen.left[..., None], values, np.nan)
        first = self.criterion.first(stayed, times)
        last = np.where(np.isfinite(stayed), times, -np.inf).max(axis=-1)
        event = np.isfinite(first)
        return Found(np.where(event, first, np.where(np.isfinite(last), last, np.nan)), event=event)
