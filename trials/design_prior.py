"""Assurance: the power averaged over what is believed of the truth before the trial.

O'Hagan, Stevens & Campbell (2005), Pharmaceutical Statistics 4:187, doi:10.1002/pst.175. A run whose replicates each
draw their own population (``uncertainty: true``) already averages over that population; a design prior is for a single
field that the power curve walks, the effect of the treatment above all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy import stats

from trials.checks import Choice, Number, fields, refuse
from trials.errors import TrialError
from trials.operating import Estimate, mean

if TYPE_CHECKING:
    from trials.protocol import Result

NODES = 20_000
"""Quantiles of the prior over which the power is averaged."""
OUTSIDE = 0.01
"""Share of the prior that may lie outside of the values that were simulated."""

DISTRIBUTIONS: Mapping[str, Callable[[float, float], Any]] = {
    "normal": lambda mean, sd: stats.norm(mean, sd),
    "lognormal": lambda median, sd: stats.lognorm(sd, scale=median),
    "beta": lambda a, b: stats.beta(a, b),
    "gamma": lambda shape, rate: stats.gamma(shape, scale=1 / rate),
    "uniform": lambda low, high: stats.uniform(low, high - low),
}


@dataclass(frozen=True, slots=True)
class DesignPrior:
    """What is believed of one field of the protocol.

    Attributes
    ----------
    distribution
        ``normal`` (mean, standard deviation), ``lognormal`` (median, standard deviation of the logarithm), ``beta``
        (a, b), ``gamma`` (shape, rate) or ``uniform`` (low, high).
    first, second
        Its two numbers, in this order.
    """

    distribution: str
    first: float
    second: float

    def __post_init__(self) -> None:
        """Check the fields."""
        fields(self, "prior", distribution=Choice(tuple(DISTRIBUTIONS)), first=Number(), second=Number())
        if not np.isfinite(self.frozen.std()) or not self.frozen.std() > 0:
            raise refuse(
                "prior", (self.first, self.second), f"two numbers that make a {self.distribution} distribution"
            )

    @property
    def frozen(self) -> Any:
        """The distribution, by scipy."""
        return DISTRIBUTIONS[self.distribution](self.first, self.second)


def assurance(result: Result, prior: DesignPrior) -> dict[str, dict[str, Estimate]]:
    """Return the probability of success over a design prior of the field that the power curve walks.

    Parameters
    ----------
    result
        A run with a power curve.
    prior
        Belief about ``power_curve.parameter``; at most 1 % of it may lie outside of the values, and is left out.

    Returns
    -------
    ``{analysis: {"assurance": Estimate, "half_grid": Estimate}}`` for the analyses that decide. Between the values the
    power is a straight line; ``half_grid`` is what every second value alone gives, so that their distance tells what
    that costs. The Monte Carlo error is that of the replicates' own averages: all values share their random numbers.

    Raises
    ------
    TrialError
        Without a power curve, or when the prior reaches beyond it.
    """
    curve = result.power_curve
    if curve is None:
        raise TrialError("assurance: the run has no power curve; give the trial `power_curve: {parameter, values, …}`")
    values = np.asarray(curve["value"].values, float)
    _within(prior, values, str(curve.attrs.get("parameter", "power_curve.parameter")))
    deciding = [str(name) for name in curve["analysis"].values if bool(curve["decides"].sel(analysis=name))]
    return {name: _one(curve.sel(analysis=name), values, prior) for name in deciding}


def _one(curve: xr.Dataset, values: np.ndarray, prior: DesignPrior) -> dict[str, Estimate]:
    decided = (curve["decision"] & ~curve["failed"]).transpose("replicate", "value").values.astype(float)
    order = np.argsort(values)
    half = order[::2] if order.size % 2 else np.append(order[::2], order[-1])
    found = {"assurance": order, "half_grid": half}
    return {name: mean(decided[:, places] @ weights(values[places], prior)) for name, places in found.items()}


def weights(values: np.ndarray, prior: DesignPrior) -> np.ndarray:
    """Weight of the power at each of the increasing values (value,), a straight line between them being averaged."""
    drawn = prior.frozen.ppf((np.arange(NODES) + 0.5) / NODES)
    drawn = drawn[(drawn >= values[0]) & (drawn <= values[-1])]
    right = np.clip(np.searchsorted(values, drawn, side="right"), 1, values.size - 1)
    share = (drawn - values[right - 1]) / (values[right] - values[right - 1])
    found = np.bincount(right, share, values.size) + np.bincount(right - 1, 1 - share, values.size)
    total: np.ndarray = found / drawn.size
    return total


def _within(prior: DesignPrior, values: np.ndarray, name: str) -> None:
    if values.size < 2:
        raise TrialError(f"assurance: the power curve of {name} has one value; it wants two or more to lie between")
    low, high = float(values.min()), float(values.max())
    outside = float(prior.frozen.cdf(low) + prior.frozen.sf(high))
    if outside > OUTSIDE:
        lower, upper = prior.frozen.ppf((OUTSIDE / 2, 1 - OUTSIDE / 2))
        raise TrialError(
            f"assurance: {outside:.1%} of the prior of {name} lies outside of {low:g} to {high:g}; walk "
            f"power_curve.values from {lower:.4g} to {upper:.4g}"
        )
