"""Efficacy and futility bounds of a boundary together, and what they spend."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize, special

from trials.boundaries.base import Boundary, Bounds
from trials.boundaries.futility import BetaSpending, FutilityBounds
from trials.boundaries.stages import Side, boundary_values, crossing, given, wanted
from trials.checks import refuse

type Array = np.ndarray
type Pair = tuple[Array, Array]
type Powered = tuple[Array, Array, float]
"""Efficacy and futility bounds and the drift for which they are."""


def joined(boundary: Boundary, rates: Array) -> Bounds:
    """Return the bounds at checked information rates (look,)."""
    nowhere = np.full(rates.size, -np.inf)
    drift = np.nan
    if isinstance(boundary.futility, BetaSpending):
        efficacy, futility, drift = _spending_beta(boundary, boundary.futility, rates)
    else:
        futility = nowhere if boundary.futility is None else _listed(boundary.futility, rates)
        efficacy = boundary.efficacy(rates, futility if boundary.binding else nowhere)
        if (futility > efficacy).any():
            raise refuse(
                "boundary.futility.z", futility.tolist(), f"at most the bounds for efficacy {efficacy.tolist()}"
            )
    floor = -efficacy if boundary.sided == 2 else futility if boundary.binding else nowhere
    upper = crossing(rates[None], efficacy[None], floor[None], np.zeros(1)).upper[0]
    return Bounds(
        information_rates=rates,
        efficacy=efficacy,
        futility=futility,
        alpha_spent=boundary.sided * upper.cumsum(),
        beta_spent=_beta_spent(rates, efficacy, futility, drift),
        alpha=boundary.alpha,
        sided=boundary.sided,
        binding=boundary.binding,
        drift=drift,
    )


def increments(cumulative: Array, information: Array) -> Array:
    """Return the error each look held spends, from the cumulative error (row, look); NaN information is not held."""
    held = np.where(np.isnan(information), 0.0, cumulative)
    upto = np.maximum.accumulate(held, axis=1)
    return np.diff(upto, prepend=0.0, axis=1)


def beta_increments(futility: BetaSpending, fractions: Array) -> Array:
    """Return the type II error (row, look) that futility bounds spend at each look, where the last needs none."""
    spent = increments(futility.spending(futility.beta, fractions), fractions)
    spent[:, -1] = 0.0
    return spent


def _listed(futility: object, rates: Array) -> Array:
    assert isinstance(futility, FutilityBounds), "held by check_boundary"
    if len(futility.z) != rates.size - 1:
        raise refuse("boundary.futility.z", futility.z, f"{rates.size - 1} bounds, one a look but the last")
    return np.array([-np.inf if z is None else z for z in futility.z] + [-np.inf])


def _spending_beta(boundary: Boundary, futility: BetaSpending, rates: Array) -> Powered:
    """Return efficacy and futility bounds and the drift at which the power is 1 - β."""
    spent = beta_increments(futility, rates[None])
    if boundary.binding and boundary.spends:
        alpha = alpha_increments(boundary, rates[None])
        return _powered(rates, futility.beta, _found(rates, wanted(alpha), wanted(spent), binding=True))
    loose = boundary.efficacy(rates, np.full(rates.size, -np.inf))

    def powered(efficacy: Array) -> Powered:
        return _powered(rates, futility.beta, _found(rates, given(efficacy[None]), wanted(spent), binding=False))

    made = powered(loose)
    return _agreed(boundary, rates, powered, made) if boundary.binding else made


def _agreed(boundary: Boundary, rates: Array, powered: Callable[[Array], Powered], made: Powered) -> Powered:
    """Return bounds of which each side counts on the other.

    Without a spending function one number makes the efficacy bounds: they lie on the line through any two of them.
    """
    loose = made[0]
    can = np.isfinite(loose)
    step = np.where(can, boundary.efficacy(rates, made[1]), 0.0) - np.where(can, loose, 0.0)
    if not step[-1]:
        return made

    def gap(share: float) -> float:
        efficacy = loose + share * step
        return float((boundary.efficacy(rates, powered(efficacy)[1]) - efficacy)[-1] / step[-1])

    most = 1.0
    while gap(most) > 0:
        most *= 2.0
        if most > 100:
            raise refuse("boundary.binding", True, "bounds for efficacy and futility that can agree")
    share = optimize.brentq(gap, 0.0, most, xtol=1e-11)
    return powered(loose + share * step)


def alpha_increments(boundary: Boundary, fractions: Array) -> Array:
    """Return the type I error (row, look) of one side that each look spends."""
    return increments(boundary.spent(fractions), fractions)


def _found(rates: Array, efficacy: Side, futility: Side, *, binding: bool) -> Callable[[float], Pair]:
    """Return the bounds as a function of the drift."""

    def bounds(drift: float) -> Pair:
        upper, lower = boundary_values(rates[None], efficacy, futility, np.array([drift]), binding=binding)
        return upper[0], lower[0]

    return bounds


def _powered(rates: Array, beta: float, bounds: Callable[[float], Pair]) -> Powered:
    """Return bounds and the drift at which they give a power of 1 - β."""

    def short(drift: float) -> float:
        efficacy, futility = _ended(*bounds(drift))
        return 1 - beta - float(crossing(rates[None], efficacy[None], futility[None], np.array([drift])).upper.sum())

    efficacy, _ = bounds(0.0)
    low = max(0.0, float(efficacy[-1] - special.ndtri(beta)) / np.sqrt(rates[-1]) - 0.5)
    high = low + 1.0
    while short(high) > 0 and high < 100:
        high += 1.0
    while short(low) < 0 and low > -100:
        low -= 1.0
    if not short(low) >= 0 >= short(high):
        raise refuse("boundary.futility", f"type II error of {beta:g}", "one that these looks can spend")
    drift = float(optimize.brentq(short, low, high, xtol=1e-12))
    return *_ended(*bounds(drift)), drift


def _ended(efficacy: Array, futility: Array) -> Pair:
    """Without a futility bound at the last look, where every trial ends."""
    futility = futility.copy()
    futility[-1] = -np.inf
    return efficacy, futility


def _beta_spent(rates: Array, efficacy: Array, futility: Array, drift: float) -> Array:
    if np.isnan(drift):
        return np.full(rates.size, np.nan)
    found = crossing(rates[None], efficacy[None], futility[None], np.array([drift]))
    spent: Array = found.lower[0].cumsum()
    spent[-1] = 1 - found.upper.sum()
    return spent
