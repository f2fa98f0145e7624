"""Critical values at the information that simulated or real trials had at their looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from trials.boundaries.base import CLOSEST, Boundary
from trials.boundaries.futility import BetaSpending, FutilityBounds
from trials.boundaries.joining import alpha_increments, beta_increments
from trials.boundaries.stages import Side, boundary_values, given, wanted
from trials.checks import refuse

type Array = np.ndarray


class CriticalValues(NamedTuple):
    """Critical values of Z, both (replicate, look); infinite where the trial cannot stop."""

    efficacy: Array
    futility: Array


def critical_values(boundary: Boundary, fractions: ArrayLike, planned: Sequence[float] | None = None) -> CriticalValues:
    """Return the critical values of a spending boundary at observed information fractions.

    What holds at a look depends on the information of that look and the earlier ones, never on later ones.

    Parameters
    ----------
    boundary
        One whose ``spends`` is true.
    fractions
        Information (replicate, look) as a share of the planned maximum; NaN: the look is not held. The last look spends
        all error that is left, whatever its information. An interim look with less than a thousandth more information
        than the one before is passed over, its error is left for the next one.
    planned
        Planned information rates (look,): at the drift that gives the power there, futility bounds spend type II error.
        Needed with `BetaSpending` only.

    Raises
    ------
    TrialError
        When the boundary spends no error, or the planned rates are needed and absent.
    """
    found = np.asarray(fractions, float)
    if found.ndim != 2 or not found.shape[1]:
        raise refuse("fractions", found.shape, "an array (replicate, look)")
    information = held(found)
    rows, back = np.unique(np.nan_to_num(information, nan=-1.0), axis=0, return_inverse=True)
    information = np.where(rows < 0, np.nan, rows)
    futility, drift = _futility(boundary, information, planned)
    spending = information.copy()
    spending[:, -1] = np.where(np.isnan(spending[:, -1]), np.nan, np.inf)
    efficacy, lower = boundary_values(
        information,
        wanted(alpha_increments(boundary, spending)),
        futility,
        np.full(len(information), drift),
        binding=boundary.binding,
        sided=boundary.sided,
    )
    lower[:, -1] = -np.inf
    back = back.reshape(-1)
    return CriticalValues(efficacy[back], lower[back])


def held(fractions: Array) -> Array:
    """Return information (replicate, look) that increases along the looks, NaN where there is none to speak of."""
    found = np.full(fractions.shape, np.nan)
    before, last = np.zeros(len(fractions)), fractions.shape[1] - 1
    for look, fraction in enumerate(fractions.T):
        there = np.isfinite(fraction) & (fraction > 0)
        least = before * (1 + CLOSEST)
        if look == last:
            found[:, look] = np.where(there, np.maximum(fraction, least), np.nan)
        else:
            found[:, look] = np.where(there & (fraction > least), fraction, np.nan)
        before = np.fmax(before, found[:, look])
    return found


def _futility(boundary: Boundary, information: Array, planned: Sequence[float] | None) -> tuple[Side, float]:
    """Return futility bounds, or the error that they spend, and the drift for which they do."""
    rule, looks = boundary.futility, information.shape[1]
    if isinstance(rule, BetaSpending):
        if planned is None:
            raise refuse("planned", planned, "the planned information rates, for a futility bound that spends beta")
        return wanted(beta_increments(rule, information)), boundary(planned).drift
    bounds = np.full(looks, -np.inf)
    if isinstance(rule, FutilityBounds):
        if len(rule.z) != looks - 1:
            raise refuse("boundary.futility.z", rule.z, f"{looks - 1} bounds, one a look but the last")
        bounds[:-1] = [-np.inf if z is None else z for z in rule.z]
    return given(np.broadcast_to(bounds, information.shape).copy()), 0.0
