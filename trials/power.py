"""Exact power of average bioequivalence in crossovers and parallel groups, by Owen's Q function.

Owen (1965), Biometrika 52:437, doi:10.1093/biomet/52.3-4.437; Phillips (1990), doi:10.1007/BF01063556.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from trials.checks import Choice
from trials.errors import TrialError

NODES = 128
"""Gauss-Legendre nodes over the part of the chi distribution that counts; agrees with adaptive quadrature to 1e-11."""
REACH = 8.0
"""Integration reaches this far from sqrt(df); the chi distribution's SD is below 0.71, so under 1e-15 is left out."""
LARGEST = 10_000
"""Largest trial that is tried in a search."""


class Layout(NamedTuple):
    """What a design does to the comparison of two of its treatments, without carry-over."""

    groups: int
    """Sequences, or parallel groups."""
    per_subject: int
    """Degrees of freedom of the residual are this for a subject, less ``lost``."""
    lost: int
    constant: float
    """Variance of the estimated difference: this times that within subjects times the sum of 1/n of the groups."""


LAYOUTS = {
    "2x2": Layout(2, 1, 2, 1 / 2),
    "2x2x3": Layout(2, 2, 3, 3 / 8),
    "2x2x4": Layout(2, 3, 4, 1 / 4),
    "2x3x3": Layout(3, 2, 3, 1 / 6),
    "3x3": Layout(3, 2, 4, 2 / 9),
    "3x6x3": Layout(6, 2, 4, 1 / 18),
    "4x4": Layout(4, 3, 6, 1 / 8),
    "parallel": Layout(2, 1, 2, 1.0),
}
"""Designs as bioequivalence calls them, treatments x sequences x periods: ``2x2x3`` is TRT/RTR, ``2x2x4`` TRTR/RTRT,
``2x3x3`` TRR/RTR/RRT, ``3x3`` a Latin square, ``3x6x3`` and ``4x4`` Williams designs. Chow & Liu (2008),
doi:10.1201/9781420011678, chapters 3, 9 and 10; sequences of equal size, or as equal as can be."""


class Size(NamedTuple):
    """A trial that is large enough: subjects, all sequences together, and its exact power."""

    n: int
    power: float


def owens_q(df: ArrayLike, t: ArrayLike, delta: ArrayLike, upper: ArrayLike) -> np.ndarray:
    """Return Owen's Q: the integral of Phi(t x / sqrt(df) - delta) over the chi distribution from 0 to ``upper``.

    Parameters
    ----------
    df
        Degrees of freedom, above 0; as the other parameters, of any shape that broadcasts.
    t, delta
        Bound and noncentrality.
    upper
        Upper end; with infinity it is the noncentral t distribution.

    Returns
    -------
    ndarray of the broadcast shape.
    """
    df, t, delta, upper = np.broadcast_arrays(*(np.asarray(value, float) for value in (df, t, delta, upper)))
    low = np.maximum(np.sqrt(df) - REACH, 0.0)
    high = np.maximum(np.minimum(upper, np.sqrt(df) + REACH), low)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    x = low[..., None] + (high - low)[..., None] * (nodes + 1) / 2
    df, t, delta = df[..., None], t[..., None], delta[..., None]
    log_density = (
        (df - 1) * np.log(np.where(x > 0, x, 1.0)) - x**2 / 2 - special.gammaln(df / 2) - (df / 2 - 1) * np.log(2)
    )
    integrand = special.ndtr(t * x / np.sqrt(df) - delta) * np.exp(log_density)
    total: np.ndarray = (integrand * weights).sum(axis=-1) * (high - low) / 2
    return total


