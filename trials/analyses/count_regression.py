"""Poisson and negative binomial regression of counts with exposure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import Effect, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.functional import of_means
from trials.analyses.groups import compared, covariates, standardised
from trials.analyses.newton import Local, Maximum, arms_design, crossed, maximise
from trials.analyses.roles import check_roles
from trials.checks import Choice, Labels, Number, fields, refuse
from trials.errors import TrialError


@dataclass(frozen=True, slots=True)
class CountRegression(Contrast):
    """Log rate ratio of test to control by maximum likelihood, with Wald's test.

    The expected count of a subject is exposure times exp(intercept + arm + covariates); exposure is the variable
    ``<endpoint>_exposure`` of the data, the same for all when there is none. The ``poisson`` variance is the mean; the
    ``negative_binomial`` one is mean + dispersion * mean^2, the dispersion by maximum likelihood (Lawless 1987,
    doi:10.2307/3314912). ``dispersion`` is among the outputs, and 0 when the counts vary no more than Poisson counts.
    Standard errors come from the expected information, in which rate ratio and dispersion are orthogonal.

    A replicate in which an arm has no event has no finite estimate and has failed.
    """

    measure: ClassVar[str] = "count"

    name: str
    endpoint: str
    test: str
    control: str
    family: str
    """``poisson`` or ``negative_binomial``."""
    covariates: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data; one with ``attrs["levels"]`` is categorical."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Log rate ratio under the null hypothesis."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", family=Choice(tuple(FITS)), covariates=Labels(), margin=Number())

    @property
    def scale(self) -> str:
        """Estimates are logarithms of rate ratios."""
        return "log-ratio"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; a subject without a count, exposure or covariate is left out and not in ``n``."""
        rows = self._rows(data)
        test = rows.design[..., 1] == 1
        events = [(rows.weight * rows.events * (test == arm)).sum(axis=1) > 0 for arm in (True, False)]
        fit, dispersion = FITS[self.family](rows)
        there = fit.converged & events[0] & events[1]
        found = {
            "estimate": np.where(there, fit.parameters[:, 1], np.nan),
            "se": np.sqrt(np.maximum(fit.covariance[:, 1, 1], 0.0)),
            "n": rows.weight.sum(axis=1),
        }
        tests = hypothesis.normal(found, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, tests | {"dispersion": dispersion})

    def _rows(self, data: xr.Dataset) -> "Rows":
        groups = compared(data, self.endpoint, test=self.test, control=self.control, log=False)
        columns, time = covariates(data, self.covariates), self._exposure(data)
        used = (groups.test | groups.control) & np.isfinite(columns).all(axis=-1) & (time > 0)
        count = np.where(used, groups.values, 0.0)
        if (count < 0).any() or (count != np.floor(count)).any():
            raise refuse("analysis.endpoint", self.endpoint, "counts: whole numbers of 0 or more")
        design = arms_design(groups.test, standardised(columns, used))
        return Rows(design, count, np.log(np.where(used, time, 1.0)), used.astype(float))

    def _exposure(self, data: xr.Dataset) -> np.ndarray:
        """Return the time at risk (replicate, subject); NaN counts as none."""
        name = f"{self.endpoint}_exposure"
        shape = (data.sizes["replicate"], data.sizes["subject"])
        if name not in data.variables:
            return np.ones(shape)
        if set(data[name].dims) != {"replicate", "subject"}:
            raise refuse("analysis.endpoint", (name, *data[name].dims), "exposure (replicate, subject)")
        time: np.ndarray = np.nan_to_num(data[name].transpose("replicate", "subject").values.astype(float))
        return time

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:  # noqa: ARG002 - there is none to compute
        """Refuse: a rate ratio is no mean over subjects; see `truth`."""
        raise TrialError(f"analysis {self.name}: a rate ratio is no mean of the subjects' contributions")

    def truth(self, values: Mapping[str, np.ndarray]) -> Effect:
        """Return the log ratio of the arms' mean counts, which is the rate ratio at equal exposure.

        Covariates do not change it, as the expected count is a product of their effects and the arm's.
        """
        return of_means(values, (self.test, self.control), _log_ratio)


class Rows(NamedTuple):
    """Subjects of every replicate: design (replicate, subject, column), count, log exposure and use, 1 or 0."""

    design: np.ndarray
    events: np.ndarray
    offset: np.ndarray
    weight: np.ndarray


