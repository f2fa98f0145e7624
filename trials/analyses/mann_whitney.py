"""Exact null distribution of Mann and Whitney's count, for two groups without ties."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

type Array = np.ndarray

LARGEST = 10_000
"""Pairs of subjects up to which the distribution is tabled: two groups of 100."""


@lru_cache(maxsize=256)
def below(test: int, control: int) -> Array:
    """Return P(U <= u), (pairs + 1,), of the number U of pairs in which the one of test is larger.

    By the recursion of Mann & Whitney (1947), doi:10.1214/aoms/1177730491: the largest of all values is of one group or
    of the other. Every term is positive, so that the smallest probabilities are exact to rounding.
    """
    pairs = test * control
    ways = np.zeros((test + 1, pairs + 1))
    ways[:, 0] = 1.0  # nobody on control: no pair
    for n in range(1, control + 1):
        for m in range(1, test + 1):
            ways[m, n:] += ways[m - 1, : pairs + 1 - n]
    found: Array = np.cumsum(ways[test]) / ways[test].sum()
    found.flags.writeable = False
    return found


def probabilities(count: Array, test: Array, control: Array) -> tuple[Array, Array]:
    """Return P(U <= count) and P(U >= count), each (replicate,), from counts and sizes of the groups (replicate,)."""
    under, over = np.empty(count.size), np.empty(count.size)
    for (m, n), rows in _alike(test, control):
        table = below(m, n)
        place = count[rows].astype(int)
        under[rows] = table[place]
        over[rows] = table[m * n - place]  # symmetric about half the pairs
    return under, over


def quantile(probability: float, test: Array, control: Array) -> Array:
    """Return the smallest count (replicate,) that U does not exceed with at least this probability."""
    found = np.empty(test.size, dtype=np.int64)
    for (m, n), rows in _alike(test, control):
        found[rows] = np.searchsorted(below(m, n), probability * (1 - 1e-12))
    return found


def _alike(test: Array, control: Array) -> list[tuple[tuple[int, int], Array]]:
    """Sizes of the groups, and which replicates have them."""
    sizes, back = np.unique(np.stack([test, control], axis=1), axis=0, return_inverse=True)
    back = back.reshape(-1)
    return [((int(m), int(n)), np.flatnonzero(back == at)) for at, (m, n) in enumerate(sizes)]
