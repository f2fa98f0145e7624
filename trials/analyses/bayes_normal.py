"""Bayesian comparison of two arm means with the conjugate normal-inverse-gamma prior."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import Analysis, outcome
from trials.analyses.groups import Comparison, compared, covariates, difference, standardised
from trials.checks import Choice, Labels, Number, fields, flag, label, refuse


@dataclass(frozen=True, slots=True)
class BayesNormal(Analysis):
    """Posterior of test mean less control mean, and a decision when it is probable enough beyond a margin.

    The endpoint is normal about its arm's mean with one variance; given the variance s2 each arm's mean is a priori
    normal about ``prior_mean`` with variance s2 / ``prior_n``, and s2 is scaled inverse chi-squared with ``prior_df``
    degrees of freedom and scale ``prior_sd`` squared. Slopes of standardised covariates are a priori normal about 0
    with variance s2 / ``prior_n``. Gelman et al. (2013), Bayesian Data Analysis, sections 3.3 and 14.2.
    """

    name: str
    endpoint: str
    test: str
    control: str
    prior_mean: float
    prior_n: float
    """Observations that the prior of each arm's mean is worth."""
    prior_sd: float
    prior_df: float
    """Degrees of freedom that the prior of the standard deviation is worth."""
    threshold: float
    """Decide when the probability of a difference beyond the margin exceeds this."""
    alternative: str = "greater"
    margin: float = 0.0
    level: float = 0.95
    """Of the equal-tailed credible interval."""
    covariates: tuple[str, ...] = ()
    log: bool = False
    """Analyse logarithms: the estimate is the log ratio of geometric means, and so are prior and margin."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        share, positive = Number(above=0, below=1), Number(above=0)
        fields(self, "analysis", name=label, endpoint=label, test=label, control=label, prior_mean=Number())
        fields(self, "analysis", prior_n=positive, prior_sd=positive, prior_df=positive, threshold=share, level=share)
        fields(self, "analysis", alternative=Choice(hypothesis.ALTERNATIVES[1:]), margin=Number(), log=flag)
        fields(self, "analysis", covariates=Labels())
        if self.test == self.control:
            raise refuse("analysis.control", self.control, "another arm than analysis.test")

    @property
    def scale(self) -> str:
        """Estimates are differences of means, or logarithms of ratios."""
        return "log-ratio" if self.log else "difference"

    @property
    def decides(self) -> bool:
        """Decides for a difference beyond the margin."""
        return True

    @property
    def has_p(self) -> bool:
        """It decides by a posterior probability."""
        return False

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate: ``estimate`` and ``se`` are mean and standard deviation of the posterior.

        Subjects missing the endpoint or a covariate are left out and not counted in ``n``. A replicate with an empty
        arm has failed.
        """
        groups = compared(data, self.endpoint, test=self.test, control=self.control, log=self.log)
        columns = covariates(data, self.covariates)
        used = np.isfinite(columns).all(axis=-1)
        groups = Comparison(groups.values, groups.test & used, groups.control & used)
        posterior = self._posterior(groups, columns)
        half = special.stdtrit(posterior.df, 0.5 + self.level / 2) * posterior.spread
        beyond = (posterior.centre - self.margin) / posterior.spread * (1 if self.alternative == "greater" else -1)
        probability = special.stdtr(posterior.df, beyond)
        found = {
            "estimate": posterior.centre,
            "se": _deviation(posterior),
            "df": posterior.df,
            "probability": probability,
            "lower": posterior.centre - half,
            "upper": posterior.centre + half,
            "decision": probability > self.threshold,
            "n": groups.test.sum(axis=1) + groups.control.sum(axis=1),
            "failed": ~(groups.test.any(axis=1) & groups.control.any(axis=1)),
        }
        return outcome(self, data, found)

    def _posterior(self, groups: Comparison, columns: np.ndarray) -> "_Student":
        """Return the posterior of the difference, Student's t (replicate,)."""
        used = groups.test | groups.control
        arms = np.stack([groups.test, groups.control], axis=-1).astype(float)
        design = np.concatenate([arms, standardised(columns, used)], axis=-1)
        # deviations from the prior mean: the prior is then centred on zero, and no digits are lost to a large mean
        values = np.where(used, groups.values - self.prior_mean, 0.0)
        precision = np.einsum("rsi,rsj->rij", design, design) + self.prior_n * np.eye(design.shape[-1])
        contrast = np.zeros((len(values), design.shape[-1], 1))
        contrast[:, 0], contrast[:, 1] = 1.0, -1.0
        both = np.concatenate([np.einsum("rsi,rs->ri", design, values)[..., None], contrast], axis=-1)
        mean, weight = np.moveaxis(np.linalg.solve(precision, both), -1, 0)
        residual = values - np.einsum("rsi,ri->rs", design, mean)
        squares = (residual**2).sum(axis=1) + self.prior_n * (mean**2).sum(axis=1) + self.prior_df * self.prior_sd**2
        df = self.prior_df + used.sum(axis=1)
        return _Student(mean[:, 0] - mean[:, 1], np.sqrt(squares / df * (weight[:, 0] - weight[:, 1])), df)

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject."""
        return difference(values, self.test, self.control, log=self.log)

    def null(self, effect: float, tolerance: float = 0.0) -> bool:
        """Whether a true difference is not beyond the margin."""
        return hypothesis.null(effect, self.margin, self.alternative, tolerance)


class _Student(NamedTuple):
    """A Student t distribution: centre, spread and degrees of freedom, each (replicate,)."""

    centre: np.ndarray
    spread: np.ndarray
    df: np.ndarray


def _deviation(posterior: _Student) -> np.ndarray:
    """Return the standard deviation; NaN when two degrees of freedom or fewer give it none."""
    has = posterior.df > 2
    ratio = posterior.df / np.where(has, posterior.df - 2, np.nan)
    deviation: np.ndarray = posterior.spread * np.sqrt(ratio)
    return deviation
