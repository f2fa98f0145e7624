"""Milestone survival: the difference between two arms in the share without the event at a time."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis
from trials.analyses.base import outcome
from trials.analyses.survival.analysis import AgainstMargin, Group
from trials.analyses.survival.curve import TRANSFORMS, curve, survival_at
from trials.checks import Choice, Number, fields, refuse


@dataclass(frozen=True, slots=True)
class Milestone(AgainstMargin):
    """Kaplan-Meier survival of test less that of control at a time, tested on a chosen scale.

    Klein et al. (2007), doi:10.1002/sim.2864: the test on the log-log scale keeps its level best. The interval is that
    of the plain difference. ``statistic`` grows with the survival of test, with the other sign for the alternative
    ``less``: a one-sided test always rejects for large values.
    """

    name: str
    endpoint: str
    test: str
    control: str
    time: float
    """Time since randomisation, in the model's unit of time."""
    transform: str = "log-log"
    """Scale of the test: ``plain``, ``log`` or ``log-log``."""
    alternative: str = "two-sided"
    margin: float = 0.0
    """Difference under the null hypothesis; other than 0 with ``plain`` alone."""
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        self.check()
        fields(self, "analysis", time=Number(above=0), transform=Choice(tuple(TRANSFORMS)))
        if self.margin != 0 and self.transform != "plain":
            raise refuse("analysis.margin", self.margin, f"0 on the scale {self.transform!r}; margins are for 'plain'")

    @property
    def scale(self) -> str:
        """Estimates are differences of shares."""
        return "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate.

        Beside the outputs of every analysis: ``survival_test`` and ``survival_control``, and ``events``, all of them. A
        replicate has failed when an arm is not followed to the time, or survival of an arm is 0 or 1.
        """
        group = self.group(data)
        arms = (group.test, group.used & ~group.test)
        survival, variance = np.stack([survival_at(curve(group.time, group.event, arm), self.time) for arm in arms], 1)
        failed = ~((survival > 0) & (survival < 1)).all(axis=0)
        survival, variance = np.where(failed, 0.5, survival), np.where(failed, 1.0, variance)
        estimate, se = survival[0] - survival[1], np.sqrt((survival**2 * variance).sum(axis=0))
        half = special.ndtri(0.5 + self.level / 2) * se
        values = {
            "estimate": estimate,
            "se": se,
            "lower": estimate - half,
            "upper": estimate + half,
            "n": group.n,
            "failed": failed,
            "survival_test": survival[0],
            "survival_control": survival[1],
            "events": group.events,
        }
        z = self._deviate(survival, variance)
        return outcome(self, data, values | hypothesis.tested(z, self.alternative, self.alpha))

    def _deviate(self, survival: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return the normal deviate (replicate,) from survival and the variance of its logarithm (arm, replicate)."""
        scale = TRANSFORMS[self.transform]
        height, slope = scale.forward(survival), scale.slope(survival)
        z = (height[0] - height[1] - self.margin) / np.sqrt((slope**2 * variance).sum(axis=0))
        return np.asarray(-z if self.transform == "log-log" else z)

    def effect(self, group: Group) -> np.ndarray:
        """Return the difference of survival at the time."""
        arms = (group.test, group.used & ~group.test)
        test, control = (survival_at(curve(group.time, group.event, arm), self.time)[0] for arm in arms)
        return np.asarray(test - control)
