"""Analysis of variance of a crossover of any number of arms and periods: Williams, Latin square, replicate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from trials.analyses import hypothesis
from trials.analyses.base import arm_index, logged, measurements, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import difference
from trials.analyses.roles import check_roles
from trials.analyses.within import periods, within
from trials.checks import Number, fields, flag


@dataclass(frozen=True, slots=True)
class CrossoverAnova(Contrast):
    """Test less control from all periods of a crossover, with fixed effects of subject, period and arm.

    A subject's own level holds that of the sequence, so the comparison is within subjects, and the residual variance is
    that of all arms (Senn 2002, Cross-over Trials in Clinical Research, ch. 5). With ``carryover`` the arm of the
    period before has an effect of its own, estimable in a Williams design. ``variance`` is the residual variance.

    A measurement that is missing is left out; a subject with one measurement tells nothing and is not in ``n``.
    """

    layout: ClassVar[str] = "crossover"

    name: str
    endpoint: str
    test: str
    control: str
    alternative: str = "two-sided"
    margin: float = 0.0
    """Difference under the null hypothesis, on the scale of the estimate."""
    alpha: float = 0.05
    carryover: bool = False
    log: bool = False
    """Analyse logarithms: the estimate is the log ratio of geometric means."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", margin=Number(), carryover=flag, log=flag)

    @property
    def scale(self) -> str:
        """Estimates are differences of means, or logarithms of ratios."""
        return "log-ratio" if self.log else "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate."""
        values, arm = measurements(data, self.endpoint)
        values = logged(values) if self.log else values
        test, control = (arm_index(data, getattr(self, role), f"analysis.{role}") for role in ("test", "control"))
        others = [index for index in range(len(data["arm"].attrs["names"])) if index not in (test, control)]
        columns = [periods(values.shape), *((arm == index)[..., None] for index in others)]
        if self.carryover:
            before = np.concatenate([np.full((*arm.shape[:2], 1), control), arm[..., :-1]], axis=-1)
            columns += [(before == index)[..., None] for index in (test, *others)]
        found = within(values, arm == test, np.concatenate(columns, axis=-1).astype(float))
        fit = {name: getattr(found, name) for name in ("estimate", "se", "df", "n", "variance")}
        tests = hypothesis.student(fit, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, tests)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject."""
        return difference(values, self.test, self.control, log=self.log)
