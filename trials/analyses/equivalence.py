"""Equivalence of two arm means by two one-sided tests, in parallel groups."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses.ancova import Ancova
from trials.analyses.base import Analysis
from trials.analyses.groups import difference
from trials.analyses.two_sample import TwoSample
from trials.checks import Labels, Number, fields, flag, label, refuse


@dataclass(frozen=True, slots=True)
class Equivalence(Analysis):
    """Test less control lies within margins: the interval of level 1 - 2 alpha does (Schuirmann 1987).

    The difference is that of an analysis of covariance, or without covariates of Student's t test with a pooled
    variance; doi:10.1007/BF01068419.
    """

    name: str
    endpoint: str
    test: str
    control: str
    lower: float
    """Margins, on the scale of the estimate: with ``log`` they are ratios."""
    upper: float
    covariates: tuple[str, ...] = ()
    alpha: float = 0.05
    """Level of each one-sided test."""
    log: bool = False
    """Analyse logarithms: the estimate is the log ratio of geometric means."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "analysis", name=label, endpoint=label, test=label, control=label, covariates=Labels(0))
        fields(self, "analysis", lower=Number(), upper=Number(), alpha=Number(above=0, below=0.5), log=flag)
        if self.test == self.control:
            raise refuse("analysis.control", self.control, "another arm than analysis.test")
        if not self.lower < self.upper or (self.log and not self.lower > 0):
            wanted = "margins in increasing order, with log both above 0"
            raise refuse("analysis.lower", (self.lower, self.upper), wanted)

    @property
    def scale(self) -> str:
        """Estimates are differences of means, or logarithms of ratios."""
        return "log-ratio" if self.log else "difference"

    @property
    def level(self) -> float:
        """Level of the interval that lies within the margins when both tests reject."""
        return 1 - 2 * self.alpha

    @property
    def decides(self) -> bool:
        """Decides for equivalence."""
        return True

    @property
    def margins(self) -> tuple[float, float]:
        """Margins on the scale of the estimate."""
        bounds = np.array([self.lower, self.upper])
        low, high = np.log(bounds) if self.log else bounds
        return float(low), float(high)

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; ``p`` is the larger of the two one-sided ones, ``statistic`` the smaller."""
        found = self._compared(data)
        low, high = self.margins
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.fmin((found["estimate"] - low) / found["se"], (high - found["estimate"]) / found["se"])
        p = special.stdtr(found["df"], -t)
        decision = (p <= self.alpha) & ~found["failed"]
        columns = {"statistic": t, "p": p, "decision": decision}
        return found.assign({name: ("replicate", np.asarray(values)) for name, values in columns.items()})

    def _compared(self, data: xr.Dataset) -> xr.Dataset:
        """Difference with its interval of level 1 - 2 alpha."""
        whom, alpha = (self.name, self.endpoint, self.test, self.control), 2 * self.alpha
        if self.covariates:
            return Ancova(*whom, covariates=self.covariates, alpha=alpha, log=self.log)(data)
        return TwoSample(*whom, alpha=alpha, equal_variance=True, log=self.log)(data)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject."""
        return difference(values, self.test, self.control, log=self.log)

    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true difference lies on or outside of the margins."""
        low, high = self.margins
        return effect <= low + tolerance or effect >= high - tolerance
