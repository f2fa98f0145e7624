"""Who is given what and when, as padded arrays: regimens and event tables in one form.

A schedule has rows. One row serves every subject when all are treated alike; otherwise ``row`` says which row is a
subject's. Additional doses (``times``, ADDL) are written out, so an event is one dose, one reset or one stop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import memory
from engine.dosing.events import EventTable
from engine.dosing.regimen import MODELLED, Dose, Regimen, in_units
from engine.errors import DosingError
from engine.models.specification import Model

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]
type Flags = NDArray[np.bool_]


_MANY, _BYTES = 1e6, 400
"""Doses of a block after which memory is asked for, and what one takes, on its way to a solver too."""

# Order at one time: ends of infusions, doses that arrive late, samples before a dose, the records in their order,
# samples after them. A record's own steps: reset, steady state, dose, sample.
STEPS = 4
END, LATE, BEFORE, AFTER = -3, -2, -1, 1 << 40
RESET, STEADY, DOSE, SAMPLE = range(STEPS)


class Speed(IntEnum):
    """What sets the length of a dose."""

    bolus = 0
    rate = 1
    duration = 2
    modelled_rate = 3
    modelled_duration = 4


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Events of each row, padded: arrays (row, event); a padded event has ``exists`` False.

    ``time`` when given (lag comes later), ``position`` its place among the records, ``record_time`` the time of the
    record it stems from, ``late`` True for the additional doses of a NONMEM record, ``amount``, ``into`` the state's
    index, ``speed`` a :class:`Speed` with ``value`` its rate or duration, ``interval``, ``steady`` (0, 1, 2) and
    ``steady_position`` (the place of the steady state itself) of a steady-state dose, ``resets`` and
    ``doses`` what it does; neither is a stop. ``start`` (row) is when the row begins.
    """

    exists: Flags
    time: Floats
    position: Integers
    record_time: Floats
    late: Flags
    amount: Floats
    into: Integers
    speed: Integers
    value: Floats
    interval: Floats
    steady: Integers
    steady_position: Integers
    resets: Flags
    doses: Flags
    start: Floats

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.start)

    def take(self, rows: NDArray[np.int64]) -> "Schedule":
        """Give these rows."""
        return Schedule(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def kinds(self) -> "Schedule":
        """Give one event of each kind that a schedule of one row has: what enters the same state at the same speed."""
        kind = np.stack([self.into[0], self.speed[0], self.exists[0], self.doses[0]])
        first = np.unique(kind, axis=1, return_index=True)[1]
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return Schedule(**{name: values[:, first] if values.ndim > 1 else values for name, values in arrays.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Schedules:
    """Schedules of any number of subjects, written out some rows at a time: those of all may be larger than memory.

    ``start`` (row) is when a row begins; ``events`` gives the events of some rows, numbered from 0.
    """

    start: Floats
    events: "Callable[[Integers], Flat]"

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.start)

    def take(self, rows: Integers) -> Schedule:
        """Write out these rows."""
        return _pack(self.events(rows), self.start[rows])


class Flat(NamedTuple):
    """Events of all rows in a line: ``row`` and the fields of :class:`Schedule`."""

    row: Integers
    time: Floats
    position: Integers
    record_time: Floats
    late: Flags
    amount: Floats
    into: Integers
    speed: Integers
    value: Floats
    interval: Floats
    steady: Integers
    steady_position: Integers
    resets: Flags
    doses: Flags


def from_regimens(model: Model, regimens: Sequence[Regimen]) -> Schedules:
    """One row for each regimen; every row begins at 0 or at its first dose, whichever is earlier."""
    doses = [
        [
            (into, in_units(dose, model.states[into].unit, model.time))
            for number, dose in enumerate(regimen.doses, start=1)
            for into in [state_index(model, dose.into, f"dose {number}")]
        ]
        for regimen in regimens
    ]
    start = np.asarray([min([0.0, *(dose.at for _, dose in own)]) for own in doses])
    return Schedules(start, partial(_regimen_events, doses))


def from_table(model: Model, table: EventTable) -> Schedules:
    """One row for each subject; a row begins at the subject's first record, without one at 0."""
    _states(model, table, table.cmt, np.isin(table.evid, (1, 4)))
    start = np.zeros(len(table.ids))
    start[table.subject[::-1]] = table.time[::-1]  # the first record of a subject is the last to be written
    return Schedules(start, partial(_table_events, model, table))


def _regimen_events(doses: Sequence[Sequence[tuple[int, Dose]]], rows: Integers) -> "Flat":
    return _flat_doses([(row, into, dose) for row, own in enumerate(rows) for into, dose in doses[own]])


def _table_events(model: Model, table: EventTable, rows: Integers) -> "Flat":
    own = table.take(rows)
    return _flat_records(model, own, np.searchsorted(own.subject, np.arange(len(rows))))


def state_index(model: Model, name: str, where: str) -> int:
    """Position of a state; DosingError naming it and the states there are."""
    if name not in model.state_names:
        raise DosingError(f"{where}: model {model.name} has no state {name!r}; it has {', '.join(model.state_names)}")
    return model.state_names.index(name)


def _flat_doses(doses: Sequence[tuple[int, int, Dose]]) -> Flat:
    each = np.asarray([dose.times for _, _, dose in doses], dtype=np.int64)
    number = _count(each)
    row = np.repeat(np.asarray([row for row, _, _ in doses], dtype=np.int64), each)
    speeds = [_speed(dose) for _, _, dose in doses]

    def spread(values: Sequence[float]) -> Floats:
        return np.repeat(np.asarray(values, dtype=np.float64), each)

    every = spread([dose.every or 0.0 for _, _, dose in doses])
    time = spread([dose.at for _, _, dose in doses]) + number * every
    return Flat(
        row, time, np.arange(len(row)), time, np.zeros(len(row), dtype=bool),
        amount=spread([dose.amount for _, _, dose in doses]),
        into=spread([into for _, into, _ in doses]).astype(np.int64),
        speed=spread([speed for speed, _ in speeds]).astype(np.int64),
        value=spread([value for _, value in speeds]),
        interval=every,
        steady=np.where(number == 0, spread([dose.steady_state for _, _, dose in doses]), 0).astype(np.int64),
        steady_position=np.full(len(row), BEFORE),  # a sample before such a dose is its trough
        resets=np.zeros(len(row), dtype=bool), doses=np.ones(len(row), dtype=bool),
    )  # fmt: skip


def _speed(dose: Dose) -> tuple[Speed, float]:
    if dose.rate is not None:
        return (Speed.modelled_rate, 0.0) if dose.rate == MODELLED else (Speed.rate, float(dose.rate))
    if dose.duration is not None:
        return (Speed.modelled_duration, 0.0) if dose.duration == MODELLED else (Speed.duration, float(dose.duration))
    return Speed.bolus, 0.0


def _flat_records(model: Model, table: EventTable, first: Integers) -> Flat:
    record = np.flatnonzero(table.evid)
    doses = np.isin(table.evid[record], (1, 4))
    each = np.where(doses, table.addl[record] + 1, 1)
    number, record, doses = _count(each), np.repeat(record, each), np.repeat(doses, each)
    rate, interval = (np.where(doses, values[record], 0.0) for values in (table.rate, table.ii))
    row = table.subject[record]
    speed = np.select([rate == -1, rate == -2, rate > 0], [Speed.modelled_rate, Speed.modelled_duration, Speed.rate], 0)
    return Flat(
        row, table.time[record] + number * interval, record - first[row], table.time[record], number > 0,
        amount=table.amt[record], into=np.where(doses, _states(model, table, table.cmt[record], doses), 0),
        speed=speed.astype(np.int64), value=np.maximum(rate, 0.0), interval=interval,
        steady=np.where(number == 0, table.ss[record], 0), steady_position=record - first[row], doses=doses,
        resets=np.isin(table.evid[record], (3, 4)) & (number == 0),
    )  # fmt: skip


def _states(model: Model, table: EventTable, cmt: Integers, doses: Flags) -> Integers:
    names = table.compartments or model.state_names
    if np.any(cmt[doses] > len(names)):
        found = cmt[doses].max()
        raise DosingError(f"event table: CMT is {found}; the compartments are 1 to {len(names)} ({', '.join(names)})")
    index = np.asarray([state_index(model, name, "event table") for name in names], dtype=np.int64)
    return index[np.clip(cmt, 1, len(names)) - 1]


def _count(each: Integers) -> Integers:
    """Number the repetitions: 0, 1, ... for each of the entries repeated that often."""
    total = float(np.sum(each, dtype=np.float64))
    if total > _MANY:
        memory.refuse(int(_BYTES * total), f"dosing: {total:,.0f} doses at once take {{size}}; lessen times or ADDL")
    ends = np.cumsum(each)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - each, each)


def _pack(flat: Flat, start: Floats) -> Schedule:
    order = np.argsort(flat.row, kind="stable")
    row = flat.row[order]
    column = np.arange(len(row)) - np.searchsorted(row, row)
    shape = (len(start), int(column.max(initial=-1)) + 1)
    exists = np.zeros(shape, dtype=bool)
    exists[row, column] = True
    arrays: dict[str, Any] = {}
    for name, values in zip(Flat._fields[1:], flat[1:], strict=True):
        arrays[name] = np.zeros(shape, dtype=values.dtype)
        arrays[name][row, column] = values[order]
    return Schedule(exists=exists, start=start.astype(np.float64), **arrays)
