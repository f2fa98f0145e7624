"""Ordered categories: a measurement cut into them, or drawn with the probabilities of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.checks import Choice, Labels, Number, fields, label, refuse
from trials.endpoints.base import Array, Endpoint, Found, Seen, Watch
from trials.endpoints.visits import KINDS, at


@dataclass(frozen=True, slots=True)
class Ordinal(Endpoint):
    """Category 0, 1, ... of a measurement at a visit: how many of the cut points it has reached."""

    name: str
    unit: str
    measure: str
    visit: float
    """Planned time after the start of the period."""
    cuts: tuple[float, ...]
    """Increasing lower limits of the categories 1, 2, ..."""
    kind: str = "value"
    """What is cut: ``value``, ``change`` from baseline or ``percent`` change."""
    baseline: float = 0.0
    """Planned time of the baseline."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, measure=label, visit=Number(least=0), kind=Choice(KINDS))
        fields(self, "endpoint", baseline=Number(least=0))
        cuts = tuple(Number()("endpoint.cuts", cut) for cut in self.cuts)
        if not cuts or (np.diff(cuts) <= 0).any():
            raise refuse("endpoint.cuts", self.cuts, "one or more increasing numbers")
        object.__setattr__(self, "cuts", cuts)

    @property
    def measures(self) -> tuple[str, ...]:
        """Measurements it reads."""
        return (self.measure,)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Nothing but what is measured."""
        return ()

    def find(self, seen: Seen) -> Found:
        """Return the category of every patient."""
        values = at(seen, self.measure, (self.visit,), self.kind, self.baseline)[..., 0]
        found = np.searchsorted(np.asarray(self.cuts), values, side="right")
        return Found(np.where(np.isfinite(values), found, np.nan), at=self.visit)


@dataclass(frozen=True, slots=True)
class Drawn(Endpoint):
    """Category 0, 1, ... drawn with probabilities that are outputs of the model: one output makes a yes or no.

    A patient's uniform number is the same under every arm, so that more probable higher categories are higher ones.
    """

    name: str
    unit: str
    outputs: tuple[str, ...]
    """Outputs that are the probabilities of the categories 1, 2, ...; what is left of 1 is that of category 0."""
    time: float
    """When, after the start of the period; missing for a patient who has left before."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "endpoint", name=label, unit=label, outputs=Labels(1), time=Number(above=0))

    @property
    def measures(self) -> tuple[str, ...]:
        """Nothing that is measured."""
        return ()

    @property
    def watches(self) -> tuple[Watch, ...]:
        """The probabilities, at the start and then."""
        return tuple(Watch(output, self.time, self.time) for output in self.outputs)

    def find(self, seen: Seen) -> Found:
        """Return the category of every patient."""
        chances = np.stack([seen.courses[watch][..., -1] for watch in self.watches], axis=-1)
        upper: Array = np.cumsum(chances[..., ::-1], axis=-1)[..., ::-1]
        found = (1 - seen.uniform(self.name, 1) <= upper).sum(axis=-1)
        known = np.isfinite(chances).all(axis=-1) & (seen.left >= self.time)
        return Found(np.where(known, found, np.nan), at=self.time)
