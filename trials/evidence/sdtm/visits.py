"""Planned visits: one for every study day on which something is measured, and the time points within a day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.evidence.sdtm import clock
from trials.evidence.sdtm.plan import Plan
from trials.protocol import Measurement, Protocol

type Array = np.ndarray

POINTS = "PC"
"""Domain whose values always have time points, also when there is one on a day."""


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """Planned visits of a trial.

    Attributes
    ----------
    numbers, names, days
        VISITNUM, VISIT and VISITDY in order (visit,).
    periods
        Index of the period of each visit (visit,).
    """

    numbers: Array
    names: Array
    days: Array
    periods: Array

    def of(self, days: Array, period: int) -> Array:
        """Index of the visit of planned days (any shape) of a period."""
        keys = self.periods * 1e6 + self.days
        return np.asarray(np.searchsorted(keys, period * 1e6 + days))


def planned(protocol: Protocol, starts: tuple[float, ...]) -> Visits:
    """Visits of a trial whose periods start at `starts`; each period has one on its first day."""
    unit = clock.seconds(protocol.model.time)
    found: set[tuple[int, int]] = set()
    for period, start in enumerate(starts):
        times = [0.0, *(time for one in protocol.measurements for time in one.times)]
        found |= {(period, int(day)) for day in clock.planned_day(start + np.asarray(times), unit)}
    ordered = sorted(found)
    names = [_name(day, period if len(starts) > 1 else None) for period, day in ordered]
    return Visits(
        numbers=np.arange(1.0, len(ordered) + 1),
        names=np.asarray(names, dtype=object),
        days=np.asarray([day for _, day in ordered], dtype=np.float64),
        periods=np.asarray([period for period, _ in ordered], dtype=np.float64),
    )


def pointed(measurement: Measurement, plan: Plan, unit: float) -> bool:
    """Whether a measurement has time points: concentrations, and what is measured several times on one day."""
    days = clock.planned_day(np.asarray(measurement.times), unit)
    return plan.measurements[measurement.name].domain == POINTS or len(set(days.tolist())) < len(days)


def point(time: float, unit: float) -> str:
    """Name of a time point after the start of a period."""
    hours = time * unit / 3600.0
    if hours == 0:
        return "PREDOSE"
    return f"{hours:.6g}H POSTDOSE"


def _name(day: int, period: int | None) -> str:
    """``DAY 1``, ``WEEK 4``; in a crossover ``PERIOD 2 DAY 8``."""
    week = (day - 1) // 7
    name = f"WEEK {week}" if day > 14 and (day - 1) % 7 == 0 and period is None else f"DAY {day}"
    return name if period is None else f"PERIOD {period + 1} {name}"
