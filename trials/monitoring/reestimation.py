"""Sample-size re-estimation at one interim look: from the blinded variance, or from conditional power.

The mathematics is that of `trials.boundaries.reestimation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from trials.boundaries.reestimation import (
    inverse_normal,
    pooled_variance,
    second_critical_value,
    stage_power,
    stage_size,
)

type Array = np.ndarray


class Resized(NamedTuple):
    """What an interim look decides, each (replicate,)."""

    n: Array
    """Subjects of the trial, both stages together."""
    stop: Array
    """Whether it ends at the interim look for efficacy (1), for futility (-1), or goes on (0)."""
    measure: Array
    """What the decision rests on: the blinded standard deviation, or the conditional power at the planned size."""


@dataclass(frozen=True, slots=True)
class Blinded:
    """The planned size times the ratio of the variances seen and assumed, without unblinding.

    The variance is that of all subjects together about their common mean: Kieser & Friede (2003),
    doi:10.1002/sim.1585, who find that it keeps the type I error. It holds the effect, so it errs to the large side.
    """

    measures: ClassVar[str] = "interim_sd"

    planned: int
    least: int
    most: int
    sd: float

    def resized(self, values: Array) -> Resized:
        """Return the size from the endpoint of the subjects of the first stage (replicate, subject), NaN if missing."""
        variance = pooled_variance(values)
        wanted = np.ceil(self.planned * variance / self.sd**2 - 1e-9)
        n = np.clip(wanted, self.least, self.most).astype(np.int64)
        return Resized(n, np.zeros(len(n), dtype=np.int64), np.sqrt(variance))


@dataclass(frozen=True, slots=True)
class Unblinded:
    """The size that gives a conditional power, where that of the planned size is promising.

    Mehta & Pocock (2011), doi:10.1002/sim.4102. The stages are combined by the inverse normal method with weights fixed
    by the plan, which keeps the type I error whatever the second stage becomes: Lehmacher & Wassmer (1999),
    doi:10.1111/j.0006-341X.1999.01286.x.
    """

    measures: ClassVar[str] = "conditional_power"

    first: int
    planned: int
    least: int
    most: int
    power: float
    promising: float
    drift: float | None
    efficacy: tuple[float, float]
    futility: float

    def combined(self, one: Array, two: Array) -> Array:
        """Return the inverse normal combination of the statistics of the stages (replicate,)."""
        return inverse_normal(np.stack([one, two], axis=-1), (self.first / self.planned, 1.0))[..., -1]

    def conditional_power(self, one: Array, second: Array | float) -> Array:
        """Return the probability to succeed with a second stage of this size, from the statistic of the first."""
        return stage_power(self._needed(one), self._effect(one), second)

    def resized(self, one: Array) -> Resized:
        """Return the size from the statistics of the first stage (replicate,); NaN keeps the plan."""
        power = self.conditional_power(one, self.planned - self.first)
        second = np.ceil(stage_size(self._needed(one), self._effect(one), self.power) - 1e-9)
        changed = (power >= self.promising) & ~np.isnan(one)
        n = np.where(changed, np.clip(self.first + second, self.least, self.most), self.planned)
        stop = (one >= self.efficacy[0]).astype(np.int64) - (one <= self.futility)
        return Resized(n.astype(np.int64), stop, power)

    def _effect(self, one: Array) -> Array:
        """Expected statistic per square root of the subjects: of the plan, or as seen in the first stage."""
        if self.drift is not None:
            return np.full(np.shape(one), self.drift / np.sqrt(self.planned))
        return np.asarray(one / np.sqrt(self.first))

    def _needed(self, one: Array) -> Array:
        """Statistic of the second stage that would be enough."""
        return second_critical_value(self.efficacy[1], self.first / self.planned, one)


@dataclass(frozen=True, slots=True)
class Reestimation:
    """One interim look at which the size is decided anew."""

    monitored: str
    """Analysis whose endpoint or test it rests on."""
    interim: int
    """Subjects of the first stage, whose endpoint is waited for."""
    lag: float
    """From the day of their last endpoint to the decision, while subjects still enrol."""
    rule: Blinded | Unblinded
