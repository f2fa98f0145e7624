"""Weibull regression: how many times longer the event takes under test."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.analyses import hypothesis
from trials.analyses.base import outcome
from trials.analyses.groups import covariates, standardised
from trials.analyses.survival.analysis import AgainstMargin, Group
from trials.analyses.survival.weibull import Fit, fit
from trials.checks import Labels, fields, refuse


@dataclass(frozen=True, slots=True)
class Weibull(AgainstMargin):
    """Log ratio of times to event of test to control at equal covariates, times of a Weibull distribution.

    Kalbfleisch & Prentice (2002), section 3.6; the log hazard ratio is minus ``shape`` times the estimate.
    ``statistic`` is (estimate - margin) / se, with the other sign for the alternative ``less``: a one-sided test always
    rejects for large values.
    """

    name: str
    endpoint: str
    test: str
    control: str
    covariates: tuple[str, ...] = ()
    """Variables (replicate, subject) of the data; one with ``attrs["levels"]`` is categorical."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Log ratio of times under the null hypothesis."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check()
        fields(self, "analysis", covariates=Labels())

    @property
    def scale(self) -> str:
        """Estimates are logarithms of ratios of times."""
        return "log-ratio"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; subjects missing a covariate, and those censored at 0, are left out.

        Beside the outputs of every analysis: ``events``, ``shape`` of the distribution and ``log_likelihood``.

        Raises
        ------
        TrialError
            When the data lack a variable or an arm, or an event happens at time 0.
        """
        group, given = self.group(data), covariates(data, self.covariates)
        group = group.within(np.isfinite(given).all(axis=-1) & (group.event | (group.time > 0)))
        if (group.used & (group.time == 0)).any():
            raise refuse(
                "analysis.endpoint", self.endpoint, "events after time 0: a Weibull time has no logarithm there"
            )
        found = _fit(group, standardised(given, group.used))
        determined = found.found & _both_have_events(group)
        values = {
            "estimate": np.where(determined, found.estimate[:, 1], np.nan),
            "se": np.sqrt(np.where(determined, found.covariance[:, 1, 1], np.nan)),
            "n": group.n,
            "events": group.events,
            "shape": found.shape,
            "log_likelihood": found.log_likelihood,
        }
        tested = hypothesis.normal(values, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, tested)

    def effect(self, group: Group) -> np.ndarray:
        """Return the log ratio of times of a model with the arm alone."""
        group = group.within(group.time > 0)
        return _fit(group, np.empty((*group.time.shape, 0))).estimate[:, 1]


def _fit(group: Group, given: np.ndarray) -> Fit:
    """Fit intercept, arm and covariates."""
    arms = np.stack([group.used, group.test], axis=-1).astype(float)
    return fit(group.time, group.event, group.used, np.concatenate([arms, given], axis=-1))


def _both_have_events(group: Group) -> np.ndarray:
    """Whether both arms have an event (replicate,): else the ratio has no finite estimate."""
    happened = group.event & group.used
    return np.asarray((happened & group.test).any(axis=1) & (happened & ~group.test).any(axis=1))
