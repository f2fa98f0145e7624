"""Value of a measurement at one visit, or its change from baseline."""

from __future__ import annotations

from dataclasses import dataclass

from trials.checks import Choice, Number, fields, label, refuse
from trials.endpoints.base import Endpoint, Found, Seen, Watch
from trials.endpoints.visits import KINDS, at, flags


@dataclass(frozen=True, slots=True)
class AtVisit(Endpoint):
    """A measurement at a planned visit: its value, change or percent change from baseline; missing when that is.

    With windows the visit counts as planned, whenever it took place.
    """

    name: str
    unit: str
    measure: str
    visit: float
    """Planned time after the start of the period."""
    kind: str = "value"
    """``value``, ``change`` from baseline or ``percent`` change."""
    baseline: float = 0.0
    """Planned time of the baseline."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, visit=Number(least=0))
        fields(self, "endpoint", kind=Choice(KINDS), baseline=Number(least=0))
        if self.kind != "value" and self.visit == self.baseline:
            raise refuse("endpoint.visit", self.visit, "another time than that of the baseline")

    @property
    def measures(self) -> tuple[str, ...]:
        """Measurements it reads."""
        return (self.measure,)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Nothing but what is measured."""
        return ()

    def find(self, seen: Seen) -> Found:
        """Return the value of every patient."""
        values = at(seen, self.measure, (self.visit,), self.kind, self.baseline)[..., 0]
        below = flags(seen, self.measure, (self.visit,))
        known = max(self.visit, self.baseline if self.kind != "value" else 0.0)
        return Found(values, below=None if below is None else below[..., 0], at=known)
