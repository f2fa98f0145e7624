"""Proportional odds regression of an ordinal endpoint on arm and covariates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import Effect, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.functional import functional, units
from trials.analyses.groups import compared, covariates, standardised
from trials.analyses.logistic import SEPARATED, UNKNOWN
from trials.analyses.newton import Local, Maximum, crossed, maximise
from trials.analyses.roles import check_roles
from trials.checks import Labels, Number, fields, refuse
from trials.errors import TrialError

CATEGORIES = 50
"""More distinct values than this are no ordinal endpoint."""


@dataclass(frozen=True, slots=True)
class ProportionalOdds(Contrast):
    """Common log odds ratio of a higher category, test to control.

    McCullagh (1980), doi:10.1111/j.2517-6161.1980.tb01109.x:
    logit P(Y > j) = -threshold_j + arm + covariates, by maximum likelihood with Wald's test from the observed
    information. Categories that a replicate does not show are left out of it. Without covariates the true effect is
    the log odds ratio that fits the arms' true distributions best; at equal covariates it is not told by them, and NaN.

    A replicate in which one value only was seen, or without a finite maximum, has failed.
    """

    measure: ClassVar[str] = "ordinal"

    name: str
    endpoint: str
    test: str
    control: str
    covariates: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data; one with ``attrs["levels"]`` is categorical."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Log odds ratio under the null hypothesis."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", covariates=Labels(), margin=Number())

    @property
    def scale(self) -> str:
        """Estimates are logarithms of odds ratios."""
        return "log-ratio"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; subjects missing the endpoint or a covariate are left out and not in ``n``."""
        groups = compared(data, self.endpoint, test=self.test, control=self.control, log=False)
        columns = covariates(data, self.covariates)
        used = (groups.test | groups.control) & np.isfinite(columns).all(axis=-1)
        category = np.searchsorted(_levels(groups.values[used], self.endpoint), groups.values)
        if columns.shape[-1]:
            design = np.concatenate([groups.test[..., None].astype(float), standardised(columns, used)], axis=-1)
            rows = Rows(design, np.where(used, category, 0), used.astype(float))
        else:
            rows = counted(category, groups.test & used, groups.control & used)
        fit = fitted(rows)
        found = {
            "estimate": np.where(fit.converged, fit.parameters[:, 0], np.nan),
            "se": np.sqrt(np.maximum(fit.covariance[:, 0, 0], 0.0)),
            "n": used.sum(axis=1),
        }
        tests = hypothesis.normal(found, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, tests)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: ARG002 - there is none to compute
        """Refuse: an odds ratio is no mean over subjects; see `truth`."""
        raise TrialError(f"analysis {self.name}: an odds ratio is no mean of the subjects' contributions")

    def truth(self, values: Mapping[str, np.ndarray]) -> Effect:
        """Return the log odds ratio fitted to the arms' true distributions; NaN for one at equal covariates."""
        if self.covariates:
            return UNKNOWN
        each = units(values, (self.test, self.control))
        levels = _levels(each, self.endpoint)
        counts = (each[..., None] == levels).sum(axis=1)  # (unit, arm, category)
        shape = counts.shape[1:]

        def log_odds_ratio(sums: np.ndarray) -> np.ndarray:
            return fitted(_tabled(sums.reshape(-1, *shape))).parameters[:, 0]

        return functional(counts.reshape(len(counts), -1), log_odds_ratio)


class Rows(NamedTuple):
    """Subjects, or groups of alike subjects: design (replicate, row, column), category, and how many they are."""

    design: np.ndarray
    category: np.ndarray
    weight: np.ndarray


def _levels(values: np.ndarray, endpoint: str) -> np.ndarray:
    """Return the distinct values in order, refusing more than an ordinal endpoint has."""
    levels = np.unique(values)
    if len(levels) > CATEGORIES:
        raise refuse("analysis.endpoint", endpoint, f"an ordinal endpoint of {CATEGORIES} values at most")
    return levels


def counted(category: np.ndarray, test: np.ndarray, control: np.ndarray) -> Rows:
    """Return one row an arm and category from categories and flags (replicate, subject)."""
    count = int(category[test | control].max(initial=0)) + 1
    place = np.arange(len(category))[:, None] * count + category
    size = len(category) * count
    table = [np.bincount(place[group], minlength=size).reshape(-1, count) for group in (test, control)]
    return _tabled(np.stack(table, axis=1))


