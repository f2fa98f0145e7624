"""Contrasts of arms that are best for a curve, and the distribution of the largest of several t statistics."""

from functools import cache

import numpy as np
from scipy import special
from scipy.stats import qmc

POINTS = 2048
"""Directions, each with its opposite, over which the largest statistic is averaged: errors of p below 1e-4 at 0.025."""
KNOTS = 20_000
"""Steps of a table of the F distribution."""
FARTHEST = 1e6
"""Largest F of the table; its inverse is the smallest."""
CHUNK = 2_000_000
"""Statistics held at a time."""


def optimal(curve: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the contrast of most power for a curve (arm,), of length 1: (replicate, arm).

    With sizes n (replicate, arm) it is proportional to n times the curve less its weighted mean (Bretz, Pinheiro &
    Branson 2005, doi:10.1111/j.1541-0420.2005.00344.x).
    """
    total = np.maximum(size.sum(axis=1, keepdims=True), 1)
    raw = size * (curve - (size * curve).sum(axis=1, keepdims=True) / total)
    length = np.sqrt((raw**2).sum(axis=1, keepdims=True))
    found: np.ndarray = raw / np.where(length > 0, length, 1.0)
    return found


def largest(statistic: np.ndarray, contrast: np.ndarray, size: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Return P(largest t statistic of the contrasts >= statistic) when no arm differs, for each statistic.

    Parameters
    ----------
    statistic
        Values (replicate, statistic) at which the probability is wanted.
    contrast
        Contrasts (replicate, model, arm) that each add up to 0.
    size
        Subjects (replicate, arm), all above 0.
    df
        Degrees of freedom of the common variance (replicate,).

    Notes
    -----
    The vector of statistics is a radius times a direction. The squared radius over the number of free means is F
    distributed whatever the direction, so only the direction is averaged, over a fixed quasi-random set.
    """
    count = contrast.shape[-1] - 1
    found = np.empty(statistic.shape)
    directions = _directions(count)
    step = max(1, CHUNK // (len(directions) * contrast.shape[1]))
    for start in range(0, len(statistic), step):
        rows = slice(start, start + step)
        reach = (_axes(contrast[rows], size[rows]) @ directions.T).max(axis=1)
        for place in range(statistic.shape[1]):
            found[rows, place] = _tail(statistic[rows, place], reach, count, df[rows])
    return found


def _axes(contrast: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the contrasts as unit vectors (replicate, model, arm - 1) in the space of the free means."""
    root = np.sqrt(size)
    vectors = contrast / root[:, None, :]
    length = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
    vectors = vectors / np.where(length > 0, length, 1.0)
    # reflect the direction that contrasts never have onto the last axis, and drop it
    normal = root / np.sqrt(size.sum(axis=1, keepdims=True))
    mirror = normal.copy()
    mirror[:, -1] += 1.0
    scale = 2 / (mirror**2).sum(axis=1)
    along = (vectors * mirror[:, None, :]).sum(axis=-1) * scale[:, None]
    axes: np.ndarray = (vectors - along[..., None] * mirror[:, None, :])[..., :-1]
    return axes


@cache
def _directions(count: int) -> np.ndarray:
    """Return unit vectors (direction, axis) spread evenly, each with its opposite."""
    if count == 1:
        return np.array([[1.0], [-1.0]])
    uniform = qmc.Sobol(count, rng=np.random.default_rng(20050601)).random(POINTS)
    normal = special.ndtri(np.clip(uniform, 1e-12, 1 - 1e-12))
    half = normal / np.sqrt((normal**2).sum(axis=1, keepdims=True))
    return np.concatenate([half, -half])


def _tail(statistic: np.ndarray, reach: np.ndarray, count: int, df: np.ndarray) -> np.ndarray:
    """Return the mean over directions of P(radius * reach >= statistic), each (replicate,)."""
    out = np.empty(len(statistic))
    for value in np.unique(df):
        rows = df == value
        far, at = reach[rows], statistic[rows][:, None]
        square = np.square(at) / np.maximum(np.square(far) * count, 1 / FARTHEST**2)
        beyond = _survival(square, count, float(value))
        up = np.where(far > 0, beyond, 0.0)
        down = np.where(far < 0, 1 - beyond, 1.0)
        out[rows] = np.where(at > 0, up, down).mean(axis=1)
    return out


def _survival(x: np.ndarray, count: int, df: float) -> np.ndarray:
    """Return the upper tail of the F distribution from an even table of its logarithm, to 1e-6 of itself."""
    values, steps = _table(count, df)
    place = (np.log(np.clip(x, 1 / FARTHEST, FARTHEST / 2)) + np.log(FARTHEST)) * (KNOTS / (2 * np.log(FARTHEST)))
    below = place.astype(np.int32)
    tail: np.ndarray = np.exp(values[below] + (place - below) * steps[below])
    return tail


@cache
def _table(count: int, df: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the logarithm of the tail at even steps of log x, and what it changes by from one to the next."""
    knots = np.linspace(-np.log(FARTHEST), np.log(FARTHEST), KNOTS + 1)
    with np.errstate(divide="ignore"):
        values = np.maximum(np.log(special.fdtrc(count, df, np.exp(knots))), -700.0)
    return values, np.append(np.diff(values), 0.0)
