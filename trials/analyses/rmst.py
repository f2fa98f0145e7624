"""Restricted mean survival time: the area under the survival curve up to a time, compared between two arms."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.analyses import hypothesis
from trials.analyses.base import outcome
from trials.analyses.survival.analysis import AgainstMargin, Group
from trials.analyses.survival.curve import Curve, curve, restricted_mean
from trials.checks import Choice, Number, fields

CONTRASTS = ("difference", "ratio")


@dataclass(frozen=True, slots=True)
class RestrictedMean(AgainstMargin):
    """Difference, or logarithm of the ratio, of the mean survival times up to ``tau`` of test and control.

    Royston & Parmar (2013), doi:10.1186/1471-2288-13-152. ``statistic`` is (estimate - margin) / se, with the other
    sign for the alternative ``less``: a one-sided test always rejects for large values.
    """

    name: str
    endpoint: str
    test: str
    control: str
    tau: float
    """Time up to which survival counts, in the model's unit of time."""
    contrast: str = "difference"
    """``difference`` or ``ratio``."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Difference, or log ratio, under the null hypothesis."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check()
        fields(self, "analysis", tau=Number(above=0), contrast=Choice(CONTRASTS))

    @property
    def scale(self) -> str:
        """Estimates are differences of times or logarithms of their ratio."""
        return "difference" if self.contrast == "difference" else "log-ratio"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate.

        Beside the outputs of every analysis: ``mean_test`` and ``mean_control``, the restricted means, and ``events``,
        all of them, also those after ``tau``. A replicate has failed when an arm has nobody followed to ``tau`` and its
        survival is above 0 where its follow-up ends.
        """
        group = self.group(data)
        curves = [curve(group.time, group.event, arm) for arm in (group.test, group.used & ~group.test)]
        (test, var_test), (control, var_control) = (restricted_mean(each, self.tau) for each in curves)
        reached = reaches(curves[0], self.tau) & reaches(curves[1], self.tau)
        if self.contrast == "ratio":
            reached &= (test > 0) & (control > 0)
            test, control = np.where(reached, test, 1.0), np.where(reached, control, 1.0)
            estimate, variance = np.log(test / control), var_test / test**2 + var_control / control**2
        else:
            estimate, variance = test - control, var_test + var_control
        fit = {"estimate": np.where(reached, estimate, np.nan), "se": np.sqrt(variance), "n": group.n}
        found = hypothesis.normal(fit, margin=self.margin, alternative=self.alternative, alpha=self.alpha)
        return outcome(self, data, found | {"mean_test": test, "mean_control": control, "events": group.events})

    def effect(self, group: Group) -> np.ndarray:
        """Return the difference or log ratio of the restricted means."""
        arms = (group.test, group.used & ~group.test)
        test, control = (restricted_mean(curve(group.time, group.event, arm), self.tau)[0] for arm in arms)
        return np.asarray(test - control if self.contrast == "difference" else np.log(test / control))


def reaches(curve: Curve, time: float) -> np.ndarray:
    """Whether a curve is determined up to a time (replicate,): somebody is followed so long, or all had the event."""
    ended = np.isfinite(curve.last) & (curve.survival[:, -1] <= 0)
    return np.asarray((curve.last >= time) | ended)
