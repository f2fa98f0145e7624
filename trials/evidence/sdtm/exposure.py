"""EX: what was taken; equal doses that follow each other at the interval of a known frequency are one record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from trials.conduct.doses import Given
from trials.evidence.sdtm import clock
from trials.evidence.sdtm.making import table
from trials.evidence.sdtm.plan import Treatment
from trials.evidence.sdtm.record import Record
from trials.evidence.table import Table

type Array = np.ndarray

ONCE = "ONCE"
INTERVALS: Mapping[str, float] = MappingProxyType({
    "TID": 8 * 3600.0, "BID": 12 * 3600.0, "QD": clock.DAY, "EVERY WEEK": 7 * clock.DAY,
    "EVERY 2 WEEKS": 14 * clock.DAY, "EVERY 3 WEEKS": 21 * clock.DAY, "EVERY 4 WEEKS": 28 * clock.DAY,
})  # fmt: skip
"""EXDOSFRQ and its interval in seconds."""
ROUNDING = 1e-6
"""Part of an interval by which a dose may be early: a dose due at the very end of treatment is not given."""


class Taken(NamedTuple):
    """A record of EX: place of the subject, name of the arm, and what was given from when to when."""

    subject: int
    arm: str
    treatment: str
    dose: float
    unit: str
    frequency: str
    start: float
    end: float


def exposure(record: Record) -> Table | None:
    """EX, or None when nobody is given anything."""
    taken = [one for place in range(len(record.subjects)) for one in _of_subject(record, place)]
    if not taken:
        return None
    subject = np.asarray([one.subject for one in taken])
    start, start_day = record.clocked(subject, np.asarray([one.start for one in taken]))
    end, end_day = record.clocked(subject, np.asarray([one.end for one in taken]))
    treatments = [record.plan.treatments[one.arm] for one in taken]
    values = {
        "USUBJID": record.names[subject],
        "EXTRT": [one.treatment for one in taken],
        "EXDOSE": [one.dose for one in taken],
        "EXDOSU": [one.unit for one in taken],
        "EXDOSFRM": [one.form for one in treatments],
        "EXDOSFRQ": [one.frequency for one in taken],
        "EXROUTE": [one.route for one in treatments],
        "EPOCH": record.epoch(subject, np.asarray([one.start for one in taken]))[0],
        "EXSTDTC": start,
        "EXENDTC": end,
        "EXSTDY": start_day,
        "EXENDY": end_day,
    }
    return table("EX", record.study, values)


def administrations(frame: pd.DataFrame) -> pd.DataFrame:
    """Write out single doses of EX: one record a dose, with EXSTDTC and EXENDTC of each.

    A constant treatment, which the model does not know as doses, is written out by its frequency too; one whose
    frequency has no interval (CONTINUOUS) stays one record.
    """
    start, end = (frame[name].to_numpy(dtype="datetime64[s]") for name in ("EXSTDTC", "EXENDTC"))
    every = frame["EXDOSFRQ"].map(INTERVALS).fillna(0.0).to_numpy()
    length = (end - start).astype(np.float64)
    count = np.where(every > 0, length // np.where(every > 0, every, 1.0), 0).astype(int) + 1
    rows = np.repeat(np.arange(len(frame)), count)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    single = frame.iloc[rows].reset_index(drop=True)
    times = start[rows] + (number * every[rows]).astype("timedelta64[s]")
    lasting = (length - (count - 1) * every)[rows].astype("timedelta64[s]")
    begins, ends = (np.datetime_as_string(each, unit="s") for each in (times, times + lasting))
    dosed = every[rows] > 0
    return single.assign(
        EXSTDTC=np.where(dosed, begins, single["EXSTDTC"].to_numpy(dtype=str)),
        EXENDTC=np.where(dosed, ends, single["EXENDTC"].to_numpy(dtype=str)),
    )


def _of_subject(record: Record, place: int) -> Iterator[Taken]:
    names = record.example.course.names
    arms = [names[index] for index in record.arms[place]]
    last = float(record.end[place])
    if any(record.plan.treatments[arm].doses == "protocol" for arm in arms):
        given = record.example.doses(int(record.subjects[place]))
        kept = [one for one in given if one.taken and one.time <= last and _simulated(record, arms[one.period])]
        yield from _together(record, place, arms, kept)
    for arm in dict.fromkeys(arms):
        if record.plan.treatments[arm].doses == "constant":
            yield from _constant(record, place, arm)


def _simulated(record: Record, arm: str) -> bool:
    return record.plan.treatments[arm].doses == "protocol"


def _together(record: Record, place: int, arms: Sequence[str], given: Sequence[Given]) -> Iterator[Taken]:
    """Doses, those of one amount that follow each other at the interval of a known frequency together."""
    units = {state.name: state.unit for state in record.protocol.model.states}
    at = 0
    while at < len(given):
        first, (frequency, stop) = given[at], _run(given, at, record.unit)
        arm = arms[first.period]
        treatment = record.plan.treatments[arm].treatment
        end = given[stop].time + first.duration
        yield Taken(place, arm, treatment, first.amount, units[first.into], frequency, first.time, end)
        at = stop + 1


def _run(given: Sequence[Given], at: int, unit: float) -> tuple[str, int]:
    """Frequency of the doses that begin at `at`, and the last of them."""
    if at + 1 == len(given) or given[at + 1][1:] != given[at][1:]:
        return ONCE, at
    apart = round((given[at + 1].time - given[at].time) * unit)
    frequency = next((name for name, interval in INTERVALS.items() if round(interval) == apart), None)
    if frequency is None:
        return ONCE, at
    stop = at
    while (
        stop + 1 < len(given)
        and given[stop + 1][1:] == given[at][1:]
        and round((given[stop + 1].time - given[stop].time) * unit) == apart
    ):
        stop += 1
    return frequency, stop


def _constant(record: Record, place: int, arm: str) -> Iterator[Taken]:
    """A treatment that the model knows as constant, and what was given before it."""
    from trials.evidence.sdtm.elements import first

    treatment, begin = record.plan.treatments[arm], first(record.protocol, record.protocol.arm(arm))
    end = float(min(record.end[place], *_stops(record, place, treatment), np.inf))
    if treatment.before:
        dose = (place, arm, treatment.before, 0.0, treatment.unit, treatment.frequency)
        yield Taken(*dose, 0.0, _last(record, treatment, 0.0, min(begin, end)))
    if begin <= end and (begin < end or not treatment.before):
        dose = (place, arm, treatment.treatment, treatment.dose, treatment.unit, treatment.frequency)
        yield Taken(*dose, begin, _last(record, treatment, begin, end))


def _last(record: Record, treatment: Treatment, begin: float, end: float) -> float:
    """Time of the last dose before the end of a constant treatment; its end, where its frequency has no interval."""
    if treatment.frequency == ONCE:
        return begin
    if treatment.frequency not in INTERVALS:
        return end
    every = INTERVALS[treatment.frequency] / record.unit
    return begin + every * max(float(np.ceil((end - begin) / every - ROUNDING)) - 1.0, 0.0)


def _stops(record: Record, place: int, treatment: Treatment) -> Iterator[float]:
    for event in record.protocol.intercurrent:
        if event.stops or event.name in treatment.ends:
            yield float(record.events()[event.name][place])
