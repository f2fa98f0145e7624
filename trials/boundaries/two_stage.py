"""Simon's two-stage designs of single-arm phase II trials, exactly.

Simon (1989), doi:10.1016/0197-2456(89)90015-9. Stop for futility with r1 or fewer responses among the first n1
subjects; the treatment is promising with more than r responses among all n.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from trials.checks import Number, Whole, refuse

type Array = np.ndarray


class TwoStage(NamedTuple):
    """A two-stage design and its exact characteristics."""

    r1: int
    n1: int
    r: int
    n: int
    alpha: float
    """Probability of a promising result at the uninteresting rate."""
    power: float
    """The same at the desirable rate."""
    expected: float
    """Expected number of subjects at the uninteresting rate."""
    stopping: float
    """Probability of stopping after the first stage at the uninteresting rate."""


class Simon(NamedTuple):
    """The design with the fewest expected subjects, and that with the fewest subjects at most."""

    optimal: TwoStage
    minimax: TwoStage


def two_stage_power(r1: int, n1: int, r: int, n: int, rate: float) -> float:
    """Return the probability of more than ``r`` responses among ``n`` after more than ``r1`` among ``n1``."""
    early = np.arange(max(r1 + 1, 0), n1 + 1)
    return float((stats.binom.pmf(early, n1, rate) * stats.binom.sf(r - early, n - n1, rate)).sum())


def simon_two_stage(
    uninteresting: float, desirable: float, *, alpha: float = 0.05, power: float = 0.8, most: int = 100
) -> Simon:
    """Return Simon's optimal and minimax designs by enumeration.

    Parameters
    ----------
    uninteresting, desirable
        Response rates p0 < p1.
    alpha
        Largest probability of a promising result at ``uninteresting``.
    power
        Smallest one at ``desirable``.
    most
        Largest number of subjects that is tried.

    Raises
    ------
    TrialError
        When a parameter is out of its range, or no design with so many subjects holds both errors.
    """
    p0 = Number(above=0, below=1)("uninteresting", uninteresting)
    p1 = Number(above=p0, below=1)("desirable", desirable)
    alpha, power = Number(above=0, below=0.5)("alpha", alpha), Number(above=alpha, below=1)("power", power)
    most = Whole(2)("most", most)
    tables = tuple(_Table(rate, most) for rate in (p0, p1))
    optimal: TwoStage | None = None
    minimax: TwoStage | None = None
    for n in range(2, most + 1):
        best = _best(n, tables, (alpha, power), np.inf if optimal is None else optimal.expected)
        if best is not None:
            minimax = minimax or best
            optimal = best
    if optimal is None or minimax is None:
        raise refuse("most", most, "enough subjects for a design that holds both errors")
    return Simon(optimal, minimax)


class _Table:
    """Binomial probabilities and tails at one rate for every number of subjects."""

    def __init__(self, rate: float, most: int) -> None:
        count = np.arange(most + 1)
        self.mass = stats.binom.pmf(count[None, :], count[:, None], rate)
        self.tail = np.pad(stats.binom.sf(count[None, :], count[:, None], rate), ((0, 0), (1, 0)), constant_values=1.0)

    def promising(self, n1: int, n: int) -> Array:
        """Probability of a promising result for each r1 below n1 (row) and each r up to n (column)."""
        early = np.arange(n1 + 1)
        late = self.tail[n - n1, np.maximum(np.arange(n + 1)[None, :] - early[:, None] + 1, 0)]
        joint = self.mass[n1, : n1 + 1, None] * late
        return np.asarray(joint[::-1].cumsum(axis=0)[::-1][1:])


def _best(n: int, tables: tuple[_Table, ...], errors: tuple[float, float], below: float) -> TwoStage | None:
    """Design of n subjects with the fewest expected without an effect, if fewer than ``below``."""
    found: TwoStage | None = None
    for n1 in range(1, n):
        if n1 >= below:
            break
        null, true = (table.promising(n1, n) for table in tables)
        # Rows r1, columns r: the smallest r that holds alpha has the most power.
        holds = null <= errors[0]
        r = holds.argmax(axis=1)
        rows = np.flatnonzero(holds.any(axis=1) & (true[np.arange(n1), r] >= errors[1]))
        if not rows.size:
            continue
        stopping = tables[0].mass[n1].cumsum()[rows]
        expected = n1 + (1 - stopping) * (n - n1)
        at = int(expected.argmin())
        if expected[at] < below:
            r1, below = int(rows[at]), float(expected[at])
            levels = float(null[r1, r[r1]]), float(true[r1, r[r1]])
            found = TwoStage(r1, n1, int(r[r1]), n, *levels, below, float(stopping[at]))
    return found
