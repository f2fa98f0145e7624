"""Kaplan-Meier estimate of the share of one arm without the event at a time; no decision."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from trials.analyses.base import outcome
from trials.analyses.survival.analysis import Group, OneArm
from trials.analyses.survival.curve import TRANSFORMS, bounds, curve, survival_at
from trials.checks import Choice, Number, fields, label


@dataclass(frozen=True, slots=True)
class KaplanMeier(OneArm):
    """Survival of one arm at a time with Greenwood's variance; Kaplan & Meier (1958), doi:10.2307/2281868."""

    name: str
    endpoint: str
    arm: str
    time: float
    """Time since randomisation, in the model's unit of time."""
    level: float = 0.95
    transform: str = "log-log"
    """Scale on which the interval is symmetric: ``plain``, ``log`` or ``log-log``."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "analysis", name=label, endpoint=label, arm=label, time=Number(above=0))
        fields(self, "analysis", level=Number(above=0, below=1), transform=Choice(tuple(TRANSFORMS)))

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Describe every replicate; ``events`` are those of the arm.

        A replicate has failed when nobody is followed to the time while survival is above 0. There is no interval where
        survival is 0 or 1.
        """
        group = self.group(data)
        survival, variance = survival_at(curve(group.time, group.event, group.used), self.time)
        failed = np.isnan(survival)
        lower, upper = bounds(survival, variance, self.level, self.transform)
        se = np.where(survival > 0, survival * np.sqrt(np.where(survival > 0, variance, 0.0)), np.nan)
        values = {"estimate": survival, "se": se, "lower": lower, "upper": upper, "n": group.n, "failed": failed}
        return outcome(self, data, values | {"events": group.events})

    def effect(self, group: Group) -> np.ndarray:
        """Return survival at the time."""
        return survival_at(curve(group.time, group.event, group.used), self.time)[0]
