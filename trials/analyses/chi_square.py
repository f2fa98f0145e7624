"""Pearson's chi-square test of two proportions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import difference
from trials.analyses.risk_difference import deviation
from trials.analyses.roles import check_roles
from trials.analyses.tables import Counts, binary, counted, newcombe
from trials.checks import fields, flag


@dataclass(frozen=True, slots=True)
class ChiSquare(Contrast):
    """Chi-square test of equal proportions, with Yates' correction if asked for; the estimate is the risk difference.

    ``statistic`` is the signed root of chi-square, positive when the data favour the alternative. The interval is
    Newcombe's hybrid score interval: it has width even when a proportion is 0 or 1, and may disagree with a test at
    the border. A replicate in which nobody or everybody has the event has failed.
    """

    measure: ClassVar[str] = "binary"

    name: str
    endpoint: str
    test: str
    control: str
    alternative: str = "two-sided"
    alpha: float = 0.05
    continuity: bool = False
    """Yates' correction: the distance from expectation is taken smaller by half a subject."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", continuity=flag)

    @property
    def scale(self) -> str:
        """Estimates are differences."""
        return "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; subjects with a missing value are left out and not counted in ``n``."""
        table = counted(*binary(data, self.endpoint, test=self.test, control=self.control))
        one, other = table.proportions
        root, constant = _root(table, continuity=self.continuity)
        lower, upper = newcombe(table, float(special.ndtri(0.5 + self.level / 2)))
        found = {"estimate": one - other, "se": deviation(table), "lower": lower, "upper": upper, "n": table.n}
        tests = hypothesis.tested(root, self.alternative, self.alpha)
        return outcome(self, data, found | tests | {"failed": table.empty | constant})

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject."""
        return difference(values, self.test, self.control, log=False)


def _root(table: Counts, *, continuity: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the signed root of chi-square, and where a margin of the table is empty so that there is none.

    In a fourfold table every cell is as far from its expectation: |observed - expected| is one number.
    """
    events, n = table.test_events + table.control_events, np.maximum(table.n, 1)
    distance = table.test_events - events * table.test_size / n
    expected = [size * total / n for size in table[1::2] for total in (events, table.n - events)]
    constant = np.minimum.reduce(expected) <= 0
    away = np.maximum(np.abs(distance) - 0.5, 0.0) if continuity else np.abs(distance)
    inverse = sum(1 / np.where(constant, 1.0, cell) for cell in expected)
    return np.sign(distance) * away * np.sqrt(inverse), constant
