"""Linear trend of the means over dose, adjusted for covariates by ordinary least squares."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.analyses import hypothesis
from trials.analyses.ancova import slope
from trials.analyses.base import outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import compared, covariates
from trials.checks import Choice, Labels, Number, fields, label, refuse


@dataclass(frozen=True, slots=True)
class AncovaTrend(Contrast):
    """Slope of ``endpoint ~ dose + covariates`` over the arms, each at its dose, with one residual variance."""

    name: str
    endpoint: str
    arms: tuple[str, ...]
    """Arms in the model."""
    doses: tuple[float, ...]
    """Dose, or any score, of each arm."""
    covariates: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data; one with ``attrs["levels"]`` is categorical."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Slope under the null hypothesis, in units of the endpoint a unit of dose."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "analysis", name=label, endpoint=label, arms=Labels(2), covariates=Labels(), margin=Number())
        fields(self, "analysis", alternative=Choice(hypothesis.ALTERNATIVES), alpha=Number(above=0, below=0.5))
        if isinstance(self.doses, str) or len(self.doses) != len(self.arms) or len(set(self.doses)) < 2:
            raise refuse("analysis.doses", self.doses, f"{len(self.arms)} numbers, one an arm, not all the same")
        object.__setattr__(self, "doses", tuple(Number()("analysis.doses", dose) for dose in self.doses))

    @property
    def scale(self) -> str:
        """Estimates are differences of means, for one unit of dose."""
        return "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; subjects missing the endpoint or a covariate are left out and not in ``n``."""
        groups = [compared(data, self.endpoint, test=arm, control=arm, log=False) for arm in self.arms]
        there = np.stack([group.test for group in groups], axis=-1)
        dose = (there * np.array(self.doses)).sum(axis=-1)
        fit = slope(groups[0].values, dose, covariates(data, self.covariates), there.any(axis=-1))
        found = hypothesis.student(fit, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, found)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the least-squares slope over dose of each subject's values under the arms, of equal weights."""
        doses = np.array(self.doses) - np.mean(self.doses)
        total = sum(dose * np.asarray(values[arm], float) for dose, arm in zip(doses, self.arms, strict=True))
        each: np.ndarray = np.asarray(total) / (doses**2).sum()
        return each
