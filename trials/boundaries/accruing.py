"""Events and subjects that a survival trial is expected to have on a day of the calendar.

Subjects enter at rates constant in intervals; events have hazards constant in intervals, loss to follow-up a constant
one: Lachin & Foulkes (1986), doi:10.2307/2531201. All integrals are closed forms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from trials.checks import Number, fields, refuse

type Array = np.ndarray


class Arms(NamedTuple):
    """Expected numbers on test and on control."""

    test: Array
    control: Array

    @property
    def total(self) -> Array:
        """Both together."""
        return np.asarray(self.test + self.control)


@dataclass(frozen=True, slots=True)
class SurvivalPlan:
    """Accrual, events and losses of a survival trial with two arms; one unit of time for all."""

    control: tuple[float, ...]
    """Hazard of the event on control, in each interval of time since randomisation."""
    hazard_ratio: float
    """Of test to control."""
    accrual: tuple[float, ...]
    """Subjects that enter per unit of time in each interval of the calendar; relative when a sample size is sought."""
    accrual_ends: tuple[float, ...]
    """Calendar time at which each of these intervals ends; the last is the end of accrual."""
    starts: tuple[float, ...] = (0.0,)
    """Time since randomisation at which each interval of the hazard begins."""
    dropout_test: float = 0.0
    """Hazard of loss to follow-up on test."""
    dropout_control: float = 0.0
    """Hazard of loss to follow-up on control."""
    ratio: float = 1.0
    """Subjects on test for one on control."""

    def __post_init__(self) -> None:
        """Coerce and check the fields."""
        fields(self, "plan", control=_rates, accrual=_rates, hazard_ratio=Number(above=0), ratio=Number(above=0))
        fields(self, "plan", dropout_test=Number(least=0), dropout_control=Number(least=0))
        fields(self, "plan", starts=_times, accrual_ends=_times)
        if self.starts[0] != 0 or len(self.starts) != len(self.control):
            raise refuse("plan.starts", self.starts, f"0 and {len(self.control) - 1} later times, as plan.control has")
        if self.accrual_ends[0] <= 0 or len(self.accrual_ends) != len(self.accrual):
            raise refuse("plan.accrual_ends", self.accrual_ends, f"{len(self.accrual)} times above 0, as plan.accrual")

    def scaled(self, factor: float) -> SurvivalPlan:
        """Return the plan with a multiple of the accrual."""
        return replace(self, accrual=tuple(rate * factor for rate in self.accrual))


def dropout_hazard(share: float, time: float) -> float:
    """Return the hazard with which a share of the subjects is lost by a time."""
    return float(-np.log1p(-Number(least=0, below=1)("share", share)) / Number(above=0)("time", time))


def expected_subjects(plan: SurvivalPlan, time: ArrayLike) -> Array:
    """Return how many subjects are enrolled by a calendar time, of any shape."""
    times = np.asarray(time, float)[..., None]
    begins = np.array((0.0, *plan.accrual_ends[:-1]))
    stay = np.clip(times, begins, plan.accrual_ends) - begins
    return np.asarray((stay * plan.accrual).sum(axis=-1))


def expected_events(plan: SurvivalPlan, time: ArrayLike, *, null: bool = False) -> Arms:
    """Return how many events there are by a calendar time, of any shape.

    Parameters
    ----------
    plan
        The trial.
    time
        Calendar time since the first subject could enter.
    null
        True: without a difference of the arms, with the hazard that both have on average in the plan.
    """
    times = np.asarray(time, float)
    hazards = np.asarray(plan.control)
    share = plan.ratio / (1 + plan.ratio)
    if null:
        pooled = hazards * (1 + plan.ratio * plan.hazard_ratio) / (1 + plan.ratio)
        each = (pooled, pooled)
    else:
        each = (hazards * plan.hazard_ratio, hazards)
    dropouts = (plan.dropout_test, plan.dropout_control)
    test, control = (_events(plan, times, hazard, dropout) for hazard, dropout in zip(each, dropouts, strict=True))
    return Arms(share * test, (1 - share) * control)


def time_of_events(plan: SurvivalPlan, events: ArrayLike) -> Array:
    """Return the calendar time by which a number of events, of any shape, is expected: inf when it never is."""
    wanted = np.asarray(events, float)
    return np.array([_time(plan, float(each)) for each in wanted.ravel()]).reshape(wanted.shape)


def _time(plan: SurvivalPlan, events: float) -> float:
    def short(time: float) -> float:
        return float(expected_events(plan, time).total) - events

    high = plan.accrual_ends[-1]
    while short(high) < 0:
        high *= 2
        if high > 1e6 * plan.accrual_ends[-1]:
            return float("inf")
    return float(optimize.brentq(short, 0.0, high, xtol=1e-12, rtol=1e-14))


def _events(plan: SurvivalPlan, times: Array, hazards: Array, dropout: float) -> Array:
    """Events by a calendar time if all subjects were on one arm."""
    begins = np.array((0.0, *plan.accrual_ends[:-1]))
    area = _area(times[..., None] - begins, hazards, dropout, plan.starts)
    area = area - _area(times[..., None] - np.array(plan.accrual_ends), hazards, dropout, plan.starts)
    return np.asarray((area * plan.accrual).sum(axis=-1))


def _area(time: Array, hazards: Array, dropout: float, starts: tuple[float, ...]) -> Array:
    """Integral from 0 to a time of the probability of an observed event; 0 for times below 0."""
    time = np.maximum(time, 0.0)
    total, reached, staying = np.zeros_like(time), 0.0, 1.0
    for hazard, begin, end in zip(hazards, starts, (*starts[1:], np.inf), strict=True):
        leaving = hazard + dropout
        here = np.clip(time - begin, 0.0, end - begin)
        share = hazard / leaving * staying if leaving > 0 else 0.0
        gone = -np.expm1(-leaving * here)
        total = total + reached * here + share * (here - (gone / leaving if leaving > 0 else here))
        if np.isfinite(end):
            reached += share * -np.expm1(-leaving * (end - begin))
            staying *= np.exp(-leaving * (end - begin))
    return np.asarray(total)


def _rates(where: str, value: object) -> tuple[float, ...]:
    made = _several(where, value)
    if not any(made):
        raise refuse(where, made, "rates of which one is above 0")
    return made


def _times(where: str, value: object) -> tuple[float, ...]:
    made = _several(where, value)
    if any(later <= earlier for earlier, later in pairwise(made)):
        raise refuse(where, made, "increasing times")
    return made


def _several(where: str, value: object) -> tuple[float, ...]:
    if isinstance(value, str):
        raise refuse(where, value, "a list of numbers of 0 or more")
    made = tuple(Number(least=0)(where, each) for each in (value if isinstance(value, Iterable) else (value,)))
    if not made:
        raise refuse(where, made, "one number or more")
    return made
