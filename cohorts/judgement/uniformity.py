"""Whether ranks are uniform: chi-square, and simultaneous envelopes of their distribution function."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cohorts.drawing.streams import Stream, generator
from cohorts.specification.quantities import Array

EXPECTED = 20
"""Least expected count of a bin of the chi-square test."""
MOST = 20
"""Most bins of it."""
SIMULATED = 4000
"""Sets of uniform ranks that the envelopes rest on."""


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """Distribution function of `n` uniform ranks among ``levels``: points, and limits that hold at all of them at once.

    Säilynoja, Bürkner & Vehtari 2022, doi:10.1007/s11222-022-10090-6, by their simulation method: the pointwise
    binomial limits are widened until the share `level` of sets of uniform ranks stays inside everywhere.

    Attributes
    ----------
    points
        Shares at which the function is taken, (point).
    lower, upper
        Limits of the empirical distribution function there.
    table
        Probability that at most k of the ranks lie below a point, (k, point).
    least
        Least pointwise tail probability (two-sided) of each simulated set, ascending.
    """

    n: int
    levels: int
    points: Array
    lower: Array
    upper: Array
    table: Array
    least: Array

    def p_value(self, ranks: NDArray[np.int64]) -> float:
        """Share of sets of uniform ranks that stray as far as these anywhere, the set itself counted."""
        found = _least(_counts(ranks[None], self.levels), self.table)[0]
        below = int(np.searchsorted(self.least, found, side="right"))
        return (below + 1.0) / (len(self.least) + 1.0)

    def ecdf(self, ranks: NDArray[np.int64]) -> Array:
        """Empirical distribution function of ranks at `points`."""
        return np.asarray(_counts(ranks[None], self.levels)[0] / self.n)


def envelope(n: int, levels: int, level: float = 0.95, seed: int = 0) -> Envelope:
    """Simultaneous limits for `n` ranks, whole numbers from 0 to `levels` - 1.

    Parameters
    ----------
    n, levels
        Number of ranks, and of values they can take.
    level
        Probability that uniform ranks stay inside everywhere.
    seed
        Seed of the sets of uniform ranks the limits rest on.
    """
    points = np.arange(1, levels) / levels
    binomial = stats.binom(n, points)
    table = np.asarray(binomial.cdf(np.arange(n + 1)[:, None]))
    rng = generator(seed, Stream.JUDGEMENT, n, levels)
    sets = [_least(_counts(rng.integers(0, levels, (100, n)), levels), table) for _ in range(SIMULATED // 100)]
    least = np.sort(np.concatenate(sets))
    tail = 0.5 * float(np.quantile(least, 1.0 - level, method="lower"))
    lower, upper = binomial.ppf(tail), binomial.isf(tail)
    return Envelope(n, levels, points, lower / n, upper / n, table, least)


def _counts(ranks: NDArray[np.int64], levels: int) -> NDArray[np.int64]:
    """Number of ranks below each point, (set, point)."""
    made = np.stack([np.bincount(row, minlength=levels) for row in ranks])
    return np.cumsum(made, axis=1)[:, :-1]


def _least(counts: NDArray[np.int64], table: Array) -> Array:
    """Least two-sided pointwise tail probability of each set."""
    across = np.arange(table.shape[1])
    low = table[counts, across]
    high = 1.0 - np.where(counts > 0, table[counts - 1, across], 0.0)
    return np.asarray(2.0 * np.minimum(low, high).min(axis=1))


def chi_square(ranks: NDArray[np.int64], levels: int) -> tuple[float, float, int]:
    """Chi-square statistic of ranks in equal bins, its p value, and the number of bins.

    Bins divide the values exactly; there are as many as leave `EXPECTED` ranks to each, at most `MOST`.
    """
    most = max(2, min(MOST, len(ranks) // EXPECTED))
    bins = max((b for b in range(2, most + 1) if levels % b == 0), default=1)
    if bins == 1:
        return float("nan"), float("nan"), 1
    counts = np.bincount(ranks * bins // levels, minlength=bins)
    found = stats.chisquare(counts)
    return float(found.statistic), float(found.pvalue), bins
