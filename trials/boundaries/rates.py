"""Sample size and power of tests of rates: one group or two, by difference or ratio.

The variance under the null hypothesis is that at the maximum likelihood estimate restricted to it: Farrington & Manning
(1990), doi:10.1002/sim.4780091208; without a margin that is the pooled rate.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

from trials.boundaries.base import Bounds
from trials.boundaries.sizes import Power, SampleSize, check_design, direction_of, powered, sized
from trials.checks import Choice, Number, refuse

type Array = np.ndarray

MEASURES = ("difference", "ratio")
_RATE = Number(least=0, most=1)


def sample_size_rates(
    bounds: Bounds,
    test: float,
    control: float | None = None,
    *,
    power: float = 0.8,
    margin: float | None = None,
    ratio: float = 1.0,
    measure: str = "difference",
) -> SampleSize:
    """Return the sample size of a comparison of rates by a normal test.

    Parameters
    ----------
    bounds
        Boundary of the design; `fixed` for one without interim looks.
    test
        True rate on test.
    control
        True rate on control; ``None``: there is one group, whose rate is compared with the margin.
    power
        Probability of success.
    margin
        Value of the measure under the null hypothesis: 0 for a difference, 1 for a ratio, 0.5 for one group when left
        out. The test is one-sided in the direction from it to the true value.
    ratio
        Subjects on test for one on control.
    measure
        ``difference`` or ``ratio`` of the rates.

    Raises
    ------
    TrialError
        When a parameter is out of its range, or the true rates satisfy the null hypothesis.
    """
    check_design(power, ratio)
    margin = _margin(margin, control, measure)
    null, true, distance = _spread(test, control, margin, ratio, measure)
    if distance == 0:
        raise refuse("test", test, f"a rate that differs from the margin {margin:g}")
    level = bounds.alpha / bounds.sided
    root = special.ndtri(1 - level) * np.sqrt(null) + special.ndtri(power) * np.sqrt(true)
    n_test = float((root / distance) ** 2)
    groups = 1 if control is None else 2
    n = n_test * (1 + 1 / ratio) if groups == 2 else n_test
    sign = float(np.sign(distance))

    def effects(sizes: Array) -> Array:
        return _critical(bounds, sizes, (control, margin, measure), ratio, sign)

    return sized(bounds, power, n, ratio=ratio, groups=groups, effects=effects)


def power_rates(
    bounds: Bounds,
    n: float,
    test: float,
    control: float | None = None,
    *,
    margin: float | None = None,
    ratio: float = 1.0,
    measure: str = "difference",
    greater: bool = True,
) -> Power:
    """Return the power of a comparison of rates with ``n`` subjects at the last look, both groups together.

    ``greater`` is the direction of a one-sided alternative: a measure above the margin; by a two-sided design the
    effects at the bounds are on the side of the true one. Other parameters are those of `sample_size_rates`.
    """
    check_design(None, ratio)
    n = Number(above=1)("n", n)
    margin = _margin(margin, control, measure)
    null, true, distance = _spread(test, control, margin, ratio, measure)
    direction = direction_of(distance, bounds, greater)
    n_test = n if control is None else n * ratio / (1 + ratio)
    level = bounds.alpha / bounds.sided
    deviate = direction * distance * np.sqrt(n_test) - special.ndtri(1 - level) * np.sqrt(null)
    achieved = float(special.ndtr(deviate / np.sqrt(true)))

    def effects(sizes: Array) -> Array:
        return _critical(bounds, sizes, (control, margin, measure), ratio, direction)

    return powered(bounds, n, achieved, effects)


def restricted_rates(test: float, control: float, margin: float, ratio: float, measure: str) -> tuple[float, float]:
    """Return the rates on test and control that are most likely under the null hypothesis.

    Parameters
    ----------
    test, control
        Rates in large samples of sizes ``ratio`` to 1.
    margin
        Difference or ratio under the null hypothesis.
    ratio
        Subjects on test for one on control.
    measure
        ``difference`` or ``ratio``.

    Returns
    -------
    The rates on test and control: Farrington & Manning's closed forms, here with the sample sizes as weights.
    """
    weight = 1 / ratio
    if measure == "ratio":
        a, b = 1 + weight, -(margin * (1 + weight * control) + weight + test)
        c = margin * (test + weight * control)
        found = (-b - np.sqrt(b * b - 4 * a * c)) / (2 * a)
        return float(found), float(found / margin)
    a, b = 1 + weight, -(1 + weight + test + weight * control + margin * (weight + 2))
    c = margin**2 + margin * (2 * test + weight + 1) + test + weight * control
    d = -test * margin * (1 + margin)
    v = b**3 / (3 * a) ** 3 - b * c / (6 * a * a) + d / (2 * a)
    u = (1.0 if v >= 0 else -1.0) * np.sqrt(max(b * b / (3 * a) ** 2 - c / (3 * a), 0.0))
    if u == 0:
        found = -b / (3 * a)
    else:
        angle = (np.pi + np.arccos(np.clip(v / u**3, -1.0, 1.0))) / 3
        found = 2 * u * np.cos(angle) - b / (3 * a)
    found = min(max(found, max(0.0, margin)), min(1.0, 1.0 + margin))
    return float(found), float(found - margin)


def _margin(margin: float | None, control: float | None, measure: str) -> float:
    Choice(MEASURES)("measure", measure)
    if control is None:
        return Number(above=0, below=1)("margin", 0.5 if margin is None else margin)
    if measure == "ratio":
        return Number(above=0)("margin", 1.0 if margin is None else margin)
    return Number(above=-1, below=1)("margin", 0.0 if margin is None else margin)


def _spread(
    test: float, control: float | None, margin: float, ratio: float, measure: str
) -> tuple[float, float, float]:
    """Variance of the test's numerator per subject on test, under the null and in truth, and its mean."""
    test = _RATE("test", test)
    if control is None:
        return margin * (1 - margin), test * (1 - test), test - margin
    control = _RATE("control", control)
    weight, times = (ratio * margin**2, margin) if measure == "ratio" else (ratio, 1.0)
    high, low = restricted_rates(test, control, margin, ratio, measure)
    null = high * (1 - high) + low * (1 - low) * weight
    true = test * (1 - test) + control * (1 - control) * weight
    return null, true, test - (control * times if measure == "ratio" else control + margin)


def _critical(
    bounds: Bounds, n: Array, against: tuple[float | None, float, str], ratio: float, direction: float
) -> Array:
    """Observed effect at the efficacy bounds, the rate on control being the true one; NaN where no rate reaches it."""
    control, margin, measure = against
    start = margin if control is None else control * margin if measure == "ratio" else control + margin
    sizes = n if control is None else n * ratio / (1 + ratio)
    made = []
    for size, bound in zip(sizes, bounds.efficacy, strict=True):

        def over(rate: float, size: float = size, bound: float = bound) -> float:
            null, _, distance = _spread(rate, control, margin, ratio, measure)
            return float(direction * distance - bound * np.sqrt(null / size))

        end = 1.0 if direction > 0 else 0.0
        if not np.isfinite(bound) or over(end) < 0:
            made.append(np.nan)
            continue
        rate = float(optimize.brentq(over, *sorted((start, end)), xtol=1e-13))
        made.append(rate if control is None else rate / control if measure == "ratio" else rate - control)
    return np.array(made)
