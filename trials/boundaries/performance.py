"""What a group-sequential design does under a drift: probabilities of stopping, power, expected information.

Jennison & Turnbull (2000), chapters 2 to 4. The drift is the expected standardised statistic when all the planned
information is there: (z_{1-α} + z_{1-β}) in a fixed design.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from trials.boundaries.base import Bounds, information_rates_of
from trials.boundaries.futility import optional_numbers
from trials.boundaries.stages import crossing
from trials.checks import Number, refuse

type Array = np.ndarray


class StopProbabilities(NamedTuple):
    """Probability of stopping at each look, by side; both (*drift, look)."""

    efficacy: Array
    """Z at or above the efficacy bound; of a two-sided design the upper one."""
    futility: Array
    """Z at or below the futility bound; of a two-sided design the lower efficacy bound."""

    @property
    def power(self) -> Array:
        """Probability (*drift) of ever crossing the (upper) efficacy bound."""
        return np.asarray(self.efficacy.sum(axis=-1))

    def rejecting(self, sided: int) -> StopProbabilities:
        """Return the same with all rejections as efficacy: a two-sided design stops for futility nowhere."""
        if sided == 1:
            return self
        return StopProbabilities(self.efficacy + self.futility, np.zeros_like(self.futility))


def stop_probabilities(bounds: Bounds, drift: ArrayLike) -> StopProbabilities:
    """Return the probabilities of crossing the bounds at each look.

    Parameters
    ----------
    bounds
        A boundary at its information rates; the trial stops for futility whether or not that is binding.
    drift
        Expected statistic at full information, of any shape.
    """
    drift = np.asarray(drift, float)
    rows = drift.ravel()
    lower = -bounds.efficacy if bounds.sided == 2 else bounds.futility
    wide = [np.tile(values, (rows.size, 1)) for values in (bounds.information_rates, bounds.efficacy, lower)]
    found = crossing(wide[0], wide[1], wide[2], rows)
    shape = (*drift.shape, bounds.efficacy.size)
    return StopProbabilities(found.upper.reshape(shape), found.lower.reshape(shape))


def expected_information(bounds: Bounds, drift: ArrayLike) -> Array:
    """Return the expected information (*drift) at the end of the trial, as a share of the planned maximum."""
    found = stop_probabilities(bounds, drift)
    return expected(bounds.information_rates, found)


def expected(values: Array, found: StopProbabilities) -> Array:
    """Return the expectation (*drift) of what has a value (look,) or (*drift, look) when the trial stops at a look."""
    early = (found.efficacy + found.futility)[..., :-1]
    return np.asarray((values[..., :-1] * early).sum(axis=-1) + values[..., -1] * (1 - early.sum(axis=-1)))


def required_drift(bounds: Bounds, power: float = 0.8) -> float:
    """Return the drift at which the design has a given power.

    Raises
    ------
    TrialError
        When the power is not between the one-sided level and 1, or futility bounds keep the design from reaching it.
    """
    level = bounds.alpha / bounds.sided
    power = Number(above=level, below=1)("power", power)

    def short(drift: float) -> float:
        return power - float(stop_probabilities(bounds, drift).power)

    low = max(0.0, float(bounds.efficacy.min()) + float(special.ndtri(power)) - 3.0)
    high = low + 2.0
    while short(high) > 0 and high < 60:
        high += 1.0
    low = low if short(low) > 0 else 0.0
    if short(high) > 0 or short(low) < 0:
        raise refuse("power", power, "a power that the design can reach")
    return float(optimize.brentq(short, low, high, xtol=1e-12))


def inflation_factor(bounds: Bounds, power: float = 0.8) -> float:
    """Return the maximum information relative to that of the fixed design of the same level and power."""
    z = special.ndtri(1 - bounds.alpha / bounds.sided) + special.ndtri(power)
    return float((required_drift(bounds, power) / z) ** 2)


def fixed(alpha: float = 0.025, sided: int = 1) -> Bounds:
    """Return the bounds of a design without interim looks."""
    return given_bounds([1.0], [-special.ndtri(alpha / sided)], alpha=alpha, sided=sided)


def given_bounds(
    information_rates: Sequence[float],
    efficacy: Sequence[float | None],
    futility: Sequence[float | None] | None = None,
    *,
    alpha: float | None = None,
    sided: int = 1,
    binding: bool = False,
) -> Bounds:
    """Return bounds that somebody else has computed.

    Parameters
    ----------
    information_rates
        Information (look,) as a share of the planned maximum.
    efficacy, futility
        Critical values (look,), ``None`` or infinite where the trial cannot stop.
    alpha
        Level; by default the one that the bounds have.
    sided, binding
        As in `Bounds`.

    Raises
    ------
    TrialError
        When the lists have different lengths, or the rates do not increase.
    """
    rates = np.array(information_rates_of(information_rates))
    upper = _bounds_of("efficacy", efficacy, rates.size, np.inf)
    lower = _bounds_of("futility", [None] * rates.size if futility is None else futility, rates.size, -np.inf)
    lower[-1] = -np.inf
    floor = -upper if sided == 2 else lower if binding else np.full(rates.size, -np.inf)
    spent = sided * crossing(rates[None], upper[None], floor[None], np.zeros(1)).upper[0].cumsum()
    return Bounds(
        information_rates=rates,
        efficacy=upper,
        futility=lower,
        alpha_spent=spent,
        beta_spent=np.full(rates.size, np.nan),
        alpha=float(spent[-1]) if alpha is None else Number(above=0, below=1)("alpha", alpha),
        sided=sided,
        binding=binding,
        drift=np.nan,
    )


def _bounds_of(where: str, values: Sequence[float | None], looks: int, never: float) -> Array:
    finite = [None if value is None or np.isinf(value) else value for value in values]
    listed = optional_numbers(where, finite)
    if len(listed) != looks:
        raise refuse(where, values, f"{looks} bounds, one a look")
    return np.array([never if value is None else value for value in listed])
