"""Log-rank test of two arms, stratified where strata are named."""

from dataclasses import dataclass

from trials.analyses.survival.ranktest import RankTest
from trials.analyses.survival.risk import RiskSets


@dataclass(frozen=True, slots=True)
class LogRank(RankTest):
    """Log-rank test (Mantel 1966; Peto & Peto 1972, doi:10.2307/2344317), and Cox's log hazard ratio beside it.

    The estimate and its interval are those of Cox's model with Breslow's handling of ties, the test is the score test
    with the hypergeometric variance.
    """

    name: str
    endpoint: str
    test: str
    control: str
    alternative: str = "two-sided"
    margin: float = 0.0
    """Log hazard ratio under the null hypothesis: log(1.3) for non-inferiority within 1.3."""
    alpha: float = 0.05
    strata: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data: risk sets are formed within each combination of their values."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check()

    def weights(self, sets: RiskSets) -> None:  # noqa: ARG002 - all weigh the same
        """Return None: every event weighs the same."""
        return
