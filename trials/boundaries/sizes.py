"""A sample size and what the design does with it; the same for every kind of endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from trials.boundaries.base import Bounds
from trials.boundaries.performance import expected, inflation_factor, stop_probabilities
from trials.checks import Number, refuse

type Array = np.ndarray

LARGEST = 1e9
"""Largest sample size that a search tries."""


class SampleSize(NamedTuple):
    """Subjects of a design; not rounded, so that a person chooses how."""

    fixed: float
    """Subjects of the fixed design of the same level and power, both groups together."""
    maximum: float
    """Subjects when the trial goes to its last look."""
    test: Array
    """Subjects on test at each look (look,)."""
    control: Array
    """Subjects on control at each look (look,); 0 when there is one group."""
    expected: float
    """Expected number of subjects under the alternative."""
    expected_null: float
    """Expected number of subjects under the null hypothesis."""
    efficacy: Array
    """Probability (look,) of stopping for efficacy under the alternative."""
    futility: Array
    """Probability (look,) of stopping for futility under the alternative."""
    critical_effects: Array
    """Observed effect (look,) at the efficacy bound."""


class Power(NamedTuple):
    """What a design of a given size does under an alternative."""

    power: float
    """Probability of rejecting; by a two-sided design, on either side."""
    efficacy: Array
    """Probability (look,) of stopping for efficacy."""
    futility: Array
    """Probability (look,) of stopping for futility."""
    expected: float
    """Expected number of subjects."""
    drift: float
    """Expected statistic when all the information is there."""
    critical_effects: Array
    """Observed effect (look,) at the efficacy bound."""


def solve_size(power: float, achieved: Callable[[float], float], least: float) -> float:
    """Return the sample size, not rounded, at which a fixed design has its power.

    Raises
    ------
    TrialError
        When no size up to a thousand million is enough.
    """
    high = 2 * least
    while achieved(high) < power:
        high *= 2
        if high > LARGEST:
            raise refuse("power", power, f"a power that some size up to {LARGEST:g} reaches")
    if achieved(least) >= power:
        return least
    return float(optimize.brentq(lambda n: achieved(n) - power, least, high, xtol=1e-9, rtol=1e-14))


def sized(
    bounds: Bounds, power: float, fixed: float, *, ratio: float, groups: int, effects: Callable[[Array], Array]
) -> SampleSize:
    """Return the sample size of a group-sequential design from that of the fixed one, by the inflation factor."""
    maximum = fixed * inflation_factor(bounds, power)
    n = maximum * bounds.information_rates / bounds.information_rates[-1]
    drift = equivalent_drift(bounds, power) * np.sqrt(maximum / fixed)
    found = stop_probabilities(bounds, np.array([0.0, drift]))
    expectation = expected(n, found)
    test = n * (ratio / (1 + ratio) if groups == 2 else 1.0)
    return SampleSize(
        fixed=fixed,
        maximum=maximum,
        test=test,
        control=n - test,
        expected=float(expectation[1]),
        expected_null=float(expectation[0]),
        efficacy=found.efficacy[1],
        futility=found.futility[1],
        critical_effects=effects(n),
    )


def powered(bounds: Bounds, n: float, achieved: float, effects: Callable[[Array], Array]) -> Power:
    """Return what a group-sequential design of a size does, from the power of the fixed design of that size.

    ``achieved`` is that power on one side.
    """
    drift = equivalent_drift(bounds, achieved)
    sizes = n * bounds.information_rates / bounds.information_rates[-1]
    found = stop_probabilities(bounds, drift).rejecting(bounds.sided)
    return Power(
        power=float(found.power),
        efficacy=found.efficacy,
        futility=found.futility,
        expected=float(expected(sizes, found)),
        drift=drift,
        critical_effects=effects(sizes),
    )


def equivalent_drift(bounds: Bounds, power: float) -> float:
    """Return the drift with which a fixed test of a normal statistic has a power."""
    return float(special.ndtri(1 - bounds.alpha / bounds.sided) + special.ndtri(power))


def direction_of(effect: float, bounds: Bounds, greater: bool) -> float:
    """Return 1 or -1: the direction of a one-sided alternative, and of a two-sided one that of the true effect."""
    upward = greater if bounds.sided == 1 else effect >= 0
    return 1.0 if upward else -1.0


def check_design(power: float | None, ratio: float, groups: int = 2) -> None:
    """Refuse a power, an allocation ratio or a number of groups that is none."""
    if power is not None:
        Number(above=0, below=1)("power", power)
    Number(above=0)("ratio", ratio)
    if groups not in (1, 2):
        raise refuse("groups", groups, "1 or 2")
