"""Inference after a group-sequential trial, by the stage-wise ordering of its outcomes.

An outcome is the more extreme the earlier the efficacy bound is crossed, then the larger the statistic: Tsiatis, Rosner
& Mehta (1984), doi:10.2307/2530959; Jennison & Turnbull (2000), sections 8.4 and 8.5. The density of the score of
trials that go on, under any drift θ, is that without a drift times exp(θ b - θ² t / 2): it is integrated once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from trials.boundaries.base import Bounds
from trials.boundaries.recursion import Density, advance, begin, nodes_for
from trials.checks import Number, refuse

type Array = np.ndarray

FARTHEST = 12.0
"""Largest drift in either direction, times the root of the information, that is searched for around the statistic."""
REACH = 2 * FARTHEST
STEPS = 100
PRECISION = 1e-9
"""Steps of the search for a drift, and the one below which it ends; the error is then far smaller."""


class FinalAnalysis(NamedTuple):
    """Inference on the drift, the expected statistic at full information; arrays are (trial,).

    The effect is the drift divided by the root of the maximum information, 1/se² of the effect's estimate.
    """

    p: Array
    """One-sided p value: probability, without a drift, of an outcome at least as extreme."""
    estimate: Array
    """Median-unbiased estimate of the drift."""
    lower: Array
    upper: Array


def repeated_interval(bounds: Bounds, look: int, z: ArrayLike) -> tuple[Array, Array]:
    """Return the repeated confidence interval of the drift at a look, whether or not the trial stops there.

    Jennison & Turnbull (1989), doi:10.1111/j.2517-6161.1989.tb01433.x: all intervals of a trial cover the drift with
    probability 1 - α (two-sided designs) or each limit with 1 - α (one-sided ones).

    Parameters
    ----------
    bounds
        Boundary at its information rates.
    look
        The look, from 1.
    z
        Statistic there, of any shape.
    """
    stage, stat = _stopped(bounds, np.asarray([look]), np.asarray(z, float).ravel(), sides=(1, 2))
    half, root = bounds.efficacy[stage[0]], np.sqrt(bounds.information_rates[stage[0]])
    shape = np.shape(z)
    return ((stat - half) / root).reshape(shape), ((stat + half) / root).reshape(shape)


def final_analysis(bounds: Bounds, look: ArrayLike, z: ArrayLike, *, level: float = 0.95) -> FinalAnalysis:
    """Return p value, median-unbiased estimate and confidence interval of trials that have stopped.

    Parameters
    ----------
    bounds
        Boundary at its information rates; futility bounds count when binding, as in the type I error.
    look
        Look (trial,) at which each stopped, from 1.
    z
        Statistic (trial,) there.
    level
        Level of the interval, with equal tails.

    Raises
    ------
    TrialError
        When a look does not exist or a statistic is not finite; for two-sided designs, whose ordering is another.
    """
    look, z = np.broadcast_arrays(np.asarray(look), np.asarray(z, float))
    stage, stat = _stopped(bounds, look.ravel(), z.ravel())
    tail = (1 - Number(above=0, below=1)("level", level)) / 2
    order = _Ordering(bounds)

    def solved(probability: float) -> Array:
        found = np.full(stat.size, np.nan)
        for k in np.unique(stage):
            at = np.flatnonzero(stage == k)
            found[at] = order.drift(int(k), stat[at], probability)
        return found.reshape(look.shape)

    p = np.full(stat.size, np.nan)
    for k in np.unique(stage):
        at = np.flatnonzero(stage == k)
        p[at] = order.probability(int(k), stat[at], np.zeros(at.size))
    return FinalAnalysis(p.reshape(look.shape), solved(0.5), solved(tail), solved(1 - tail))


class _Ordering:
    """Probability of an outcome at least as extreme, as a function of the drift."""

    def __init__(self, bounds: Bounds) -> None:
        self.rates, self.upper = bounds.information_rates, bounds.efficacy
        lower = bounds.futility if bounds.binding else np.full(self.rates.size, -np.inf)
        count = int(3 * nodes_for(self.rates[None])[0])
        density, self.before = begin(1, count), []
        for rate, low, high in zip(self.rates, lower, self.upper, strict=True):
            self.before.append(density)
            region = np.array([low]), np.array([high])
            density = advance(density, np.array([rate]), region, np.zeros(1), reach=REACH)

    def probability(self, look: int, z: Array, drift: Array) -> Array:
        """Return the probability (trial,) of an outcome at least as extreme as Z = z at a look (from 0)."""
        total = np.zeros(z.size)
        for earlier in range(look):
            if np.isfinite(self.upper[earlier]):
                total = total + self._above(earlier, np.full(z.size, self.upper[earlier]), drift)
        return np.asarray(total + self._above(look, z, drift))

    def _above(self, look: int, bound: Array, drift: Array) -> Array:
        density: Density = self.before[look]
        information, before = self.rates[look], density.information[0]
        tilt = density.mass * np.exp(np.outer(drift, density.nodes[0]) - (drift**2 * before / 2)[:, None])
        step = information - before
        mean = density.nodes + (drift * step)[:, None]
        return np.asarray(
            (tilt * special.ndtr((mean - (bound * np.sqrt(information))[:, None]) / np.sqrt(step))).sum(1)
        )

    def drift(self, look: int, z: Array, probability: float) -> Array:
        """Return the drift (trial,) under which an outcome at least as extreme has a given probability."""
        root = np.sqrt(self.rates[look])
        wanted = special.ndtri(probability)

        def over(drift: Array, at: Array) -> Array:
            found = np.clip(self.probability(look, z[at], drift), 1e-300, 1 - 1e-16)
            return np.asarray(special.ndtri(found) - wanted)

        start = (z + wanted) / root
        return _solved(over, start, root, (start - FARTHEST / root, start + FARTHEST / root))


def _solved(over: Callable[[Array, Array], Array], start: Array, slope: float, bracket: tuple[Array, Array]) -> Array:
    """Return where increasing functions (trial,), nearly straight lines, are 0: secants, halvings where these fail.

    Parameters
    ----------
    over
        Called with points and the indices of their trials.
    start, slope
        First points (trial,) and a first slope.
    bracket
        Points below and above the zeros.
    """
    low, high = (np.array(side) for side in bracket)
    point, at = np.array(start), np.arange(start.size)
    slopes = np.full(start.size, slope)
    value = over(point, at)
    for _ in range(STEPS):
        low[at], high[at] = np.where(value > 0, low[at], point[at]), np.where(value > 0, point[at], high[at])
        move = point[at] - value / slopes[at]
        move = np.where((move > low[at]) & (move < high[at]), move, (low[at] + high[at]) / 2)
        before, step = value, move - point[at]
        point[at] = move
        going = np.abs(step) > PRECISION
        at, before, step = at[going], before[going], step[going]
        if not at.size:
            break
        value = over(point[at], at)
        found = (value - before) / step
        slopes[at] = np.where((found > slope / 100) & (found < slope * 100), found, slopes[at])
    return point


def _stopped(bounds: Bounds, look: Array, z: Array, sides: tuple[int, ...] = (1,)) -> tuple[Array, Array]:
    looks = bounds.information_rates.size
    if bounds.sided not in sides:
        raise refuse("bounds.sided", 2, "1: the ordering is that of a one-sided design with half the level")
    if not ((look == np.floor(look)) & (look >= 1) & (look <= looks)).all():
        raise refuse("look", look.tolist()[:3], f"looks from 1 to {looks}")
    if not np.isfinite(z).all():
        raise refuse("z", z.tolist()[:3], "finite statistics")
    return look.astype(int) - 1, z