def bioequivalence(
    cv: ArrayLike,
    n: ArrayLike,
    ratio: ArrayLike = 0.95,
    *,
    lower: float = 0.80,
    upper: float = 1.25,
    alpha: float = 0.05,
    design: str = "2x2",
) -> np.ndarray:
    """Return the exact power of two one-sided tests.

    Parameters
    ----------
    cv
        Within-subject coefficient of variation as a fraction, of parallel groups the total one; as ``n`` and ``ratio``,
        of any shape that broadcasts.
    n
        Subjects that complete, all sequences together; one that the sequences do not divide makes some larger by one.
    ratio
        True ratio of geometric means.
    lower, upper, alpha
        Limits of the ratio and level of each one-sided test.
    design
        One of `LAYOUTS`.

    Returns
    -------
    ndarray of the broadcast shape, 0-dimensional when all are numbers.

    Raises
    ------
    TrialError
        When a parameter is out of its range.
    """
    cv, n, ratio = np.broadcast_arrays(*(np.asarray(value, float) for value in (cv, n, ratio)))
    layout = _layout(design)
    _check(cv, n, ratio, (lower, upper, alpha), layout)
    df = layout.per_subject * n - layout.lost
    sizes = [np.floor((n + place) / layout.groups) for place in range(layout.groups)]
    spread = np.sqrt(np.log1p(cv**2) * layout.constant * sum(1 / size for size in sizes))
    above, below = np.log(ratio / lower) / spread, np.log(ratio / upper) / spread
    quantile = special.stdtrit(df, 1 - alpha)
    end = np.sqrt(df) * (above - below) / (2 * quantile)
    power = owens_q(df, -quantile, below, end) - owens_q(df, quantile, above, end)
    return np.asarray(np.maximum(power, 0.0))


def sample_size(
    cv: float,
    ratio: float = 0.95,
    *,
    target: float = 0.80,
    lower: float = 0.80,
    upper: float = 1.25,
    alpha: float = 0.05,
    design: str = "2x2",
) -> Size:
    """Return the smallest trial with sequences of equal size that reaches the target power.

    Raises
    ------
    TrialError
        When a parameter is out of its range, or no trial of reasonable size reaches the target.
    """
    if not 0 < target < 1:
        raise TrialError(f"target: got {target!r}, wanted a power in (0, 1)")
    if not lower < ratio < upper:
        raise TrialError(
            f"ratio: got {ratio!r}, wanted a true ratio within ({lower:g}, {upper:g}): no size is enough else"
        )
    step = _layout(design).groups
    sizes = step * np.arange(2, 130)
    while sizes[0] < LARGEST:
        power = bioequivalence(cv, sizes, ratio, lower=lower, upper=upper, alpha=alpha, design=design)
        enough = power >= target
        if enough.any():
            first = int(enough.argmax())
            return Size(int(sizes[first]), float(power[first]))
        sizes = sizes + 128 * step
    raise TrialError(f"ratio: got {ratio!r} at a cv of {cv!r}, wanted one for which some n up to {LARGEST} is enough")


def _layout(design: str) -> Layout:
    return LAYOUTS[Choice(tuple(LAYOUTS))("design", design)]


def _check(cv: np.ndarray, n: np.ndarray, ratio: np.ndarray, rule: tuple[float, float, float], layout: Layout) -> None:
    """Refuse what has no power, naming the parameter."""
    lower, upper, alpha = rule
    least = max(3, layout.groups)
    for name, values, holds, wanted in (
        ("cv", cv, (cv > 0) & np.isfinite(cv), "a fraction above 0"),
        ("n", n, (n >= least) & (n == np.floor(n)) & np.isfinite(n), f"a whole number of {least} or more"),
        ("ratio", ratio, (ratio > 0) & np.isfinite(ratio), "a ratio above 0"),
        ("lower", lower, 0 < lower < upper, "a limit above 0 and below upper"),
        ("alpha", alpha, 0 < alpha < 0.5, "a level in (0, 0.5)"),
    ):
        if not np.all(holds):
            got = np.asarray(values)[~np.broadcast_to(holds, np.shape(values))].ravel()[0]
            raise TrialError(f"{name}: got {float(got):g}, wanted {wanted}")
