"""Two proportions compared within strata: Cochran-Mantel-Haenszel test and Mantel-Haenszel estimates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import Effect, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.fisher import log_odds_ratio
from trials.analyses.functional import of_means
from trials.analyses.groups import difference
from trials.analyses.roles import check_roles
from trials.analyses.tables import Counts, binary, total
from trials.checks import Choice, Labels, fields, flag, refuse
from trials.errors import TrialError


@dataclass(frozen=True, slots=True)
class MantelHaenszel(Contrast):
    """Odds ratio, risk ratio or risk difference common to the strata, with the Cochran-Mantel-Haenszel test.

    Estimates of Mantel & Haenszel (1959); variances of the log odds ratio by Robins, Breslow & Greenland (1986,
    doi:10.2307/2531052), of the log risk ratio by Greenland & Robins (1985, doi:10.2307/2530643), of the risk
    difference by Sato (1989, doi:10.2307/2531737). ``statistic`` is the signed root of the test's chi-square, positive
    when the data favour the alternative. Without strata there is one table.

    The true odds ratio is that of the arms' true proportions, all strata together; with an effect and strong strata
    the common odds ratio within strata is farther from 1. Differences and ratios of risks are the same either way when
    they are common to the strata.
    """

    measure: ClassVar[str] = "binary"

    name: str
    endpoint: str
    test: str
    control: str
    effect: str
    """``odds_ratio``, ``risk_ratio`` or ``risk_difference``."""
    strata: tuple[str, ...] = ()
    """Variables (replicate, subject); each combination of their values is a stratum."""
    alternative: str = "two-sided"
    alpha: float = 0.05
    continuity: bool = False
    """Takes half a subject off the distance from expectation."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", effect=Choice(tuple(ESTIMATES)), strata=Labels(), continuity=flag)

    @property
    def scale(self) -> str:
        """Estimates are differences, or logarithms of ratios."""
        return "difference" if self.effect == "risk_difference" else "log-ratio"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; a ratio with an empty cell is NaN, a stratum of one group adds nothing."""
        table = self._tables(data)
        with np.errstate(divide="ignore", invalid="ignore"):
            estimate, variance = ESTIMATES[self.effect](table)
        there = np.isfinite(estimate) & np.isfinite(variance)
        estimate, se = np.where(there, estimate, np.nan), np.sqrt(np.where(there, variance, np.nan))
        half = float(special.ndtri(0.5 + self.level / 2)) * se
        root, constant = _root(table, continuity=self.continuity)
        found = {"estimate": estimate, "se": se, "lower": estimate - half, "upper": estimate + half}
        found |= hypothesis.tested(root, self.alternative, self.alpha)
        return outcome(self, data, found | {"n": total(table.n).astype(int), "failed": constant})

    def _tables(self, data: xr.Dataset) -> Counts:
        """Return the tables (replicate, stratum) of the strata with both groups."""
        events, test, control = binary(data, self.endpoint, test=self.test, control=self.control)
        stratum = strata(data, self.strata)
        known, count = stratum >= 0, int(stratum.max(initial=0)) + 1
        flat = np.arange(len(stratum))[:, None] * count + np.maximum(stratum, 0)
        size = len(stratum) * count
        groups = (events & test, test, events & control, control)
        cells = [np.bincount(flat[group & known], minlength=size).reshape(-1, count) for group in groups]
        both = (cells[1] > 0) & (cells[3] > 0)
        return Counts(*(np.where(both, cell, 0) for cell in cells))

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject for the risk difference; a ratio has no contributions."""
        if self.effect != "risk_difference":
            raise TrialError(f"analysis {self.name}: a ratio is no mean of the subjects' contributions")
        return difference(values, self.test, self.control, log=False)

    def truth(self, values: Mapping[str, np.ndarray]) -> Effect:
        """Return the difference, or the log ratio of odds or risks, of the arms' true proportions."""
        return of_means(values, (self.test, self.control), TRUTHS[self.effect])


def strata(data: xr.Dataset, names: tuple[str, ...]) -> np.ndarray:
    """Return the stratum of each subject: int (replicate, subject), one for each combination; -1 where one is missing.

    Raises
    ------
    TrialError
        When a variable is not in the data as (replicate, subject).
    """
    codes = np.zeros((data.sizes["replicate"], data.sizes["subject"]), dtype=np.int64)
    for name in names:
        if name not in data.variables or set(data[name].dims) != {"replicate", "subject"}:
            wanted = f"variables (replicate, subject); the data have {', '.join(map(str, data.variables))}"
            raise refuse("analysis.strata", name, wanted)
        values = data[name].transpose("replicate", "subject").values.astype(float)
        levels = np.unique(values[np.isfinite(values)])
        code = np.searchsorted(levels, values)
        codes = np.where((codes < 0) | ~np.isfinite(values), -1, codes * max(len(levels), 1) + code)
    return codes


type Estimator = Callable[[Counts], tuple[np.ndarray, np.ndarray]]


def _root(table: Counts, *, continuity: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the signed root of the test's chi-square, and where it has no variance."""
    n, events = np.maximum(table.n, 1), table.test_events + table.control_events
    distance = total(table.test_events - events * table.test_size / n)
    spread = table.test_size * table.control_size * events * (n - events) / (n**2 * np.maximum(n - 1, 1))
    variance = total(spread)
    away = np.maximum(np.abs(distance) - 0.5, 0.0) if continuity else np.abs(distance)
    return np.sign(distance) * away / np.sqrt(np.where(variance > 0, variance, 1.0)), ~(variance > 0)


def _odds_ratio(table: Counts) -> tuple[np.ndarray, np.ndarray]:
    n = np.maximum(table.n, 1)
    a, c = table.test_events, table.control_events
    b, d = table.test_size - a, table.control_size - c
    r, s, p, q = a * d / n, b * c / n, (a + d) / n, (b + c) / n
    top, bottom = total(r), total(s)
    variance = total(p * r) / (2 * top**2) + total(p * s + q * r) / (2 * top * bottom) + total(q * s) / (2 * bottom**2)
    return np.log(top / bottom), variance


def _risk_ratio(table: Counts) -> tuple[np.ndarray, np.ndarray]:
    n = np.maximum(table.n, 1)
    events = table.test_events + table.control_events
    top = total(table.test_events * table.control_size / n)
    bottom = total(table.control_events * table.test_size / n)
    spread = table.test_size * table.control_size * events - table.test_events * table.control_events * n
    return np.log(top / bottom), total(spread / n**2) / (top * bottom)


def _risk_difference(table: Counts) -> tuple[np.ndarray, np.ndarray]:
    n = np.maximum(table.n, 1)
    a, m, c, k = table
    weight = total(m * k / n)
    estimate = total((a * k - c * m) / n) / weight
    p = total((m**2 * c - k**2 * a + m * k * (k - m) / 2) / n**2)
    q = total((a * (k - c) + c * (m - a)) / (2 * n))
    return estimate, (estimate * p + q) / weight**2


ESTIMATES: Mapping[str, Estimator] = {
    "odds_ratio": _odds_ratio,
    "risk_ratio": _risk_ratio,
    "risk_difference": _risk_difference,
}
"""Estimate and its variance (replicate,) from the tables (replicate, stratum)."""

TRUTHS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "odds_ratio": log_odds_ratio,
    "risk_ratio": lambda means: np.log(means[..., 0] / means[..., 1]),
    "risk_difference": lambda means: means[..., 0] - means[..., 1],
}
