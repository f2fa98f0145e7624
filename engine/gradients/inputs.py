"""Everything that puts something into a linear model's states before an observation, as padded arrays.

Doses, initial amounts and constant productions are all inputs. Row i of an array holds the inputs of one kind into one
state that precede observation i of an event table, padded to the longest row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from engine.dosing.events import EventTable
from engine.models.calculus import ZERO
from engine.models.specification import Model
from engine.models.structure import Linear

type Kind = Literal["bolus", "infusion", "duration", "rate", "initial", "forcing"]
type Moment = tuple[float, float]
"""A time and a place in the table, which orders what happens at one time."""

_FORMS: dict[float, Kind] = {0.0: "bolus", -1.0: "rate", -2.0: "duration"}


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Inputs of one kind into one state; arrays are (observation, input).

    ``elapsed`` is the time since the input, ``amount`` what it put in (0 where padded), ``rate`` the rate the data
    give for an infusion (1 elsewhere).
    """

    state: int
    kind: Kind
    elapsed: np.ndarray
    amount: np.ndarray
    rate: np.ndarray


class _Input(NamedTuple):
    state: int
    kind: Kind
    at: Moment
    cause: Moment
    amount: float = 1.0
    rate: float = 1.0


class _Record(NamedTuple):
    """A dose or a reset."""

    time: float
    amt: float
    cmt: int
    rate: float
    ii: float
    addl: int
    evid: int
    place: float

    @property
    def at(self) -> Moment:
        """When, and where in the table."""
        return self.time, self.place


def read_inputs(model: Model, linear: Linear, table: EventTable) -> tuple[Inputs, ...]:
    """Inputs before every observation, one element for each kind and state that occurs.

    Parameters
    ----------
    model, linear
        The model, whose initial amounts and constant productions are inputs too.
    table
        Doses and observations, ``cmt`` by number; no steady states.
    """
    rows: list[list[_Input]] = []
    seen = np.flatnonzero(table.evid == 0)
    for n in range(len(table.ids)):
        own = np.flatnonzero(table.subject == n).tolist()
        records = [_record(table, i) for i in own if table.evid[i] in (1, 3, 4)]
        given = [*_constant(model, linear, (float(table.time[own[0]]), -np.inf)), *_doses(model, linear, records)]
        resets = [record.at for record in records if record.evid in (3, 4)]
        rows += [_preceding(given, resets, (float(table.time[i]), float(i))) for i in own if table.evid[i] == 0]
    kinds = sorted({(entry.state, entry.kind) for row in rows for entry in row})
    return tuple(_pack(rows, table.time[seen], state, kind) for state, kind in kinds)


def _record(table: EventTable, i: int) -> _Record:
    return _Record._make([*(getattr(table, name)[i].item() for name in _Record._fields[:-1]), float(i)])


def _doses(model: Model, linear: Linear, records: Sequence[_Record]) -> Iterator[_Input]:
    for record in records:
        if record.evid in (3, 4):
            yield from _constant(model, linear, record.at)
        if record.evid in (1, 4):
            yield from _repeated(record)


def _repeated(record: _Record) -> Iterator[_Input]:
    """The dose of a record and its additional doses, which NONMEM gives before an observation at the same time."""
    kind = _FORMS.get(float(record.rate), "infusion")
    rate = record.rate if kind == "infusion" else 1.0
    state = max(record.cmt - 1, 0)
    yield _Input(state, kind, record.at, record.at, record.amt, rate)
    for n in range(1, int(record.addl) + 1):
        yield _Input(state, kind, (record.time + n * record.ii, -1.0), record.at, record.amt, rate)


def _constant(model: Model, linear: Linear, at: Moment) -> Iterator[_Input]:
    """Initial amounts, and productions that go on for ever, from a subject's start or reset."""
    for i, state in enumerate(model.states):
        if state.initial is not None and state.initial != ZERO:
            yield _Input(i, "initial", at, at)
        if linear.forcing[i] != ZERO:
            yield _Input(i, "forcing", at, at)


def _preceding(given: Sequence[_Input], resets: Sequence[Moment], moment: Moment) -> list[_Input]:
    """Inputs before ``moment`` that no reset in between has wiped out."""
    last = max((reset for reset in resets if reset < moment), default=(-np.inf, -np.inf))
    return [entry for entry in given if entry.at < moment and entry.cause >= last]


def _pack(rows: Sequence[Sequence[_Input]], times: np.ndarray, state: int, kind: Kind) -> Inputs:
    chosen = [[entry for entry in row if (entry.state, entry.kind) == (state, kind)] for row in rows]
    shape = (len(rows), max(map(len, chosen)))
    elapsed, amount, rate = np.zeros(shape), np.zeros(shape), np.ones(shape)
    for i, row in enumerate(chosen):
        for k, entry in enumerate(row):
            elapsed[i, k], amount[i, k], rate[i, k] = times[i] - entry.at[0], entry.amount, entry.rate
    return Inputs(state, kind, elapsed, amount, rate)
