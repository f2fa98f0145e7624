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
    """Probability, without a drift, of an outcome at least as extreme; of a two-sided design in either direction."""
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
    stage, stat = _stopped(bounds, np.asarray([look]), np.asarray(z, float).ravel())
    half, root = bounds.efficacy[stage[0]], np.sqrt(bounds.information_rates[stage[0]])
    shape = np.shape(z)
    return ((stat - half) / root).reshape(shape), ((stat + half) / root).reshape(shape)


def final_analysis(bounds: Bounds, look: ArrayLike, z: ArrayLike, *, level: float = 0.95) -> FinalAnalysis:
    """Return p value, median-unbiased estimate and confidence interval of trials that have stopped.

    Parameters
    ----------
    bounds
        Boundary at its information rates; futility bounds count when binding, as in the type I error. Of a two-sided
        design a trial that crosses the lower bound is the less extreme the earlier it does.
    look
        Look (trial,) at which each stopped, from 1.
    z
        Statistic (trial,) there; of a two-sided design with its sign.
    level
        Level of the interval, with equal tails.

    Returns
    -------
    The inference; of a two-sided design with a two-sided p value.

    Raises
    ------
    TrialError
        When a look does not exist or a statistic is not finite.
    """
    look, z = np.broadcast_arrays(np.asarray(look), np.asarray(z, float))
    stage, stat = _stopped(bounds, look.ravel(), z.ravel())
    lower = bounds.futility if bounds.binding else np.full(bounds.efficacy.size, -np.inf)
    observed = Observed(bounds.information_rates[None], bounds.efficacy[None], lower[None], bounds.sided)
    found = stagewise(observed, np.zeros(stage.size, int), stage, stat, level=level)
    return FinalAnalysis(*(part.reshape(look.shape) for part in found))


class Observed(NamedTuple):
    """Boundaries at the information of some trials, each (row, look); NaN where a look was not held."""

    information: Array
    """As a share of the planned maximum."""
    efficacy: Array
    futility: Array
    """Bounds at which the trial must stop; -inf where it need not."""
    sided: int

    def of(self, rows: Array) -> Observed:
        """Those of some rows."""
        return Observed(self.information[rows], self.efficacy[rows], self.futility[rows], self.sided)


def stagewise(bounds: Observed, row: Array, look: Array, z: Array, *, level: float = 0.95) -> FinalAnalysis:
    """Return the inference of `final_analysis` where trials have boundaries of their own.

    Parameters
    ----------
    bounds
        Boundaries at the information observed.
    row, look
        Which boundary each trial had, and the look from 0 at which it stopped (trial,).
    z
        Statistic there (trial,), finite.
    level
        Level of the interval, with equal tails.
    """
    tail = (1 - Number(above=0, below=1)("level", level)) / 2
    found = np.full((4, z.size), np.nan)
    for group in _alike(bounds.information):
        order = _Ordering(bounds.of(group))
        place = np.full(len(bounds.information), -1)
        place[group] = np.arange(group.size)
        for k in np.unique(look[np.isin(row, group)]):
            at = np.flatnonzero(np.isin(row, group) & (look == k))
            found[:, at] = order.inference(place[row[at]], int(k), z[at], tail)
    if bounds.sided == 2:
        found[0] = 2 * np.minimum(found[0], 1 - found[0])
    return FinalAnalysis(*found)


def _alike(information: Array) -> list[Array]:
    """Rows that need the same number of nodes."""
    count = nodes_for(information)
    return [np.flatnonzero(count == each) for each in np.unique(count)]


