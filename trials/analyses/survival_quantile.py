"""Median, or another quantile, of the time to event of one arm, from the Kaplan-Meier curve; no decision."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses.base import outcome
from trials.analyses.survival.analysis import Group, OneArm
from trials.analyses.survival.curve import TRANSFORMS, bounds, crossing, curve, quantile
from trials.checks import Choice, Number, fields, label


@dataclass(frozen=True, slots=True)
class SurvivalQuantile(OneArm):
    """Time by which a share of one arm had the event, with the interval of Brookmeyer & Crowley.

    The interval reaches from where the lower limit of the survival curve crosses 1 - share to where the upper one does:
    Brookmeyer & Crowley (1982), doi:10.2307/2530286, on the scale of ``transform``. It has no end (infinity) when the
    upper limit stays above.
    """

    name: str
    endpoint: str
    arm: str
    share: float = 0.5
    """Share of the subjects with the event: 0.5 is the median."""
    level: float = 0.95
    transform: str = "log-log"
    """Scale on which the limits of the curve are symmetric: ``plain``, ``log`` or ``log-log``."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        share = Number(above=0, below=1)
        fields(self, "analysis", name=label, endpoint=label, arm=label, share=share, level=share)
        fields(self, "analysis", transform=Choice(tuple(TRANSFORMS)))

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Describe every replicate; ``events`` are those of the arm.

        ``se`` is the width of the interval over that of a standard normal one. A replicate has failed when the curve
        does not come down to 1 - share: the quantile is not reached.
        """
        group = self.group(data)
        found = curve(group.time, group.event, group.used)
        estimate = quantile(found, self.share)
        limits = bounds(found.survival, found.hazards, self.level, self.transform)
        lower, upper = (crossing(found.time, limit, 1 - self.share, found.sets.events) for limit in limits)
        lower, upper = np.where(np.isnan(lower), 0.0, lower), np.where(np.isnan(upper), np.inf, upper)
        se = np.where(np.isfinite(upper), (upper - lower) / (2 * special.ndtri(0.5 + self.level / 2)), np.nan)
        values = {"estimate": estimate, "se": se, "lower": lower, "upper": upper, "n": group.n}
        return outcome(self, data, values | {"failed": np.isnan(estimate), "events": group.events})

    def effect(self, group: Group) -> np.ndarray:
        """Return the quantile."""
        return quantile(curve(group.time, group.event, group.used), self.share)
