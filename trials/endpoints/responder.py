"""Whether a patient has responded at a visit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import Choice, Number, Optional, fields, label, refuse
from trials.endpoints.base import Endpoint, Found, Seen, Watch
from trials.endpoints.visits import KINDS, at


@dataclass(frozen=True, slots=True)
class Responder(Endpoint):
    """1 for a patient whose measurement at a visit is at or beyond a limit, else 0."""

    name: str
    unit: str
    measure: str
    visit: float
    """Planned time after the start of the period."""
    least: float | None = None
    """Responders are at this or above; either `least` or `most`."""
    most: float | None = None
    """Responders are at this or below."""
    kind: str = "value"
    """What is compared: ``value``, ``change`` from baseline or ``percent`` change."""
    baseline: float = 0.0
    """Planned time of the baseline."""
    missing: str = "missing"
    """A patient without the measurement is ``missing`` or a ``nonresponder``."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, visit=Number(least=0), kind=Choice(KINDS))
        fields(self, "endpoint", least=Optional(Number()), most=Optional(Number()), baseline=Number(least=0))
        fields(self, "endpoint", missing=Choice(("missing", "nonresponder")))
        if (self.least is None) == (self.most is None):
            raise refuse("endpoint.least", (self.least, self.most), "either `least` or `most`")

    @property
    def measures(self) -> tuple[str, ...]:
        """Measurements it reads."""
        return (self.measure,)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Nothing but what is measured."""
        return ()

    def find(self, seen: Seen) -> Found:
        """Return 1 or 0 for every patient."""
        values = at(seen, self.measure, (self.visit,), self.kind, self.baseline)[..., 0]
        responds = values >= self.least if self.least is not None else values <= self.most
        unknown = np.nan if self.missing == "missing" else 0.0
        return Found(np.where(np.isfinite(values), responds, unknown), at=self.visit)