def _log_ratio(means: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: np.ndarray = np.log(means[..., 0]) - np.log(means[..., 1])
    return ratio


def _mean(rows: Rows, slopes: np.ndarray) -> np.ndarray:
    """Return the expected counts (replicate, subject)."""
    line = np.einsum("rsi,ri->rs", rows.design, slopes) + rows.offset
    mean: np.ndarray = np.exp(np.minimum(line, 300.0))
    return mean


def _taken(rows: Rows, which: np.ndarray) -> Rows:
    return Rows(*(part[which] for part in rows))


def poisson(rows: Rows) -> tuple[Maximum, np.ndarray]:
    """Return the maxima of Poisson likelihoods, and no dispersion."""

    def likelihood(slopes: np.ndarray, which: np.ndarray) -> Local:
        some = _taken(rows, which)
        mean = _mean(some, slopes)
        value = (some.weight * (some.events * np.log(mean) - mean)).sum(axis=1)
        gradient = np.einsum("rsi,rs->ri", some.design, some.weight * (some.events - mean))
        return Local(value, gradient, crossed(some.design, some.weight * mean, some.design))

    start = np.zeros((len(rows.weight), rows.design.shape[-1]))
    exposure = (rows.weight * np.exp(rows.offset)).sum(axis=1)
    total = np.maximum((rows.weight * rows.events).sum(axis=1), 0.5)
    start[:, 0] = np.log(total / np.where(exposure > 0, exposure, total))
    return maximise(likelihood, start), np.zeros(len(start))


def negative_binomial(rows: Rows) -> tuple[Maximum, np.ndarray]:
    """Return the maxima of negative binomial likelihoods and the dispersions.

    The search starts at the Poisson maximum with the dispersion by moments. Counts whose likelihood falls when the
    dispersion leaves 0 keep 0 and the Poisson maximum.
    """
    plain, _ = poisson(rows)
    mean = _mean(rows, plain.parameters)
    excess = (rows.weight * ((rows.events - mean) ** 2 - rows.events)).sum(axis=1)
    more = np.flatnonzero((excess > 0) & plain.converged)
    dispersion = np.zeros(len(excess))
    if not more.size:
        return plain, dispersion
    some = _taken(rows, more)
    moment = excess[more] / (some.weight * mean[more] ** 2).sum(axis=1)
    start = np.concatenate([plain.parameters[more], np.log(np.maximum(moment, 0.01))[:, None]], axis=1)
    fit = maximise(lambda at, which: _overdispersed(_taken(some, which), at), start)
    dispersion[more] = np.exp(fit.parameters[:, -1])
    parameters, information, converged = (part.copy() for part in plain)
    parameters[more], information[more] = fit.parameters[:, :-1], fit.information[:, :-1, :-1]
    converged[more] = fit.converged
    return Maximum(parameters, information, converged), dispersion


def _overdispersed(rows: Rows, at: np.ndarray) -> Local:
    """Return the negative binomial likelihood at slopes and log dispersion (row, parameter).

    Expected information of the slopes, observed of the log dispersion: expected, the two are orthogonal.
    """
    mean, size = _mean(rows, at[:, :-1]), np.exp(-np.clip(at[:, -1:], -20.0, 20.0))
    y, total = rows.events, size + mean
    value = special.gammaln(y + size) - special.gammaln(size) + size * np.log(size / total) + y * np.log(mean / total)
    slope = special.psi(y + size) - special.psi(size) + np.log(size / total) + (mean - y) / total
    curve = special.polygamma(1, y + size) - special.polygamma(1, size) + 1 / size - 2 / total + (y + size) / total**2
    first = -(rows.weight * slope * size).sum(axis=1)
    second = -(rows.weight * (curve * size**2 + slope * size)).sum(axis=1)
    score = rows.weight * (y - mean) * size / total
    gradient = np.concatenate([np.einsum("rsi,rs->ri", rows.design, score), first[:, None]], axis=1)
    information = np.zeros((*at.shape, at.shape[1]))
    information[:, :-1, :-1] = crossed(rows.design, rows.weight * mean * size / total, rows.design)
    information[:, -1, -1] = np.where(second > 0, second, np.abs(second) + np.abs(first) + 1e-8)
    return Local((rows.weight * value).sum(axis=1), gradient, information)


type Fit = Callable[[Rows], tuple[Maximum, np.ndarray]]
FITS: Mapping[str, Fit] = {"poisson": poisson, "negative_binomial": negative_binomial}
"""Maxima and dispersions (replicate,) of a family."""
