"""Logistic regression of a binary endpoint on arm and covariates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import Effect, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.fisher import log_odds_ratio
from trials.analyses.functional import of_means
from trials.analyses.groups import covariates, standardised
from trials.analyses.newton import Local, Maximum, arms_design, crossed, maximise
from trials.analyses.roles import check_roles
from trials.analyses.tables import binary, counted
from trials.checks import Choice, Labels, Number, fields
from trials.errors import TrialError

SEPARATED = 1e-8
"""A fitted probability this near 0 or 1 says that the likelihood has no finite maximum."""
UNKNOWN = Effect(float("nan"), float("nan"), 0)
"""The true effect of an estimand that the arms' distributions alone do not tell."""


@dataclass(frozen=True, slots=True)
class Logistic(Contrast):
    """Log odds ratio of test to control by maximum likelihood, with Wald's test.

    The ``conditional`` odds ratio is that at equal covariates. The ``marginal`` one is that of the arms' proportions
    when everybody had each arm's predicted probability (standardisation), with the standard error that holds even when
    the model does not (Ye et al. 2023, doi:10.1080/24754269.2023.2205802). Without covariates the two are one. The
    conditional odds ratio is no function of the arms' true proportions: with covariates its true effect is unknown
    here, and so are bias and coverage.

    A replicate without a finite maximum, because an arm or covariate separates events from others, has failed.
    """

    measure: ClassVar[str] = "binary"

    name: str
    endpoint: str
    test: str
    control: str
    covariates: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data; one with ``attrs["levels"]`` is categorical."""
    effect: str = "conditional"
    """``conditional`` or ``marginal``."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Log odds ratio under the null hypothesis."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        effects = Choice(("conditional", "marginal"))
        fields(self, "analysis", covariates=Labels(), effect=effects, margin=Number())

    @property
    def scale(self) -> str:
        """Estimates are logarithms of odds ratios."""
        return "log-ratio"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; subjects missing the endpoint or a covariate are left out and not in ``n``."""
        events, test, control = binary(data, self.endpoint, test=self.test, control=self.control)
        columns = covariates(data, self.covariates)
        used = (test | control) & np.isfinite(columns).all(axis=-1)
        rows = _rows(events, test & used, control & used, standardised(columns, used))
        fit = _fit(rows)
        estimate, se = (_marginal if self.effect == "marginal" else _conditional)(rows, fit)
        found = {"estimate": np.where(fit.converged, estimate, np.nan), "se": se, "n": used.sum(axis=1)}
        tests = hypothesis.normal(found, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, tests)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: ARG002 - there is none to compute
        """Refuse: an odds ratio is no mean over subjects; see `truth`."""
        raise TrialError(f"analysis {self.name}: an odds ratio is no mean of the subjects' contributions")

    def truth(self, values: Mapping[str, np.ndarray]) -> Effect:
        """Return the log odds ratio of the arms' true proportions; NaN for an odds ratio at equal covariates."""
        if self.covariates and self.effect == "conditional":
            return UNKNOWN
        return of_means(values, (self.test, self.control), log_odds_ratio)


class _Rows(NamedTuple):
    """Subjects, or groups of alike subjects, of every replicate: design, event, and how many they are."""

    design: np.ndarray
    event: np.ndarray
    weight: np.ndarray


def _rows(events: np.ndarray, test: np.ndarray, control: np.ndarray, columns: np.ndarray) -> _Rows:
    """Return one row a subject; without covariates one a cell of the fourfold table."""
    if columns.shape[-1]:
        return _Rows(arms_design(test, columns), events.astype(float), (test | control).astype(float))
    a, m, c, k = counted(events, test, control)
    weight = np.stack([a, m - a, c, k - c], axis=-1).astype(float)
    arm, event = (np.broadcast_to(np.array(flags), weight.shape) for flags in ([1, 1, 0, 0], [1.0, 0, 1, 0]))
    return _Rows(arms_design(arm, np.empty((*weight.shape, 0))), event, weight)


def _fit(rows: _Rows) -> Maximum:
    """Maximise the likelihood of every replicate; a separated one has not converged."""

    def likelihood(slopes: np.ndarray, which: np.ndarray) -> Local:
        design, event, weight = (part[which] for part in rows)
        line = np.einsum("rsi,ri->rs", design, slopes)
        share = special.expit(line)
        value = (weight * (event * line - np.logaddexp(0.0, line))).sum(axis=1)
        gradient = np.einsum("rsi,rs->ri", design, weight * (event - share))
        return Local(value, gradient, crossed(design, weight * share * (1 - share), design))

    found = maximise(likelihood, np.zeros((len(rows.weight), rows.design.shape[-1])))
    line = np.einsum("rsi,ri->rs", rows.design, found.parameters)
    share = special.expit(line)
    certain = ((rows.weight > 0) & (share * (1 - share) < SEPARATED)).any(axis=1)
    both = [(rows.weight * (rows.design[..., 1] == arm)).sum(axis=1) > 0 for arm in (0, 1)]
    return found._replace(converged=found.converged & ~certain & both[0] & both[1])


def _conditional(rows: _Rows, fit: Maximum) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG001 - the fit has it all
    """Return the coefficient of the test arm and its standard error."""
    return fit.parameters[:, 1], np.sqrt(np.maximum(fit.covariance[:, 1, 1], 0.0))


def _marginal(rows: _Rows, fit: Maximum) -> tuple[np.ndarray, np.ndarray]:
    """Return the standardised log odds ratio and its standard error by influence functions."""
    n = np.maximum(rows.weight.sum(axis=1), 1.0)
    base = np.einsum("rsi,ri->rs", rows.design, fit.parameters) - rows.design[..., 1] * fit.parameters[:, 1:2]
    influence, means = [], []
    for arm in (1.0, 0.0):
        share = special.expit(base + arm * fit.parameters[:, 1:2])
        mean = ((rows.weight * share).sum(axis=1) / n)[:, None]
        own = rows.weight * (rows.design[..., 1] == arm)
        part = np.maximum(own.sum(axis=1) / n, 1 / n)[:, None]
        mean = np.clip(mean, SEPARATED, 1 - SEPARATED)
        residual = (rows.design[..., 1] == arm) * (rows.event - share) / part
        influence.append((residual + share - mean) / (mean * (1 - mean)))
        means.append(mean[:, 0])
    squares = (rows.weight * (influence[0] - influence[1]) ** 2).sum(axis=1)
    return special.logit(means[0]) - special.logit(means[1]), np.sqrt(squares) / n
