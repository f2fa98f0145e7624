"""Comparison of two arm means by Student's t test: Welch's, or with a pooled variance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.analyses import hypothesis
from trials.analyses.base import outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import Comparison, compared, difference, moments
from trials.analyses.roles import check_roles
from trials.checks import Number, fields, flag


@dataclass(frozen=True, slots=True)
class TwoSample(Contrast):
    """Test mean less control mean, against a margin; Welch (1947), doi:10.1093/biomet/34.1-2.28, unless pooled."""

    name: str
    endpoint: str
    test: str
    control: str
    alternative: str = "two-sided"
    margin: float = 0.0
    """Difference under the null hypothesis, on the scale of the estimate."""
    alpha: float = 0.05
    equal_variance: bool = False
    log: bool = False
    """Analyse logarithms: the estimate is the log ratio of geometric means."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", margin=Number())
        fields(self, "analysis", equal_variance=flag, log=flag)

    @property
    def scale(self) -> str:
        """Estimates are differences of means, or logarithms of ratios."""
        return "log-ratio" if self.log else "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; subjects with a missing value are left out and not counted in ``n``."""
        groups = compared(data, self.endpoint, test=self.test, control=self.control, log=self.log)
        fit = _fit(groups, self.equal_variance)
        found = hypothesis.student(fit, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, found)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject."""
        return difference(values, self.test, self.control, log=self.log)


def _fit(groups: Comparison, equal_variance: bool) -> dict[str, np.ndarray]:
    """Return difference, standard error, degrees of freedom and n (replicate,); df is 0 when an arm has no variance."""
    test, control = moments(groups.values, groups.test), moments(groups.values, groups.control)
    enough = (test.size > 1) & (control.size > 1)
    sizes = np.maximum(np.stack([test.size, control.size]), 2)
    squares = np.stack([test.squares, control.squares])
    pooled = np.broadcast_to(squares.sum(axis=0) / (sizes.sum(axis=0) - 2), sizes.shape)
    variances = (pooled if equal_variance else squares / (sizes - 1)) / sizes
    total = variances.sum(axis=0)
    welch = total**2 / np.where(total > 0, (variances**2 / (sizes - 1)).sum(axis=0), 1.0)
    return {
        "estimate": test.mean - control.mean,
        "se": np.sqrt(total),
        "df": np.where(enough, sizes.sum(axis=0) - 2 if equal_variance else welch, 0.0),
        "n": test.size + control.size,
    }
