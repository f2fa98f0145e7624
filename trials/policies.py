"""Dosing that answers to what is measured, as a protocol prescribes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.policy import Policy
from trials.checks import Number, fields, label, refuse

type Array = np.ndarray

WEEK = 168.0
"""Hours; the rules of warfarin clinics speak of the weekly dose."""


@dataclass(frozen=True, slots=True)
class InrTitration(Policy):
    """Warfarin adjusted to the INR in steps of the weekly dose; times in hours.

    The rule is a table of bands of the INR: below `bounds[0]` the weekly dose is multiplied by `changes[0]`, and so on;
    in band `i`, `omits[i]` doses are left out first. What is left out is taken from all doses until the next visit in
    equal parts, since a policy sets one amount for the time between visits.

    Attributes
    ----------
    into
        State of the model the doses go into.
    start
        Amount of each dose before the first visit, then before the second, and so on (a loading dose, say); the rule
        begins at the visit after these.
    every, until
        Time between doses and end of dosing.
    visits
        Times at which the INR is measured and the dose adjusted.
    output
        Output of the model that is the INR.
    bounds
        Limits between the bands, increasing.
    changes
        Factor on the weekly dose in each band, one more than there are limits.
    omits
        Doses left out in each band.
    step
        The weekly dose is a multiple of this, as tablets allow; 0 is no rounding.
    most
        Greatest amount of a dose.
    """

    into: str
    start: tuple[float, ...]
    every: float
    until: float
    visits: tuple[float, ...]
    output: str
    bounds: tuple[float, ...]
    changes: tuple[float, ...]
    omits: tuple[float, ...]
    step: float
    most: float

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "policy", into=label, output=label, every=Number(above=0))
        fields(self, "policy", until=Number(above=0), step=Number(least=0), most=Number(above=0))
        for name in ("start", "visits", "bounds", "changes", "omits"):
            values = tuple(Number(least=0)(f"policy.{name}", value) for value in getattr(self, name))
            object.__setattr__(self, name, values)
        for name in ("visits", "bounds"):
            if (np.diff(getattr(self, name)) <= 0).any():
                raise refuse(f"policy.{name}", getattr(self, name), "increasing numbers")
        if not 0 < len(self.start) <= len(self.visits) or min(self.start) <= 0:
            raise refuse("policy.start", self.start, "one or more amounts above 0, no more than there are visits")
        for name in ("changes", "omits"):
            if len(getattr(self, name)) != len(self.bounds) + 1:
                raise refuse(f"policy.{name}", getattr(self, name), f"{len(self.bounds) + 1} numbers, one a band")

    @property
    def observes(self) -> tuple[str, ...]:
        """Only the INR is looked at."""
        return (self.output,)

    def initial(self, covariates: Mapping[str, Array]) -> Array:  # noqa: ARG002 - a policy may look at them
        """Return the first amount, the same for everybody."""
        return np.array(self.start[0])

    def decide(self, visit: int, seen: Mapping[str, Array], given: Array) -> Array:
        """Return the amount of each dose (subject) until the next visit, from the INR (subject, visit + 1) so far."""
        if visit + 1 < len(self.start):
            return np.full(len(given), self.start[visit + 1])
        maintenance = np.full(len(given), self.start[-1])
        inr = seen[self.output]
        for past in range(len(self.start) - 1, visit + 1):
            band = np.searchsorted(self.bounds, inr[:, past], side="right")
            maintenance = self._rounded(maintenance * np.asarray(self.changes)[band])
        ends = (*self.visits[1:], self.until)
        doses = max(1.0, round((ends[visit] - self.visits[visit]) / self.every))
        left = np.clip(doses - np.asarray(self.omits)[band], 0.0, None) / doses
        amount: Array = maintenance * left
        return amount

    def _rounded(self, amount: Array) -> Array:
        """Amount whose weekly sum is a multiple of `step`, never nothing, never above `most`."""
        weekly = amount * WEEK / self.every
        if self.step:
            weekly = np.maximum(np.round(weekly / self.step), 1.0) * self.step
        return np.minimum(weekly * self.every / WEEK, self.most)
