"""Difference of two proportions against a margin, with an interval that fits small samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import difference
from trials.analyses.roles import check_roles
from trials.analyses.tables import (
    Counts,
    binary,
    counted,
    miettinen_nurminen,
    newcombe,
    newcombe_deviate,
    score,
)
from trials.checks import Choice, Number, fields


@dataclass(frozen=True, slots=True)
class RiskDifference(Contrast):
    """Test proportion less control proportion, tested against a margin by the method of the interval.

    ``newcombe`` is the hybrid score interval (Newcombe 1998, method 10), ``miettinen_nurminen`` the score test (1985),
    ``wald`` the normal approximation with the observed proportions. ``statistic`` is the normal deviate of the test,
    positive when the data favour the alternative; a ``less`` alternative turns its sign.
    """

    measure: ClassVar[str] = "binary"

    name: str
    endpoint: str
    test: str
    control: str
    alternative: str = "two-sided"
    margin: float = 0.0
    """Difference under the null hypothesis: -0.10 with ``greater`` for non-inferiority."""
    alpha: float = 0.05
    method: str = "newcombe"

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", margin=Number(above=-1, below=1), method=Choice(tuple(METHODS)))

    @property
    def scale(self) -> str:
        """Estimates are differences."""
        return "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; ``se`` is of the observed proportions and 0 when both are 0 or 1."""
        table = counted(*binary(data, self.endpoint, test=self.test, control=self.control))
        one, other = table.proportions
        z = float(special.ndtri(0.5 + self.level / 2))
        lower, upper, deviate = METHODS[self.method](table, self.margin, z)
        found = {"estimate": one - other, "se": deviation(table), "lower": lower, "upper": upper, "n": table.n}
        tests = hypothesis.tested(deviate, self.alternative, self.alpha)
        return outcome(self, data, found | tests | {"failed": table.empty})

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject."""
        return difference(values, self.test, self.control, log=False)


type Method = Callable[[Counts, float, float], tuple[np.ndarray, np.ndarray, np.ndarray]]


def deviation(table: Counts) -> np.ndarray:
    """Return the standard error of a risk difference by the observed proportions."""
    one, other = table.proportions
    sizes = np.maximum(table.test_size, 1), np.maximum(table.control_size, 1)
    found: np.ndarray = np.sqrt(one * (1 - one) / sizes[0] + other * (1 - other) / sizes[1])
    return found


def _newcombe(table: Counts, margin: float, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return *newcombe(table, z), newcombe_deviate(table, margin)


def _score(table: Counts, margin: float, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return *miettinen_nurminen(table, z), score(table, margin)


def _wald(table: Counts, margin: float, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    one, other = table.proportions
    gap, se = one - other, deviation(table)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviate = np.where(gap == margin, 0.0, (gap - margin) / se)
    return gap - z * se, gap + z * se, deviate


METHODS: Mapping[str, Method] = {"newcombe": _newcombe, "miettinen_nurminen": _score, "wald": _wald}
"""Lower limit, upper limit and normal deviate (replicate,) from the tables, the margin and the interval's quantile."""
