"""Wilcoxon's rank-sum test with the Hodges-Lehmann shift and its interval."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import special

from trials.analyses import hypothesis, mann_whitney
from trials.analyses.base import Effect, logged, outcome
from trials.analyses.contrast import Contrast
from trials.analyses.groups import Comparison, compared, difference
from trials.analyses.roles import check_roles
from trials.checks import Number, fields, flag

PAIRS = 4_000_000
"""Differences between subjects of the two arms that are held at a time."""
BATCHES = 20
"""Batches of virtual patients whose spread gives the error of a true shift."""
HALVINGS = 45
"""Bisections of a true shift."""


@dataclass(frozen=True, slots=True)
class RankSum(Contrast):
    """Rank-sum test of a shift against a margin (Wilcoxon 1945, doi:10.2307/3001968).

    By its normal approximation; with ``exact``, as R's ``wilcox.test`` has it for small groups, by the null
    distribution itself in replicates without ties and with at most 10,000 pairs of subjects, which the output ``exact``
    tells. Ties get mid-ranks and their variance; with ``continuity`` the statistic is taken half a rank nearer to its
    expectation. The estimate is the median of all differences between a subject of test and one of control (Hodges &
    Lehmann 1963, doi:10.1214/aoms/1177704172), the interval those differences at which the test changes its mind
    (Hollander & Wolfe 1999, section 4.3), ``se`` its half width over the normal quantile. ``statistic`` is the normal
    deviate, positive when the data favour the alternative.
    """

    name: str
    endpoint: str
    test: str
    control: str
    alternative: str = "two-sided"
    margin: float = 0.0
    """Shift under the null hypothesis, on the scale of the estimate."""
    alpha: float = 0.05
    continuity: bool = True
    log: bool = False
    """Analyse logarithms: the estimate is the median log ratio."""
    exact: bool = False
    """Whether p-value and interval are exact where nothing is tied."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        check_roles(self)
        fields(self, "analysis", margin=Number(), continuity=flag, log=flag, exact=flag)

    @property
    def scale(self) -> str:
        """Estimates are differences, or logarithms of ratios."""
        return "log-ratio" if self.log else "difference"

    def __call__(self, data: xr.Dataset) -> xr.Dataset:
        """Analyse every replicate; ``superiority`` is the share of pairs in which test is larger, ties counting half.

        A replicate with an empty arm or with one value only has failed.
        """
        groups = compared(data, self.endpoint, test=self.test, control=self.control, log=self.log)
        ranks, plain = _ranks(groups, self.margin), _ranks(groups, 0.0)
        z = float(special.ndtri(0.5 + self.level / 2))
        failed = ~(ranks.variance > 0)
        reach = z * np.sqrt(plain.variance) + (0.5 if self.continuity else 0.0)
        low = np.ceil(plain.pairs / 2 - reach).astype(np.int64) - 1
        deviate = _deviate(ranks, self.continuity, self.alternative)
        found = hypothesis.tested(deviate, self.alternative, self.alpha)
        if self.exact:
            there = ~failed & ~ranks.tied & ~plain.tied & (ranks.pairs <= mann_whitney.LARGEST)
            self._exactly(found, low, ranks, np.flatnonzero(there))
            found["exact"] = there * 1.0
        estimate, lower, upper = _shift(groups, low)
        found |= {"estimate": estimate, "lower": lower, "upper": upper, "se": (upper - lower) / (2 * z)}
        found |= {"superiority": 0.5 + ranks.distance / np.maximum(ranks.pairs, 1), "n": ranks.n, "failed": failed}
        return outcome(self, data, found)

    def _exactly(self, found: dict[str, np.ndarray], low: np.ndarray, ranks: "_Ranks", rows: np.ndarray) -> None:
        """Put exact p-values, decisions and places of the limits in place of the approximate ones of some rows."""
        count = ranks.distance[rows] + ranks.pairs[rows] / 2
        sizes = ranks.size[rows], ranks.n[rows] - ranks.size[rows]
        under, over = mann_whitney.probabilities(np.rint(count), *sizes)
        either = np.minimum(2 * np.minimum(under, over), 1.0)
        p = {"greater": over, "less": under, "two-sided": either}[self.alternative]
        found["p"][rows], found["decision"][rows] = p, p < self.alpha
        low[rows] = mann_whitney.quantile((1 - self.level) / 2, *sizes) - 1

    def contribution(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return test - control of each subject, whose median under a pure shift is the shift."""
        return difference(values, self.test, self.control, log=self.log)

    def truth(self, values: Mapping[str, np.ndarray]) -> Effect:
        """Return the median difference between a patient under test and another under control.

        The error is that of the medians of batches; with replicates their number is that of the draws.
        """
        arms = [np.asarray(values[arm], float) for arm in (self.test, self.control)]
        units = arms[0].shape[0] if arms[0].ndim > 1 and arms[0].shape[0] > 1 else arms[0].size
        arms = [(logged(arm) if self.log else arm).reshape(units, -1) for arm in arms]
        batches = [np.array_split(arm, min(BATCHES, units)) for arm in arms]
        shifts = np.array([_median_difference(*map(np.ravel, pair)) for pair in zip(*batches, strict=True)])
        return Effect(float(shifts.mean()), float(shifts.std(ddof=1) / np.sqrt(len(shifts))), int(units))


class _Ranks(NamedTuple):
    """What the test needs of each replicate: (replicate,)."""

    distance: np.ndarray
    """Mann and Whitney's count of pairs in which test is larger, less its expectation under the null."""
    variance: np.ndarray
    pairs: np.ndarray
    n: np.ndarray
    size: np.ndarray
    """Subjects of test."""
    tied: np.ndarray
    """Whether any two values are the same."""


def _ranks(groups: Comparison, margin: float) -> _Ranks:
    """Rank the values of both groups together, with test moved by the margin."""
    used = groups.test | groups.control
    values = np.where(used, groups.values - np.where(groups.test, margin, 0.0), np.inf)
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    position = np.arange(1, values.shape[1] + 1)
    fresh = np.ones(values.shape, dtype=bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    last = np.ones(values.shape, dtype=bool)
    last[:, :-1] = fresh[:, 1:]
    start = np.maximum.accumulate(np.where(fresh, position, 0), axis=1)
    end = np.minimum.accumulate(np.where(last, position, position[-1])[:, ::-1], axis=1)[:, ::-1]
    test = np.take_along_axis(groups.test, order, axis=1)
    size, n = groups.test.sum(axis=1), used.sum(axis=1)
    pairs = size * (n - size)
    twice = np.where(test, start + end, 0).sum(axis=1)
    here = np.isfinite(ordered)
    length = end - start + 1
    ties = np.where(here, length**2 - 1, 0).sum(axis=1)
    spread = pairs / 12 * (n + 1 - ties / np.maximum(n * (n - 1), 1))
    return _Ranks((twice - size * (n + 1)) / 2, np.where(pairs > 0, spread, 0.0), pairs, n, size, ties > 0)


def _deviate(ranks: _Ranks, continuity: bool, alternative: str) -> np.ndarray:
    """Return the normal deviate, which grows with test; the correction works against the alternative."""
    toward = {"greater": 1.0, "less": -1.0}.get(alternative, np.sign(ranks.distance))
    corrected = ranks.distance - 0.5 * toward if continuity else ranks.distance
    deviate: np.ndarray = corrected / np.sqrt(np.where(ranks.variance > 0, ranks.variance, 1.0))
    return deviate


def _shift(groups: Comparison, low: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return median and limits of the differences; the lower is that at rank ``low`` (replicate,), from 0.

    NaN where there is no pair.
    """
    sizes = groups.test.sum(axis=1), groups.control.sum(axis=1)
    pairs = sizes[0] * sizes[1]
    last = np.maximum(pairs - 1, 0)
    low = np.clip(low, 0, last)
    middle = (last // 2, pairs // 2)
    wanted = np.stack([low, middle[0], np.minimum(middle[1], last), last - low], axis=1)
    found = np.full(wanted.shape, np.nan)
    for rows in _chunks(len(pairs), int(sizes[0].max(initial=0) * sizes[1].max(initial=0))):
        found[rows] = _order_statistics(groups, rows, wanted[rows])
    found = np.where((pairs > 0)[:, None], found, np.nan)
    return (found[:, 1] + found[:, 2]) / 2, found[:, 0], found[:, 3]


def _chunks(rows: int, each: int) -> Iterator[slice]:
    step = max(1, PAIRS // max(each, 1))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _order_statistics(groups: Comparison, rows: slice, wanted: np.ndarray) -> np.ndarray:
    """Return differences between the arms at the wanted ranks (row, rank), counted from 0."""
    one, other = (_packed(groups.values[rows], group[rows]) for group in (groups.test, groups.control))
    with np.errstate(invalid="ignore"):
        gaps = one[:, :, None] - other[:, None, :]
    gaps = np.where(np.isnan(gaps), np.inf, gaps).reshape(len(wanted), -1)
    if not gaps.shape[1]:
        return np.full(wanted.shape, np.nan)
    gaps.partition(np.unique(wanted), axis=1)
    return np.take_along_axis(gaps, wanted, axis=1)


def _packed(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the values of a group at the front of each row, NaN behind them."""
    size = group.sum(axis=1)
    order = np.argsort(~group, axis=1, kind="stable")[:, : int(size.max(initial=0))]
    packed = np.take_along_axis(values, order, axis=1)
    return np.where(np.arange(packed.shape[1]) < size[:, None], packed, np.nan)


def _median_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the median of all differences, by bisection on how many pairs lie below."""
    one, other = np.sort(one), np.sort(other)
    low, high = one[0] - other[-1], one[-1] - other[0]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        # subjects of control above one - middle are in pairs below the middle; a tie counts half
        beyond = [np.searchsorted(other, one - middle, side=side).sum() for side in ("left", "right")]
        below = 2 * one.size * other.size - sum(beyond) < one.size * other.size
        low, high = (middle, high) if below else (low, middle)
    return float(low + high) / 2
