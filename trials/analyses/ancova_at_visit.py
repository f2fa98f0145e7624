"""Comparison of two arms at one visit of a repeated endpoint, adjusted for covariates by ordinary least squares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from trials.analyses import hypothesis, repeated
from trials.analyses.ancova import adjusted, other_arms
from trials.analyses.base import outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import compared, covariates, difference
from trials.analyses.roles import check_roles
from trials.checks import Choice, Labels, Number, Optional, fields, flag, label, refuse

MISSING = ("observed", "carried_forward")
"""What stands for a value missing at the visit: nothing, or the last one before."""


@dataclass(frozen=True, slots=True)
class AncovaAtVisit(Contrast):
    """Test less control in ``endpoint at the visit ~ arm + baseline + covariates``.

    With ``missing: observed`` a subject without a value at the visit is left out. With ``carried_forward`` its last
    value of an earlier visit stands for it (LOCF), which analyses past trials as they were; what it estimates is no
    mean at the visit (National Research Council 2010, doi:10.17226/12955).
    """

    measure: ClassVar[str] = "repeated"

    name: str
    endpoint: str
    test: str
    control: str
    baseline: str | None = None
    """Variable (replicate, subject) that is a covariate; None for none."""
    covariates: tuple[str, ...] = ()
    """Further variables (replicate, subject); one with ``attrs["levels"]`` is categorical."""
    missing: str = "observed"
    visit: float | None = None
    """Planned time of the visit compared; None for the last."""
    all_arms: bool = False
    """Whether the other arms are modelled too, with the same slopes and residual variance."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Difference under the null hypothesis."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", baseline=Optional(label))
        fields(self, "analysis", covariates=Labels(), missing=Choice(MISSING), visit=Optional(Number()), all_arms=flag)
        fields(self, "analysis", margin=Number())
        if self.baseline in self.covariates:
            raise refuse("analysis.covariates", self.covariates, "variables other than the baseline")

    @property
    def scale(self) -> str:
        """Estimates are differences of means."""
        return "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; subjects without a value or a covariate are left out and not in ``n``."""
        values = repeated.visits(data, self.endpoint)
        last = repeated.place(values.times, self.visit)
        value = values.values[..., last] if self.missing == "observed" else carried(values.values[..., : last + 1])
        one = data[["arm"]].assign({self.endpoint: (("replicate", "subject"), value)})
        pair = (self.test, self.control)
        groups = compared(one, self.endpoint, test=self.test, control=self.control, log=False)
        others = other_arms(one, self.endpoint, pair if self.all_arms else tuple(data["arm"].attrs["names"]), log=False)
        names = (*(() if self.baseline is None else (self.baseline,)), *self.covariates)
        fit = adjusted(groups, covariates(data, names), others)
        found = hypothesis.student(fit, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, found)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject at the visit: `trials.analyses.repeated.at_visit` says of what."""
        return difference(repeated.at_visit(values, self.endpoint, self.visit), self.test, self.control, log=False)


def carried(values: np.ndarray) -> np.ndarray:
    """Return the last value that is there (...,) of visits (..., visit); NaN where there is none."""
    there = np.isfinite(values)
    last = values.shape[-1] - 1 - np.argmax(there[..., ::-1], axis=-1)
    found: np.ndarray = np.take_along_axis(values, last[..., None], axis=-1)[..., 0]
    return found
