"""Recursive numerical integration of the canonical joint distribution, for many designs at once.

Armitage, McPherson & Rowe (1969), doi:10.2307/2343787; Jennison & Turnbull (2000), chapter 19. The density of the score
B_k = Z_k √t_k, of trials that go on, is held at Gauss-Legendre nodes of the continuation region; to the next look it
moves by a normal increment of mean θ Δ and variance Δ. Every array has a leading axis ``row``: one design, or one
simulated trial with the information observed in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

type Array = np.ndarray

REACH = 8.5
"""Standard deviations around the mean that are integrated over; less than 1e-16 lies outside."""
DENSITY = 2.0
"""Nodes for every standard deviation of the narrowest increment; the error is then below 1e-10."""
FEWEST, MOST = 24, 2048
"""Nodes that are used at least and at most; ``MOST`` is enough for increments of a thousandth."""
CELLS = 2_000_000
"""Transition densities that are in memory at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """Trials that go on: probability ``mass`` at nodes of the score (row, node), at an ``information`` (row,)."""

    nodes: Array
    mass: Array
    information: Array


@lru_cache(maxsize=64)
def _legendre(count: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def nodes_for(information: Array) -> Array:
    """Return how many nodes each row needs, from its information (row, look); NaN marks a look not held."""
    held = np.where(np.isnan(information), -np.inf, information)
    before = np.maximum.accumulate(np.concatenate([np.zeros((len(held), 1)), held[:, :-1]], axis=1), axis=1)
    increment = np.where(np.isfinite(held), information - before, np.inf)
    counted = before[:, 1:] > 0
    narrow = np.minimum(increment[:, :-1], increment[:, 1:])
    widths = 2 * REACH * np.sqrt(before[:, 1:]) / np.sqrt(np.where(counted, narrow, np.inf))
    least = np.clip(DENSITY * widths.max(axis=1, initial=0.0), FEWEST, MOST)
    return np.asarray(2 ** (np.ceil(2 * np.log2(least)) / 2)).astype(int)


def begin(rows: int, count: int) -> Density:
    """Return the trials before the first look: all at score 0, without information."""
    return Density(np.zeros((rows, count)), np.full((rows, count), 1.0 / count), np.zeros(rows))


def above(density: Density, information: Array, bound: Array, drift: Array) -> Array:
    """Return the probability (row,) of going on to the next look and finding Z at or above the bound there."""
    root = np.sqrt(information - density.information)[:, None]
    mean = density.nodes + (drift * (information - density.information))[:, None]
    tail = special.ndtr((mean - (bound * np.sqrt(information))[:, None]) / root)
    return np.asarray((density.mass * tail).sum(axis=1))


def below(density: Density, information: Array, bound: Array, drift: Array) -> Array:
    """Return the probability (row,) of going on to the next look and finding Z at or below the bound there."""
    return above(_mirrored(density), information, -bound, -drift)


def advance(
    density: Density, information: Array, region: tuple[Array, Array], drift: Array, *, reach: float = REACH
) -> Density:
    """Return the trials that go on at the next look, where the region of Z is from the one bound to the other.

    ``reach`` is how many standard deviations around the mean are kept.
    """
    rows, count = density.nodes.shape
    size = max(1, CELLS // count**2)
    parts = [
        _advance(
            Density(density.nodes[at], density.mass[at], density.information[at]),
            information[at],
            (region[0][at], region[1][at]),
            drift[at],
            reach,
        )
        for at in (slice(start, start + size) for start in range(0, rows, size))
    ]
    if len(parts) == 1:
        return parts[0]
    nodes, mass = (np.concatenate([getattr(part, name) for part in parts]) for name in ("nodes", "mass"))
    return Density(nodes, mass, information)


def _advance(density: Density, information: Array, region: tuple[Array, Array], drift: Array, reach: float) -> Density:
    points, weights = _legendre(density.nodes.shape[1])
    root = np.sqrt(information)
    low = np.maximum(region[0], drift * root - reach) * root
    high = np.maximum(np.minimum(region[1], drift * root + reach) * root, low)
    nodes = low[:, None] + (high - low)[:, None] * (points + 1) / 2
    step = (information - density.information)[:, None]
    scaled = density.nodes + (drift[:, None] * step)
    if not density.information.any():
        # All are at score 0: one normal density, not a mixture of equal ones.
        kernel = np.exp(-((nodes - scaled[:, :1]) ** 2) / (2 * step))
    else:
        gap = nodes[:, :, None] - scaled[:, None, :]
        np.square(gap, out=gap)
        gap /= -2 * step[:, :, None]
        kernel = (np.exp(gap, out=gap) @ density.mass[:, :, None])[:, :, 0]
    mass = kernel / np.sqrt(2 * np.pi * step) * weights * (high - low)[:, None] / 2
    return Density(nodes, mass, information)


def upper_bound(density: Density, information: Array, probability: Array, drift: Array) -> Array:
    """Return the bound (row,) that `above` exceeds with a given probability: -inf when all that go on are not enough.

    Newton's method on the logarithm, which is concave in the bound (the density is log-concave), from the quantile of
    the normal distribution, which is not below the bound: so it converges from the right, wherever it starts.
    """
    centre = drift * np.sqrt(information)
    bound = centre - special.ndtri(probability)
    going = density.mass.sum(axis=1)
    first = density.information == 0
    bound = np.where(~first & (probability >= going), -np.inf, bound)
    open_ = np.flatnonzero(np.isfinite(bound) & ~first)
    for _ in range(100):
        if not open_.size:
            break
        part = Density(density.nodes[open_], density.mass[open_], density.information[open_])
        step = _newton(part, information[open_], (bound[open_], probability[open_]), drift[open_])
        bound[open_] -= step
        open_ = open_[np.abs(step) > 1e-11]
    return bound


def lower_bound(density: Density, information: Array, probability: Array, drift: Array) -> Array:
    """Return the bound (row,) that `below` does not exceed with a given probability."""
    return -upper_bound(_mirrored(density), information, probability, -drift)


def _newton(density: Density, information: Array, at: tuple[Array, Array], drift: Array) -> Array:
    """Newton step of log P(Z >= bound) towards log of the wanted probability."""
    bound, wanted = at
    step = information - density.information
    root = np.sqrt(step)[:, None]
    deviate = (density.nodes + (drift * step)[:, None] - (bound * np.sqrt(information))[:, None]) / root
    tail = (density.mass * special.ndtr(deviate)).sum(axis=1)
    slope = (density.mass * np.exp(-(deviate**2) / 2)).sum(axis=1) / np.sqrt(2 * np.pi * step)
    slope *= np.sqrt(information)
    with np.errstate(divide="ignore", invalid="ignore"):
        move = tail / slope * (np.log(wanted) - np.log(tail))
    return np.asarray(np.where(np.isfinite(move), np.clip(move, -0.5, 2.0), 0.5))


def _mirrored(density: Density) -> Density:
    return Density(-density.nodes, density.mass, density.information)
