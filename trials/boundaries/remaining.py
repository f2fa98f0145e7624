"""Probability that a trial under way will still succeed: conditional and predictive power.

Lan, Simon & Halperin (1982), doi:10.1080/07474948208836014; Spiegelhalter, Freedman & Blackburn (1986),
doi:10.1016/0197-2456(86)90003-6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trials.boundaries.base import Bounds
from trials.boundaries.stages import crossing
from trials.checks import Number, refuse

type Array = np.ndarray

QUADRATURE = 64
"""Gauss-Hermite nodes of the posterior distribution of the drift."""


def conditional_power(bounds: Bounds, look: int, z: ArrayLike, drift: ArrayLike) -> Array:
    """Return the probability of crossing the (upper) efficacy bound at each later look, given the statistic at a look.

    Parameters
    ----------
    bounds
        Boundary at its information rates; futility bounds of later looks stop the trial.
    look
        The look that has been, from 1.
    z
        Statistic there, of any shape that broadcasts with ``drift``.
    drift
        Expected statistic at full information in the rest of the trial; ``z / √t`` is the current trend.

    Returns
    -------
    ndarray (*broadcast, later look); the sum over its last axis is the conditional power.

    Raises
    ------
    TrialError
        When no look is left.
    """
    look = _look(bounds, look)
    z, drift = np.broadcast_arrays(np.asarray(z, float), np.asarray(drift, float))
    rows, effect = z.ravel(), drift.ravel()
    rates, here = bounds.information_rates[look:], bounds.information_rates[look - 1]
    lower = -bounds.efficacy if bounds.sided == 2 else bounds.futility
    information = np.tile(rates - here, (rows.size, 1))
    score = (rows * np.sqrt(here))[:, None]
    upper, floor = ((side[look:] * np.sqrt(rates) - score) / np.sqrt(information) for side in (bounds.efficacy, lower))
    return crossing(information, upper, floor, effect).upper.reshape(*z.shape, rates.size)


def predictive_power(bounds: Bounds, look: int, z: ArrayLike, *, mean: float = 0.0, sd: float | None = None) -> Array:
    """Return the probability of success in the rest of the trial, averaged over what is known about the drift.

    Parameters
    ----------
    bounds, look, z
        As in `conditional_power`.
    mean, sd
        Normal prior distribution of the drift; without a standard deviation it is flat.

    Returns
    -------
    ndarray of the shape of ``z``.
    """
    look = _look(bounds, look)
    z = np.asarray(z, float)
    here = bounds.information_rates[look - 1]
    precision = here + (0.0 if sd is None else Number(above=0)("sd", sd) ** -2)
    centre = (z * np.sqrt(here) + (0.0 if sd is None else mean / sd**2)) / precision
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE)
    drifts = centre[..., None] + nodes / np.sqrt(precision)
    success = conditional_power(bounds, look, z[..., None], drifts).sum(axis=-1)
    return np.asarray((success * weights).sum(axis=-1) / weights.sum())


def predictive_power_of_points(bounds: Bounds, look: int, z: ArrayLike, drifts: ArrayLike, weights: ArrayLike) -> Array:
    """Return the predictive power with a prior distribution on a few drifts.

    Parameters
    ----------
    bounds, look, z
        As in `conditional_power`.
    drifts, weights
        Drifts (point,) and their prior probabilities, which need not add up to 1.

    Returns
    -------
    ndarray of the shape of ``z``.
    """
    look = _look(bounds, look)
    points, prior = np.asarray(drifts, float), np.asarray(weights, float)
    if points.ndim != 1 or prior.shape != points.shape or (prior < 0).any() or not prior.sum() > 0:
        raise refuse("weights", prior.tolist(), "prior probabilities, one a drift")
    z = np.asarray(z, float)[..., None]
    with np.errstate(divide="ignore"):
        posterior = np.log(prior) - (z - points * np.sqrt(bounds.information_rates[look - 1])) ** 2 / 2
    posterior = np.exp(posterior - posterior.max(axis=-1, keepdims=True))
    success = conditional_power(bounds, look, z, points).sum(axis=-1)
    return np.asarray((success * posterior).sum(axis=-1) / posterior.sum(axis=-1))


def _look(bounds: Bounds, look: int) -> int:
    last = bounds.information_rates.size - 1
    if isinstance(look, bool) or look != int(look) or not 1 <= look <= last:
        raise refuse("look", look, f"a look that has a later one, from 1 to {last}")
    return int(look)