def _tabled(table: np.ndarray) -> Rows:
    """Return one row an arm and category from counts (replicate, arm, category) with the test arm first."""
    replicates, _, count = table.shape
    arm = np.broadcast_to(np.repeat([1.0, 0.0], count)[None, :, None], (replicates, 2 * count, 1))
    category = np.broadcast_to(np.tile(np.arange(count), 2), (replicates, 2 * count))
    return Rows(arm, category, table.reshape(replicates, -1).astype(float))


def fitted(rows: Rows) -> Maximum:
    """Maximise the likelihood of every replicate: parameters are slopes, then thresholds between seen categories.

    One that shows a single category, one arm only, or has a slope without bound has not converged.
    """
    rows, seen = _dense(rows)
    slopes, width = rows.design.shape[-1], int(seen.max(initial=1)) - 1
    share = _cumulative(rows, width)
    inside = np.arange(width) < seen[:, None] - 1
    start = np.concatenate(
        [np.zeros((len(seen), slopes)), np.where(inside, special.logit(np.where(inside, share, 0.5)), 0.0)], axis=1
    )
    found = maximise(lambda at, which: _likelihood(Rows(*(part[which] for part in rows)), seen[which], at), start)
    line = np.einsum("rsi,ri->rs", rows.design, found.parameters[:, :slopes])
    reach = np.abs(np.where(rows.weight > 0, line, 0.0)).max(axis=1, initial=0.0)
    both = [(rows.weight * (rows.design[..., 0] == arm)).sum(axis=1) > 0 for arm in (0, 1)]
    bounded = reach < -2 * np.log(SEPARATED)
    return found._replace(converged=found.converged & (seen > 1) & both[0] & both[1] & bounded)


def _dense(rows: Rows) -> tuple[Rows, np.ndarray]:
    """Number the categories that each replicate shows without gaps, and return how many there are."""
    count = int(rows.category.max(initial=0)) + 1
    shown = np.zeros((len(rows.weight), count), dtype=bool)
    which, row = np.nonzero(rows.weight)
    shown[which, rows.category[which, row]] = True
    number = np.maximum(np.cumsum(shown, axis=1) - 1, 0)
    return rows._replace(category=np.take_along_axis(number, rows.category, axis=1)), shown.sum(axis=1)


def _cumulative(rows: Rows, width: int) -> np.ndarray:
    """Return the share of subjects at or below each of the first categories (replicate, width)."""
    below = rows.category[..., None] <= np.arange(width)
    total = np.maximum(rows.weight.sum(axis=1), 1.0)[:, None]
    share: np.ndarray = (rows.weight[..., None] * below).sum(axis=1) / total
    return share


def _likelihood(rows: Rows, seen: np.ndarray, at: np.ndarray) -> Local:
    """Return the likelihood, its gradient and the observed information at slopes and thresholds (row, parameter)."""
    slopes = rows.design.shape[-1]
    line, thresholds = np.einsum("rsi,ri->rs", rows.design, at[:, :slopes]), at[:, slopes:]
    width = thresholds.shape[1]
    places = (rows.category, rows.category - 1)
    exists = (rows.category < seen[:, None] - 1, rows.category > 0)
    ends = (
        [np.take_along_axis(thresholds, np.clip(place, 0, max(width - 1, 0)), axis=1) - line for place in places]
        if width
        else [-line, -line]
    )
    upper = np.where(exists[0], special.expit(ends[0]), 1.0)
    lower = np.where(exists[1], special.expit(ends[1]), 0.0)
    share = upper - lower
    possible = (share > 0) | (rows.weight == 0)
    inverse = 1 / np.where(share > 0, share, 1.0)
    rise, fall = upper * (1 - upper) * inverse, lower * (1 - lower) * inverse
    value = np.where(possible.all(axis=1), (rows.weight * np.log(np.where(share > 0, share, 1.0))).sum(axis=1), -np.inf)
    designs = [
        np.concatenate([-rows.design * there[..., None], (place[..., None] == np.arange(width)) & there[..., None]], -1)
        for place, there in zip(places, exists, strict=True)
    ]
    gradient = np.einsum("rsi,rs->ri", designs[0], rows.weight * rise)
    gradient -= np.einsum("rsi,rs->ri", designs[1], rows.weight * fall)
    cross = -crossed(designs[0], rows.weight * rise * fall, designs[1])
    information = crossed(designs[0], rows.weight * (rise**2 - rise * (1 - 2 * upper)), designs[0])
    information += crossed(designs[1], rows.weight * (fall**2 + fall * (1 - 2 * lower)), designs[1])
    return Local(value, gradient, information + cross + np.swapaxes(cross, 1, 2))
