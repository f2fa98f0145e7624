"""Values of a measurement, or its changes from baseline, at all visits: what a mixed model analyses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import Choice, Number, fields, label, refuse
from trials.endpoints.base import Endpoint, Found, Seen, Watch
from trials.endpoints.visits import KINDS, at, flags


@dataclass(frozen=True, slots=True)
class Repeated(Endpoint):
    """A measurement at several planned visits, along ``visit_<name>``: values, changes or percent changes.

    With windows a visit counts as planned, whenever it took place.
    """

    name: str
    unit: str
    measure: str
    kind: str = "value"
    """``value``, ``change`` from baseline or ``percent`` change."""
    baseline: float = 0.0
    """Planned time of the baseline; it is no visit of a change."""
    visits: tuple[float, ...] = ()
    """Planned times after the start of the period; none is all that are measured, after the baseline for changes."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, kind=Choice(KINDS), baseline=Number(least=0))
        visits = tuple(Number(least=0)("endpoint.visits", visit) for visit in self.visits)
        if (np.diff(visits) <= 0).any() or (self.kind != "value" and self.baseline in visits):
            raise refuse("endpoint.visits", visits, "increasing times, for changes without that of the baseline")
        object.__setattr__(self, "visits", visits)

    @property
    def measures(self) -> tuple[str, ...]:
        """Measurements it reads."""
        return (self.measure,)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Nothing but what is measured."""
        return ()

    def find(self, seen: Seen) -> Found:
        """Return the values of every patient at every visit; the last one is known at the last visit."""
        visits = self.visits or self._all(seen.planned[self.measure])
        values = at(seen, self.measure, visits, self.kind, self.baseline)
        return Found(values, visits=np.asarray(visits), below=flags(seen, self.measure, visits), at=visits[-1])

    def _all(self, planned: np.ndarray) -> tuple[float, ...]:
        later = planned if self.kind == "value" else planned[planned > self.baseline]
        if not later.size:
            raise refuse("endpoint.baseline", self.baseline, f"a time before the last visit, {planned[-1]:g}")
        return tuple(map(float, later))
