"""The doses of one patient, one after the other: those taken and those that were due and not taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from engine.dosing.schedule import Speed, from_regimens
from trials.conduct.course import Course
from trials.conduct.dosing import Course as Taken
from trials.conduct.dosing import Dosing
from trials.protocol import Protocol

type Array = np.ndarray


class Given(NamedTuple):
    """A dose that was due `time` after the start of the first period."""

    time: float
    amount: float
    """Amount taken, in the unit of the state it goes into; 0 if it was not taken."""
    into: str
    taken: bool
    period: int
    duration: float = 0.0
    """Length of an infusion; missing where the model gives it."""


def doses(protocol: Protocol, course: Course, noise: Mapping[str, Array], subject: int) -> list[Given]:
    """Doses of a patient of the first replicate in order of time, whether or not they had left the study.

    Parameters
    ----------
    protocol, course
        What was planned, and what happened.
    noise
        For each measurement standard normal numbers (replicate, subject, period, time).
    subject
        Index of the patient.
    """
    dosing = Dosing(protocol, course.patients, noise)
    found: list[Given] = []
    rows = (np.zeros(1, dtype=np.int64), np.asarray([subject]))
    for period, start in enumerate(course.starts[: course.arms.shape[-1]]):
        arm = protocol.arm(course.names[course.arms[0, subject, period]])
        amounts = course.amounts.get((arm.name, period))
        when = {name: times[rows] - start for name, times in course.events.items()}
        events = [event for event in protocol.intercurrent if event.name in when]
        taken = None if amounts is None else amounts[rows]
        for part in dosing.courses(arm, (*rows, period), events, when, taken):
            found += _of(protocol, part, start, period)
    return sorted(found, key=lambda one: one.time)


def _of(protocol: Protocol, part: Taken, start: float, period: int) -> Iterator[Given]:
    """Doses of one regimen."""
    planned = from_regimens(protocol.model, [part.regimen]).events(np.zeros(1, dtype=np.int64))
    into = [dose.into for dose in part.regimen.doses for _ in range(dose.times)]
    for index in np.flatnonzero(part.due[0]):
        share = float(part.share[0, index])
        time = start + float(planned.time[index] + part.delay[0, index])
        amount = float(planned.amount[index]) * share
        length = _length(Speed(int(planned.speed[index])), float(planned.value[index]), amount)
        yield Given(time, amount, into[index], share > 0, period, length)


def _length(speed: Speed, value: float, amount: float) -> float:
    """Length of a dose that is given at a speed."""
    if speed is Speed.rate:
        return amount / value
    return {Speed.bolus: 0.0, Speed.duration: value}.get(speed, np.nan)
