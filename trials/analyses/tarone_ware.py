"""Log-rank tests weighted by the number at risk: Gehan's and Tarone and Ware's."""

from dataclasses import dataclass

import numpy as np

from trials.analyses.survival.ranktest import RankTest
from trials.analyses.survival.risk import RiskSets
from trials.checks import Number, fields


@dataclass(frozen=True, slots=True)
class TaroneWare(RankTest):
    """Log-rank test with weights n^power, n the number at risk within a stratum.

    Power 1 is Gehan's generalised Wilcoxon test (1965, doi:10.1093/biomet/52.1-2.203), power 1/2 that of Tarone & Ware
    (1977, doi:10.1093/biomet/64.1.156).
    """

    name: str
    endpoint: str
    test: str
    control: str
    power: float
    alternative: str = "two-sided"
    margin: float = 0.0
    """Weighted log hazard ratio under the null hypothesis."""
    alpha: float = 0.05
    strata: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data: risk sets are formed within each combination of their values."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check()
        fields(self, "analysis", power=Number(above=0))

    def weights(self, sets: RiskSets) -> np.ndarray:
        """Return n^power."""
        return np.asarray(sets.at_risk**self.power)
