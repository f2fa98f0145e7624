"""The Kaplan-Meier estimate and what is read from it: survival at a time, quantiles, and the mean up to a time.

Kaplan & Meier (1958), doi:10.1080/01621459.1958.10501452; variances by Greenwood's formula.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy import special

from trials.analyses.survival.risk import RiskSets, risk_sets


class Curve(NamedTuple):
    """A Kaplan-Meier curve: survival from each sorted time on, and Greenwood's sum; all (replicate, position).

    ``hazards`` is the sum of d / (n (n - d)) up to each time, infinite once survival is 0: the variance of log S.
    ``last`` (replicate,) is the largest time observed and ``ended`` whether an event happened to all at risk then.
    """

    time: np.ndarray
    survival: np.ndarray
    hazards: np.ndarray
    sets: RiskSets
    last: np.ndarray


def curve(time: np.ndarray, event: np.ndarray, used: np.ndarray) -> Curve:
    """Return the Kaplan-Meier curves of the subjects used, from arrays (replicate, subject)."""
    sets = risk_sets(time, event, used, used)
    n, d = np.maximum(sets.at_risk, 1.0), sets.events
    with np.errstate(divide="ignore"):
        hazards = np.cumsum(np.where(d > 0, d / (n * (n - d)), 0.0), axis=1)
    last = np.where(np.isfinite(sets.time), sets.time, -np.inf).max(axis=1, initial=-np.inf)
    return Curve(sets.time, np.cumprod(1 - d / n, axis=1), hazards, sets, last)


def before(survival: np.ndarray) -> np.ndarray:
    """Return survival just before each time, from survival at each time (replicate, position)."""
    left = np.ones_like(survival)
    left[:, 1:] = survival[:, :-1]
    return left


def survival_at(curve: Curve, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Return survival at a time and the variance of its logarithm (replicate,).

    Both are NaN where nobody is left at risk at that time while survival is above 0: the curve does not reach it.
    """
    place = (curve.time <= time).sum(axis=1)
    row = np.arange(len(place))
    survival = np.where(place > 0, curve.survival[row, place - 1], 1.0)
    variance = np.where(place > 0, curve.hazards[row, place - 1], 0.0)
    reached = (curve.last >= time) | (np.isfinite(curve.last) & (survival == 0))
    return np.where(reached, survival, np.nan), np.where(reached, variance, np.nan)


def quantile(curve: Curve, share: float) -> np.ndarray:
    """Return the time (replicate,) by which ``share`` of the subjects had the event; NaN when the curve stays above.

    Where the curve is level at just that height, the middle of the level stretch.
    """
    return crossing(curve.time, curve.survival, 1 - share, curve.sets.events)


def crossing(time: np.ndarray, height: np.ndarray, level: float, events: np.ndarray) -> np.ndarray:
    """Return when a falling step function (replicate, position) first is at or below ``level``; NaN when it never is.

    Heights within rounding of the level count as on it, and then the middle up to the next event is returned.
    """
    tolerance = 1e-12 * max(abs(level), 1.0)
    jumps = events > 0
    under = jumps & (height <= level + tolerance)
    found, row = under.any(axis=1), np.arange(len(time))
    first = under.argmax(axis=1)
    level_there = np.abs(height[row, first] - level) <= tolerance
    later = jumps & (np.arange(time.shape[1]) > first[:, None])
    following = np.where(later.any(axis=1), time[row, later.argmax(axis=1)], time[row, first])
    start = time[row, first]
    return np.where(found, np.where(level_there, (start + following) / 2, start), np.nan)


def restricted_mean(curve: Curve, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean survival time up to ``tau`` and its variance (replicate,).

    The curve stays level beyond its last time. Irwin (1949), doi:10.1017/S0022172400014443; Royston & Parmar (2013),
    doi:10.1186/1471-2288-13-152.
    """
    start = np.minimum(curve.time, tau)
    width = np.diff(start, axis=1, append=tau)
    area = curve.survival * width
    mean = start[:, 0] + area.sum(axis=1)
    beyond = np.cumsum(area[:, ::-1], axis=1)[:, ::-1]
    n, d = curve.sets.at_risk, curve.sets.events
    jump = (d > 0) & (n > d)
    variance = np.where(jump, d / np.where(jump, n * (n - d), 1.0), 0.0) * beyond**2
    return mean, variance.sum(axis=1)


class Transform(NamedTuple):
    """A scale on which an interval of survival is symmetric: there, back, and the derivative by log S."""

    forward: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]


TRANSFORMS: Mapping[str, Transform] = {
    "plain": Transform(lambda s: s, lambda x: x, lambda s: s),
    "log": Transform(np.log, np.exp, np.ones_like),
    "log-log": Transform(lambda s: np.log(-np.log(s)), lambda x: np.exp(-np.exp(x)), lambda s: 1 / np.log(s)),
}
"""Scales of intervals; ``log`` and ``log-log`` as by Kalbfleisch & Prentice (2002), section 1.4."""


def bounds(survival: np.ndarray, variance: np.ndarray, level: float, transform: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a pointwise interval of survival, within 0 and 1, from survival and the variance of its logarithm.

    Where survival is 0 or 1 there is none but with ``plain``: NaN.
    """
    scale = TRANSFORMS[transform]
    inside = (survival > 0) & (survival < 1)
    height = np.where(inside, survival, 0.5)
    half = special.ndtri(0.5 + level / 2) * np.sqrt(np.where(inside, variance, 0.0)) * np.abs(scale.slope(height))
    centre = scale.forward(height)
    ends = np.stack([scale.back(centre - half), scale.back(centre + half)])
    low, high = np.clip(np.sort(ends, axis=0), 0.0, 1.0)
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)
