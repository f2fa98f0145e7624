"""Modestly weighted log-rank test: for effects that come late, without rewarding early harm."""

from dataclasses import dataclass

import numpy as np

from trials.analyses.survival.ranks import pooled_survival
from trials.analyses.survival.ranktest import RankTest
from trials.analyses.survival.risk import RiskSets
from trials.checks import Number, fields


@dataclass(frozen=True, slots=True)
class ModestlyWeighted(RankTest):
    """Log-rank test with weights 1 / max(S(t-), S(delay)), S the pooled Kaplan-Meier estimate within a stratum.

    Magirr & Burman (2019), doi:10.1002/sim.8186: weights grow until the time ``delay`` and stay level from then on.
    """

    name: str
    endpoint: str
    test: str
    control: str
    delay: float
    """Time since randomisation from which the weights are level, in the model's unit of time."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Weighted log hazard ratio under the null hypothesis."""
    alpha: float = 0.05
    strata: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data: risk sets are formed within each combination of their values."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check()
        fields(self, "analysis", delay=Number(least=0))

    def weights(self, sets: RiskSets) -> np.ndarray:
        """Return 1 / max(S(t-), S(delay))."""
        early = np.where(sets.time <= self.delay, sets.events / np.maximum(sets.at_risk, 1.0), 0.0)
        level = np.prod(1 - early, axis=1)
        weights: np.ndarray = 1 / np.maximum(np.maximum(pooled_survival(sets), level[:, None]), np.finfo(float).tiny)
        return weights
