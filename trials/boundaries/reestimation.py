"""Sample sizes that are chosen again while the trial is under way, and tests that stay valid.

Unblinded: the stages' own statistics are combined with weights fixed in advance, Lehmacher & Wassmer (1999),
doi:10.1111/j.0006-341X.1999.01286.x, Cui, Hung & Wang (1999), doi:10.1111/j.0006-341X.1999.00853.x. Blinded: from the
variance of the pooled data, Kieser & Friede (2003), doi:10.1002/sim.1585.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from trials.boundaries.base import Bounds, information_rates_of
from trials.boundaries.sizes import equivalent_drift
from trials.checks import Number, Optional, fields, flag, refuse

type Array = np.ndarray


def inverse_normal(stage_z: ArrayLike, information_rates: ArrayLike) -> Array:
    """Return the statistics of an inverse-normal combination test at each look.

    Parameters
    ----------
    stage_z
        Statistic (*trial, look) of the subjects or events that are new at each look, standard normal under the null.
    information_rates
        Planned information rates (look,), which make the weights.

    Returns
    -------
    Combined statistics (*trial, look), to be compared with the boundary at the planned rates.
    """
    rates = np.array(information_rates_of(np.asarray(information_rates).tolist()))
    z = np.asarray(stage_z, float)
    if not z.ndim or z.shape[-1] != rates.size:
        raise refuse("stage_z", z.shape, f"an array whose last axis has the {rates.size} looks")
    return np.asarray((z * np.sqrt(np.diff(rates, prepend=0.0))).cumsum(axis=-1) / np.sqrt(rates))


def conditional_critical_value(bounds: Bounds, look: int, z: ArrayLike) -> Array:
    """Return what the next stage's own statistic must reach for success at the next look.

    Parameters
    ----------
    bounds
        Boundary at its planned rates.
    look
        The look that has been, from 1.
    z
        Combined statistic there, of any shape.
    """
    last = bounds.information_rates.size - 1
    if look != int(look) or not 1 <= look <= last:
        raise refuse("look", look, f"a look that has a later one, from 1 to {last}")
    here, there = bounds.information_rates[look - 1 : look + 1]
    return second_critical_value(bounds.efficacy[look], here / there, z)


def second_critical_value(bound: float, share: float, z: ArrayLike) -> Array:
    """Return what the second of two stages must reach for the combined statistic to reach its bound.

    Parameters
    ----------
    bound
        Critical value of the combined statistic.
    share
        Planned share of the information that the first stage has.
    z
        Statistic of the first stage, of any shape.
    """
    return np.asarray((bound - np.sqrt(share) * np.asarray(z, float)) / np.sqrt(1 - share))


def stage_power(critical: ArrayLike, each: ArrayLike, size: ArrayLike) -> Array:
    """Return the probability that a stage of a size reaches its critical value, each subject adding ``each``."""
    return np.asarray(special.ndtr(np.asarray(each) * np.sqrt(size) - critical))


def stage_size(critical: ArrayLike, each: ArrayLike, power: float) -> Array:
    """Return the size of a stage, not rounded, that reaches its critical value with a power; inf: none does."""
    wanted = np.maximum(np.asarray(critical) + special.ndtri(power), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(wanted == 0, 0.0, (wanted / np.maximum(each, 0.0)) ** 2))


def pooled_variance(values: Array) -> Array:
    """Return the variance (trial,) about the common mean of values (trial, subject), NaN where missing."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=1), 2)
    mean = np.where(there, values, 0.0).sum(axis=1) / count
    return np.asarray(np.where(there, (values - mean[:, None]) ** 2, 0.0).sum(axis=1) / (count - 1))


