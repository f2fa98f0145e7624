"""The virtual calendar of a simulated trial: ISO 8601 texts, study days and durations.

A simulated trial has no calendar. Ours opens on Monday 2000-01-03, a date on which no trial of ours was run, and every
subject is randomised at 08:00 on the day of enrolment; all times are counted from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from trials.checks import refuse

type Array = np.ndarray

OPENED = np.datetime64("2000-01-03T00:00:00", "s")
"""When a trial opens."""
MORNING = 8 * 3600.0
"""Seconds after midnight at which a subject is randomised."""
DAY = 86400.0
SECONDS: Mapping[str, float] = MappingProxyType(
    {"s": 1.0, "min": 60.0, "h": 3600.0, "d": DAY, "day": DAY, "week": 7 * DAY, "month": 365.25 * DAY / 12,
     "year": 365.25 * DAY, "a": 365.25 * DAY}
)  # fmt: skip
"""Seconds in a unit of time; a year has 365.25 days."""


def seconds(unit: str) -> float:
    """Seconds in a model's unit of time.

    Raises
    ------
    TrialError
        When it is none that is known.
    """
    if unit not in SECONDS:
        raise refuse("model.time", unit, f"one of {', '.join(SECONDS)}")
    return SECONDS[unit]


def starts(enrolled: Array, unit: float) -> Array:
    """Time of randomisation (subject,) as datetime64[s]: 08:00 of the day of enrolment."""
    days = np.floor(enrolled * unit / DAY)
    return np.asarray(OPENED + (days * DAY + MORNING).astype("timedelta64[s]"))


def text(times: Array) -> Array:
    """Times as ISO 8601 to the second, empty where there is none (NaT)."""
    made = np.datetime_as_string(times.astype("datetime64[s]"), unit="s").astype(object)
    made[np.isnat(times)] = ""
    return np.asarray(made)


def after(start: Array, time: Array, unit: float) -> Array:
    """Times `time` units after `start`, to the second; NaT where the time is infinite or missing."""
    known = np.isfinite(time)
    whole = np.round(np.where(known, time, 0.0) * unit).astype("timedelta64[s]")
    return np.asarray(np.where(known, start + whole, np.datetime64("NaT", "s")))


def day(times: Array, start: Array) -> Array:
    """Study day: 1 on the day of the start, -1 on the day before; NaN where there is no time."""
    apart = (times.astype("datetime64[D]") - start.astype("datetime64[D]")).astype("timedelta64[D]")
    days = apart.astype(np.float64)
    days[np.isnat(times)] = np.nan
    return np.asarray(np.where(days >= 0, days + 1, days))


def planned_day(time: Array | float, unit: float) -> Array:
    """Study day of a planned time after randomisation."""
    return np.asarray(np.floor((np.asarray(time) * unit + MORNING) / DAY + 1e-9) + 1)


def duration(time: float, unit: float) -> str:
    """Duration as ISO 8601: ``P7D``, ``PT1H30M``, to the second."""
    total = round(abs(time) * unit)
    days, rest = divmod(total, int(DAY))
    hours, minutes, left = rest // 3600, rest % 3600 // 60, rest % 60
    clock = "".join(f"{n}{letter}" for n, letter in ((hours, "H"), (minutes, "M"), (left, "S")) if n)
    made = f"P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}"
    return ("-" if time < 0 else "") + (made if made != "P" else "PT0S")
