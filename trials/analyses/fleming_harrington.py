"""Fleming-Harrington weighted log-rank test: weight on early, middle or late events."""

from dataclasses import dataclass

import numpy as np

from trials.analyses.survival import ranks
from trials.analyses.survival.ranktest import RankTest
from trials.analyses.survival.risk import RiskSets
from trials.checks import Number, fields


@dataclass(frozen=True, slots=True)
class FlemingHarrington(RankTest):
    """Log-rank test with weights S(t-)^rho (1 - S(t-))^gamma, S the pooled Kaplan-Meier estimate within a stratum.

    Fleming & Harrington (1991), section 7.2: rho 1, gamma 0 weighs early events (Prentice-Wilcoxon), rho 0, gamma 1
    late ones; both 0 is the log-rank test.
    """

    name: str
    endpoint: str
    test: str
    control: str
    rho: float
    gamma: float
    alternative: str = "two-sided"
    margin: float = 0.0
    """Weighted log hazard ratio under the null hypothesis."""
    alpha: float = 0.05
    strata: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data: risk sets are formed within each combination of their values."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check()
        fields(self, "analysis", rho=Number(least=0), gamma=Number(least=0))

    def weights(self, sets: RiskSets) -> np.ndarray:
        """Return S(t-)^rho (1 - S(t-))^gamma."""
        return ranks.fleming_harrington(sets, self.rho, self.gamma)