@dataclass(frozen=True, slots=True)
class UnblindedReestimation:
    """Size of the next stage by conditional power, the next look being the last that counts."""

    least: float
    """Smallest number of subjects (or events) of the next stage, all arms together."""
    most: float
    """Largest number."""
    power: float = 0.8
    """Conditional power that is aimed at."""
    effect: float | None = None
    """Assumed standardised effect δ/σ (for events: log hazard ratio); null: the one observed."""
    zone: tuple[float, float] = (0.0, 1.0)
    """The size is changed only when the conditional power of the planned one lies in here: Mehta & Pocock (2011),
    doi:10.1002/sim.4102; 0 and 1: always."""
    ratio: float = 1.0
    """Subjects on test for one on control."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "reestimation", least=Number(above=0), power=Number(above=0, below=1), ratio=Number(above=0))
        fields(self, "reestimation", most=Number(least=self.least), effect=Optional(Number(above=0)), zone=_zone)

    def size(self, bounds: Bounds, look: int, z: ArrayLike, before: ArrayLike, planned: ArrayLike) -> Array:
        """Return the number of subjects (or events) of the next stage, not rounded.

        Parameters
        ----------
        bounds, look, z
            As in `conditional_critical_value`; z of any shape.
        before
            Subjects (or events) so far, from which the observed effect is z √(1 + r)² / (r n).
        planned
            Subjects (or events) of the next stage as planned: kept when the conditional power is outside the zone.
        """
        critical = conditional_critical_value(bounds, look, z)
        each = self._each(np.asarray(z, float), np.asarray(before, float))
        size = np.clip(stage_size(critical, each, self.power), self.least, self.most)
        reached = self.conditional_power(bounds, look, z, before, planned)
        inside = (reached >= self.zone[0]) & (reached <= self.zone[1])
        return np.asarray(np.where(inside, size, planned))

    def conditional_power(self, bounds: Bounds, look: int, z: ArrayLike, before: ArrayLike, size: ArrayLike) -> Array:
        """Return the probability of success at the next look with a size of the next stage."""
        each = self._each(np.asarray(z, float), np.asarray(before, float))
        return stage_power(conditional_critical_value(bounds, look, z), each, size)

    def _each(self, z: Array, before: Array) -> Array:
        """Expected statistic of one subject (or event)."""
        if self.effect is None:
            return np.asarray(z / np.sqrt(before))
        return np.asarray(self.effect * np.sqrt(self.ratio) / (1 + self.ratio))


@dataclass(frozen=True, slots=True)
class BlindedReestimation:
    """Size of the whole trial from the variance of the pooled data, the arms unknown."""

    difference: float
    """Difference of means for which the trial is planned; not 0."""
    least: float
    """Smallest number of subjects of the trial, all arms together."""
    most: float
    """Largest number."""
    power: float = 0.8
    """Power that is aimed at."""
    ratio: float = 1.0
    """Subjects on test for one on control."""
    adjusted: bool = False
    """True: what the planned difference adds to the pooled variance is taken off; false keeps the level better."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "reestimation", difference=Number(), least=Number(above=0), power=Number(above=0, below=1))
        fields(self, "reestimation", most=Number(least=self.least), ratio=Number(above=0), adjusted=flag)
        if self.difference == 0:
            raise refuse("reestimation.difference", 0, "a number other than 0")

    def variance(self, values: ArrayLike) -> Array:
        """Return the variance (trial,) within arms from pooled values (trial, subject), NaN where missing."""
        found = np.asarray(values, float)
        n = np.isfinite(found).sum(axis=-1)
        if (n < 3).any():
            raise refuse("values", int(n.min()), "3 values or more in every trial")
        variance = pooled_variance(found)
        if self.adjusted:
            share = self.ratio / (1 + self.ratio) ** 2
            variance = np.maximum(variance - n / (n - 1) * share * self.difference**2, 0.0)
        return np.asarray(variance)

    def size(self, bounds: Bounds, values: ArrayLike, inflation: float = 1.0) -> Array:
        """Return the number of subjects (trial,) of the whole trial, not rounded.

        Parameters
        ----------
        bounds
            Gives the level.
        values
            Pooled values (trial, subject).
        inflation
            `inflation_factor` of a group-sequential design.
        """
        share = self.ratio / (1 + self.ratio) ** 2
        root = equivalent_drift(bounds, self.power) / self.difference
        return np.asarray(np.clip(inflation * root**2 * self.variance(values) / share, self.least, self.most))


def _zone(where: str, value: object) -> tuple[float, float]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, "two conditional powers")
    made = tuple(Number(least=0, most=1)(where, each) for each in value)
    if len(made) != 2 or made[0] > made[1]:
        raise refuse(where, made, "two conditional powers, the lower one first")
    return made[0], made[1]
