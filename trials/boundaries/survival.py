"""Sample size and power of the log-rank test: events, subjects, and how long the trial takes.

Events by Schoenfeld (1981), doi:10.1093/biomet/68.1.316, Freedman (1982), doi:10.1002/sim.4780010204, or Hsieh &
Freedman; or with the variances under both hypotheses, Lachin & Foulkes (1986), doi:10.2307/2531201.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from trials.boundaries.accruing import SurvivalPlan, expected_events, expected_subjects, time_of_events
from trials.boundaries.base import Bounds
from trials.boundaries.performance import StopProbabilities, expected, inflation_factor, stop_probabilities
from trials.boundaries.sizes import equivalent_drift
from trials.checks import Choice, Number, refuse

type Array = np.ndarray

METHODS = ("schoenfeld", "freedman", "hsieh_freedman", "lachin_foulkes")


class SurvivalDesign(NamedTuple):
    """A survival trial under its alternative; arrays are (look,). Numbers are not rounded."""

    events_fixed: float
    """Events of the fixed design with the same level and power; of a trial whose size is given, NaN."""
    subjects: float
    """Subjects that enter when the trial goes to its last look."""
    events: Array
    """Events at each look."""
    times: Array
    """Calendar time at which they are expected."""
    enrolled: Array
    """Subjects enrolled by then."""
    efficacy: Array
    """Probability of stopping for efficacy at each look."""
    futility: Array
    """Probability of stopping for futility at each look."""
    expected_events: float
    expected_events_null: float
    """Expected number of events without an effect."""
    expected_subjects: float
    duration: float
    """Expected calendar time at which the trial stops."""
    critical_hazard_ratios: Array
    """Observed hazard ratio at the efficacy bound."""
    plan: SurvivalPlan
    """With the accrual that the design needs."""

    @property
    def power(self) -> float:
        """Probability of rejecting; by `power_survival` and a two-sided design, on either side."""
        return float(self.efficacy.sum())


def fixed_events(
    bounds: Bounds, hazard_ratio: float, *, power: float = 0.8, margin: float = 1.0, ratio: float = 1.0,
    method: str = "schoenfeld",
) -> float:  # fmt: skip
    """Return the events that a fixed log-rank test needs, not rounded.

    Parameters
    ----------
    bounds
        Gives the level.
    hazard_ratio
        True hazard ratio.
    power
        Probability of success.
    margin
        Hazard ratio under the null hypothesis.
    ratio
        Subjects on test for one on control.
    method
        ``schoenfeld``, ``freedman`` or ``hsieh_freedman``.
    """
    Choice(METHODS[:3])("method", method)
    root = _root(hazard_ratio, margin, ratio, method)
    if root == 0:
        raise refuse("hazard_ratio", hazard_ratio, f"one that differs from the margin {margin:g}")
    return float((equivalent_drift(bounds, Number(above=0, below=1)("power", power)) / root) ** 2)


def sample_size_survival(
    bounds: Bounds, plan: SurvivalPlan, follow_up: float, *, power: float = 0.8, margin: float = 1.0,
    method: str = "schoenfeld",
) -> SurvivalDesign:  # fmt: skip
    """Return the size of a survival trial whose duration is given.

    Parameters
    ----------
    bounds
        Boundary of the design; its information is the number of events.
    plan
        Accrual (relative rates), hazards and losses.
    follow_up
        Time from the end of accrual to the last look.
    power
        Probability of success.
    margin
        Hazard ratio under the null hypothesis.
    method
        ``schoenfeld``, ``freedman``, ``hsieh_freedman`` or ``lachin_foulkes``.

    Raises
    ------
    TrialError
        When a parameter is out of its range or there is no effect to be found.
    """
    end = plan.accrual_ends[-1] + Number(least=0)("follow_up", follow_up)
    power = Number(above=bounds.alpha / bounds.sided, below=1)("power", power)
    each = float(expected_events(plan, end).total)
    if Choice(METHODS)("method", method) == "lachin_foulkes":
        fixed = each * _lachin_foulkes(bounds, plan, end, power, margin)
    else:
        fixed = fixed_events(bounds, plan.hazard_ratio, power=power, margin=margin, ratio=plan.ratio, method=method)
    inflation = inflation_factor(bounds, power)
    drift = equivalent_drift(bounds, power) * np.sqrt(inflation)
    sized = plan.scaled(fixed * inflation / each)
    found = stop_probabilities(bounds, np.array([0.0, drift]))
    return _designed(bounds, sized, fixed * inflation, fixed, found, margin)


def power_survival(
    bounds: Bounds, plan: SurvivalPlan, events: float, *, margin: float = 1.0, method: str = "schoenfeld",
    greater: bool = False,
) -> SurvivalDesign:  # fmt: skip
    """Return the power of a survival trial that goes on to a number of events.

    Parameters
    ----------
    bounds
        Boundary of the design; its information is the number of events.
    plan
        Accrual (subjects per unit of time), hazards and losses.
    events
        Events at the last look.
    margin
        Hazard ratio under the null hypothesis.
    method
        ``schoenfeld``, ``freedman`` or ``hsieh_freedman``.
    greater
        Direction of a one-sided alternative: false, a hazard ratio below the margin.

    Raises
    ------
    TrialError
        When the trial never has so many events.
    """
    Choice(METHODS[:3])("method", method)
    events = Number(above=0)("events", events)
    if not np.isfinite(time_of_events(plan, events)):
        most = float(expected_events(plan, 1e6 * plan.accrual_ends[-1]).total)
        raise refuse("events", events, f"fewer than the {most:g} that are ever expected")
    drift = np.sqrt(events) * _root(plan.hazard_ratio, margin, plan.ratio, method) * (1 if greater else -1)
    found = stop_probabilities(bounds, np.array([0.0, drift])).rejecting(bounds.sided)
    return _designed(bounds, plan, events, np.nan, found, margin, sign=1.0 if greater else -1.0)


def _root(hazard_ratio: float, margin: float, ratio: float, method: str) -> float:
    """Drift per root of an event: positive for a hazard ratio above the margin."""
    relative = Number(above=0)("hazard_ratio", hazard_ratio) / Number(above=0)("margin", margin)
    if method == "schoenfeld":
        return float(np.log(relative) * np.sqrt(ratio) / (1 + ratio))
    if margin != 1:
        raise refuse("margin", margin, f"1, for method {method!r}")
    if method == "freedman":
        return float(np.sqrt(ratio) * (hazard_ratio - 1) / (1 + ratio * hazard_ratio))
    return float(np.sqrt(ratio) / (1 + ratio) * 2 * (hazard_ratio - 1) / (hazard_ratio + 1))


def _lachin_foulkes(bounds: Bounds, plan: SurvivalPlan, end: float, power: float, margin: float) -> float:
    """Multiple of the accrual that a fixed design needs."""
    if plan.hazard_ratio == margin or margin != 1:
        raise refuse("margin", margin, "1 and a hazard ratio that is not, for method 'lachin_foulkes'")
    null, true = (np.sqrt(sum(1 / each for each in expected_events(plan, end, null=null))) for null in (True, False))
    level = bounds.alpha / bounds.sided
    root = special.ndtri(1 - level) * null + special.ndtri(power) * true
    return float((root / np.log(plan.hazard_ratio)) ** 2)


def _designed(
    bounds: Bounds, plan: SurvivalPlan, most: float, fixed: float, found: StopProbabilities, margin: float,
    *, sign: float | None = None,
) -> SurvivalDesign:  # fmt: skip
    """Return the whole design from stop probabilities (null and alternative, look)."""
    events = most * bounds.information_rates / bounds.information_rates[-1]
    times = time_of_events(plan, events)
    enrolled = expected_subjects(plan, times)
    under_null, true = (StopProbabilities(found.efficacy[i], found.futility[i]) for i in (0, 1))
    if sign is None:
        sign = float(np.sign(np.log(plan.hazard_ratio / margin)))
    information = np.sqrt(events * plan.ratio) / (1 + plan.ratio)
    return SurvivalDesign(
        events_fixed=fixed,
        subjects=float(expected_subjects(plan, plan.accrual_ends[-1])),
        events=events,
        times=times,
        enrolled=enrolled,
        efficacy=true.efficacy,
        futility=true.futility,
        expected_events=float(expected(events, true)),
        expected_events_null=float(expected(events, under_null)),
        expected_subjects=float(expected(enrolled, true)),
        duration=float(expected(times, true)),
        critical_hazard_ratios=margin * np.exp(sign * bounds.efficacy / information),
        plan=plan,
    )