class _Ordering:
    """Probability of an outcome at least as extreme, as a function of the drift."""

    def __init__(self, bounds: Observed) -> None:
        self.rates, self.upper = bounds.information, bounds.efficacy
        lower = -bounds.efficacy if bounds.sided == 2 else bounds.futility
        count = int(3 * nodes_for(self.rates)[0])
        density, self.before = begin(len(self.rates), count), []
        for k in range(self.rates.shape[1]):
            self.before.append(density)
            density = _moved(density, self.rates[:, k], lower[:, k], self.upper[:, k])

    def inference(self, row: Array, look: int, z: Array, tail: float) -> Array:
        """Return p, the estimate and the limits (4, trial) of trials that stopped at one look (from 0)."""
        p = self.probability(row, look, z, np.zeros(z.size))
        return np.stack([p, *(self.drift(row, look, z, share) for share in (0.5, tail, 1 - tail))])

    def probability(self, row: Array, look: int, z: Array, drift: Array) -> Array:
        """Return the probability (trial,) of an outcome at least as extreme as Z = z at a look (from 0)."""
        total = self._above(row, look, z, drift)
        for earlier in range(look):
            bound = self.upper[row, earlier]
            there = np.flatnonzero(np.isfinite(bound) & np.isfinite(self.rates[row, earlier]))
            total[there] += self._above(row[there], earlier, bound[there], drift[there])
        return total

    def _above(self, row: Array, look: int, bound: Array, drift: Array) -> Array:
        density: Density = self.before[look]
        information, before = self.rates[row, look][:, None], density.information[row][:, None]
        nodes, slope = density.nodes[row], drift[:, None]
        tilt = density.mass[row] * np.exp(slope * nodes - slope**2 * before / 2)
        step = information - before
        mean = nodes + slope * step
        return np.asarray((tilt * special.ndtr((mean - bound[:, None] * np.sqrt(information)) / np.sqrt(step))).sum(1))

    def drift(self, row: Array, look: int, z: Array, probability: float) -> Array:
        """Return the drift (trial,) under which an outcome at least as extreme has a given probability."""
        root = np.sqrt(self.rates[row, look])
        wanted = special.ndtri(probability)

        def over(drift: Array, at: Array) -> Array:
            found = np.clip(self.probability(row[at], look, z[at], drift), 1e-300, 1 - 1e-16)
            return np.asarray(special.ndtri(found) - wanted)

        start = (z + wanted) / root
        return _solved(over, start, root, (start - FARTHEST / root, start + FARTHEST / root))


def _moved(density: Density, information: Array, low: Array, high: Array) -> Density:
    """Return the trials that go on at the next look, without a drift; of a look not held (NaN) nothing changes."""
    held = np.isfinite(information)
    if not held.any():
        return density
    part = Density(density.nodes[held], density.mass[held], density.information[held])
    part = advance(part, information[held], (low[held], high[held]), np.zeros(held.sum()), reach=REACH)
    if held.all():
        return part
    nodes, mass, there = density.nodes.copy(), density.mass.copy(), density.information.copy()
    nodes[held], mass[held], there[held] = part.nodes, part.mass, part.information
    return Density(nodes, mass, there)


def _solved(over: Callable[[Array, Array], Array], start: Array, slope: Array, bracket: tuple[Array, Array]) -> Array:
    """Return where increasing functions (trial,), nearly straight lines, are 0: secants, halvings where these fail.

    Parameters
    ----------
    over
        Called with points and the indices of their trials.
    start, slope
        First points and slopes (trial,).
    bracket
        Points below and above the zeros.
    """
    low, high = (np.array(side) for side in bracket)
    point, at = np.array(start), np.arange(start.size)
    slopes = np.array(slope)
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
        near = (found > slope[at] / 100) & (found < slope[at] * 100)
        slopes[at] = np.where(near, found, slopes[at])
    return point


def _stopped(bounds: Bounds, look: Array, z: Array) -> tuple[Array, Array]:
    looks = bounds.information_rates.size
    if not ((look == np.floor(look)) & (look >= 1) & (look <= looks)).all():
        raise refuse("look", look.tolist()[:3], f"looks from 1 to {looks}")
    if not np.isfinite(z).all():
        raise refuse("z", z.tolist()[:3], "finite statistics")
    return look.astype(int) - 1, z
