"""Sample-size re-estimation at one interim look: from the blinded variance, or from conditional power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy import special

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
        there = np.isfinite(values)
        count = np.maximum(there.sum(axis=1), 2)
        mean = np.where(there, values, 0.0).sum(axis=1) / count
        variance = np.where(there, (values - mean[:, None]) ** 2, 0.0).sum(axis=1) / (count - 1)
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

    @property
    def weights(self) -> tuple[float, float]:
        """Square roots of the planned shares of information of the stages."""
        share = self.first / self.planned
        return float(np.sqrt(share)), float(np.sqrt(1 - share))

    def combined(self, one: Array, two: Array) -> Array:
        """Return the inverse normal combination of the statistics of the stages (replicate,)."""
        weight = self.weights
        found: Array = weight[0] * one + weight[1] * two
        return found

    def conditional_power(self, one: Array, second: Array | float) -> Array:
        """Return the probability to succeed with a second stage of this size, from the statistic of the first."""
        return np.asarray(special.ndtr(self._effect(one) * np.sqrt(second) - self._needed(one)))

    def resized(self, one: Array) -> Resized:
        """Return the size from the statistics of the first stage (replicate,); NaN keeps the plan."""
        power, effect = self.conditional_power(one, self.planned - self.first), self._effect(one)
        root = np.maximum(special.ndtri(self.power) + self._needed(one), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            second = np.where(root == 0, 0.0, np.where(effect > 0, np.ceil((root / effect) ** 2 - 1e-9), np.inf))
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
        weight = self.weights
        found: Array = (self.efficacy[1] - weight[0] * one) / weight[1]
        return found


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
