"""MaxCombo: the largest of several Fleming-Harrington tests, with the level kept for having looked at several."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import outcome
from trials.analyses.survival.analysis import Group, TwoArms
from trials.analyses.survival.orthant import within
from trials.analyses.survival.ranks import covariance, fleming_harrington, hazard_ratio, score
from trials.analyses.survival.risk import RiskSets, by_stratum
from trials.analyses.survival.strata import strata
from trials.checks import Labels, Number, fields, refuse

MOST = 9


@dataclass(frozen=True, slots=True)
class MaxCombo(TwoArms):
    """Largest of weighted log-rank statistics, p from the joint normal distribution of all of them.

    Karrison (2016), doi:10.1177/1536867X1601600309; Roychoudhury et al. (2021), doi:10.1002/pst.2091. The correlation
    of two statistics is estimated from the product of their weights at the event times. The estimate is Cox's log
    hazard ratio, an average when hazards are not proportional.
    """

    name: str
    endpoint: str
    test: str
    control: str
    weights: tuple[tuple[float, float], ...] = ((0, 0), (0, 1), (1, 0), (1, 1))
    """Pairs of rho and gamma, two to nine, all different."""
    alternative: str = "two-sided"
    alpha: float = 0.05
    strata: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data: risk sets are formed within each combination of their values."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check()
        fields(self, "analysis", weights=_pairs, strata=Labels())

    @property
    def scale(self) -> str:
        """Estimates are logarithms of hazard ratios."""
        return "log-ratio"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate.

        ``statistic`` is the normal deviate with the same ``p`` (positive in favour of a one-sided alternative, with the
        sign of the largest statistic when two-sided). Beside the outputs of every analysis: ``events``; ``largest``,
        the largest statistic, and ``weight``, which of the weights it has, from 0.
        """
        group, stratum = self.group(data), strata(data, self.strata)
        group = group if stratum is None else group.within(stratum >= 0)
        sets = list(by_stratum(group.time, group.event, group.used, group.test, stratum=stratum))
        found, failed = self._combined(sets)
        estimate, se = hazard_ratio(sets, [None] * len(sets))
        half = special.ndtri(0.5 + self.level / 2) * se
        values = {"estimate": estimate, "se": se, "lower": estimate - half, "upper": estimate + half, "n": group.n}
        return outcome(self, data, values | found | {"failed": failed, "events": group.events})

    def _combined(self, sets: list[RiskSets]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return statistic, p, decision, largest and weight (replicate,), and which replicates failed."""
        weights = [[fleming_harrington(each, *pair) for pair in self.weights] for each in sets]
        spread = covariance(sets, weights)
        variance = np.diagonal(spread, axis1=1, axis2=2)
        failed = ~(variance > 0).all(axis=1)
        sd = np.sqrt(np.where(failed[:, None], 1.0, variance))
        columns = range(len(self.weights))
        scores = np.stack([score(sets, [each[i] for each in weights], 0.0).score for i in columns], axis=1)
        correlation = np.where(failed[:, None, None], 1.0, spread / sd[:, :, None] / sd[:, None, :])
        z = scores / sd * (-1 if self.alternative == "less" else 1)
        which = np.argmax(np.abs(z) if self.alternative == "two-sided" else z, axis=1)
        largest = np.take_along_axis(z, which[:, None], axis=1)
        p = self._p(largest, correlation)
        sides = 2 if self.alternative == "two-sided" else 1
        statistic = -special.ndtri(p / sides) * (np.sign(largest[:, 0]) if sides == 2 else 1)
        found = {"statistic": statistic, "p": p, "decision": p < self.alpha, "largest": largest[:, 0], "weight": which}
        return found, failed

    def _p(self, largest: np.ndarray, correlation: np.ndarray) -> np.ndarray:
        """Return p (replicate,), kept between that of one test and Bonferroni's: far out the lattice is too coarse."""
        two_sided = self.alternative == "two-sided"
        limit = np.abs(largest) if two_sided else largest
        upper = np.repeat(limit, len(self.weights), axis=1)
        lower = -upper if two_sided else np.full_like(upper, -np.inf)
        one = special.ndtr(-limit[:, 0]) * (2 if two_sided else 1)
        p: np.ndarray = np.clip(1 - within(lower, upper, correlation), one, np.minimum(len(self.weights) * one, 1.0))
        return p

    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true log hazard ratio is not beyond 0."""
        return hypothesis.null(effect, 0.0, self.alternative, tolerance)

    def effect(self, group: Group) -> np.ndarray:
        """Return the log hazard ratio of Cox's model with the arm alone."""
        sets = list(by_stratum(group.time, group.event, group.used, group.test, stratum=None))
        return hazard_ratio(sets, [None])[0]


def _pairs(where: str, value: object) -> tuple[tuple[float, float], ...]:
    """Return pairs of rho and gamma."""
    wanted = f"two to {MOST} different pairs of rho and gamma, each at least 0"
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refuse(where, value, wanted)
    rows = [tuple(row) if isinstance(row, list | tuple) else () for row in value]
    if any(len(row) != 2 for row in rows):
        raise refuse(where, value, wanted)
    number = Number(least=0)
    pairs = tuple((number(where, rho), number(where, gamma)) for rho, gamma in rows)
    if not 2 <= len(pairs) <= MOST or len(set(pairs)) != len(pairs):
        raise refuse(where, value, wanted)
    return pairs
