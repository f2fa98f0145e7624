"""Sample size and power of tests of means: one group or two, Student's t or known standard deviation.

Chow, Shao, Wang & Lokhnygina (2017), doi:10.1201/9781315183084, chapter 3; group-sequential by the inflation factor,
Jennison & Turnbull (2000), chapter 3.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from trials.boundaries.base import Bounds
from trials.boundaries.sizes import Power, SampleSize, check_design, direction_of, powered, sized, solve_size
from trials.checks import Number, refuse

type Array = np.ndarray


def sample_size_means(
    bounds: Bounds,
    difference: float,
    sd: float,
    *,
    power: float = 0.8,
    margin: float = 0.0,
    ratio: float = 1.0,
    groups: int = 2,
    normal: bool = False,
) -> SampleSize:
    """Return the sample size of a comparison of means.

    Parameters
    ----------
    bounds
        Boundary of the design; `fixed` for one without interim looks.
    difference
        True difference of means, or with one group the true mean.
    sd
        Standard deviation in each group.
    power
        Probability of success.
    margin
        Difference under the null hypothesis; the test is one-sided in the direction from it to ``difference``.
    ratio
        Subjects on test for one on control.
    groups
        1 or 2.
    normal
        True: the standard deviation is known and the test normal; false: Student's t.

    Raises
    ------
    TrialError
        When a parameter is out of its range or no size is enough.
    """
    check_design(power, ratio, groups)
    effect = _effect(difference, margin, sd)
    if effect == 0:
        raise refuse("difference", difference, f"a difference other than the margin {margin:g}")
    least = groups + 1e-3
    found = solve_size(
        power, lambda n: _fixed_power(bounds, n, abs(effect) * _scale(ratio, groups), groups, normal), least
    )

    def effects(n: Array) -> Array:
        return _critical(bounds, n, margin, np.sign(effect) * sd / _scale(ratio, groups), None if normal else groups)

    return sized(bounds, power, found, ratio=ratio, groups=groups, effects=effects)


def power_means(
    bounds: Bounds,
    n: float,
    difference: float,
    sd: float,
    *,
    margin: float = 0.0,
    ratio: float = 1.0,
    groups: int = 2,
    normal: bool = False,
    greater: bool = True,
) -> Power:
    """Return the power of a comparison of means with ``n`` subjects at the last look, both groups together.

    ``greater`` is the direction of a one-sided alternative: a difference above the margin; by a two-sided design the
    effects at the bounds are on the side of the true one. Other parameters are those
    of `sample_size_means`. With Student's t, stopping is that of the normal statistic with the same power in the fixed
    design.
    """
    check_design(None, ratio, groups)
    n = Number(above=groups)("n", n)
    effect = _effect(difference, margin, sd)
    direction = direction_of(effect, bounds, greater)
    achieved = _fixed_power(bounds, n, direction * effect * _scale(ratio, groups), groups, normal)

    def effects(sizes: Array) -> Array:
        return _critical(bounds, sizes, margin, direction * sd / _scale(ratio, groups), None if normal else groups)

    return powered(bounds, n, achieved, effects)


def _effect(difference: float, margin: float, sd: float) -> float:
    """Distance from the margin in standard deviations."""
    distance = Number()("difference", difference) - Number()("margin", margin)
    return distance / Number(above=0)("sd", sd)


def _scale(ratio: float, groups: int) -> float:
    """What the root of the sample size is multiplied by to give that of the information per variance."""
    return float(np.sqrt(ratio) / (1 + ratio)) if groups == 2 else 1.0


def _fixed_power(bounds: Bounds, n: float, effect: float, groups: int, normal: bool) -> float:
    """Power of the fixed design on the side of the alternative, ``effect`` times √n being the noncentrality."""
    level, mean = bounds.alpha / bounds.sided, effect * np.sqrt(n)
    if normal:
        return float(special.ndtr(mean + special.ndtri(level)))
    df = n - groups
    return float(special.nctdtr(df, -mean, special.stdtrit(df, level)))


def _critical(bounds: Bounds, n: Array, margin: float, spread: float, groups: int | None) -> Array:
    """Observed difference at the efficacy bounds; by Student's t when the number of groups is given."""
    at = bounds.efficacy
    if groups is not None:
        df = np.maximum(n - groups, 1e-3)
        at = np.where(np.isfinite(at), -special.stdtrit(df, bounds.stage_levels), at)
    return np.asarray(margin + at * spread / np.sqrt(n))
