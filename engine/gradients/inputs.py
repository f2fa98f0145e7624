"""Everything that puts something into a linear model's states before an observation, as padded arrays.

Doses, initial amounts and constant productions are all inputs. Row i of an array holds the inputs of one kind into one
state that precede observation i, padded to the longest row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr

from engine.errors import DataError
from engine.models.calculus import ZERO
from engine.models.specification import Model
from engine.models.structure import Linear

type Kind = Literal["bolus", "infusion", "duration", "rate", "initial", "forcing"]
type Moment = tuple[float, float]
"""A time and a place in the table, which orders what happens at one time."""

_FORMS: dict[float, Kind] = {0.0: "bolus", -1.0: "rate", -2.0: "duration"}
_DEFAULTS = {"amt": 0.0, "cmt": 1, "rate": 0.0, "ii": 0.0, "addl": 0, "ss": 0, "evid": 1, "record": -1.0}


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
    """A row of the table of doses."""

    subject: Any
    time: float
    amt: float
    cmt: Any
    rate: float
    ii: float
    addl: int
    ss: int
    evid: int
    record: float

    @property
    def at(self) -> Moment:
        """When, and where in the table."""
        return self.time, self.record


def read_inputs(model: Model, linear: Linear, doses: xr.Dataset, observations: xr.Dataset) -> tuple[Inputs, ...]:
    """Inputs before every observation, one element for each kind and state that occurs.

    Parameters
    ----------
    model, linear
        The model, whose initial amounts and constant productions are inputs too.
    doses
        Dataset(dose) with ``subject``, ``time``, ``amt`` and, where they are needed, ``cmt`` (number from 1, 0 is
        the first; or the state's name), ``rate``, ``ii``, ``addl``, ``evid``, and ``record`` (without it a dose
        precedes an observation at the same time).
    observations
        Dataset(observation) with ``subject``, ``time`` and possibly ``record``.
    """
    records = _read(doses)
    seen, times = observations["subject"].values, observations["time"].values.astype(float)
    places = observations["record"].values if "record" in observations else np.full(len(times), np.inf)
    rows: list[list[_Input]] = [[] for _ in times]
    for subject in dict.fromkeys(seen.tolist()):
        own, mine = [record for record in records if record.subject == subject], np.flatnonzero(seen == subject)
        start = (min([*(record.time for record in own), *times[mine]]), -np.inf)
        given = [*_constant(model, linear, start), *_doses(model, linear, own)]
        resets = [record.at for record in own if record.evid in (3, 4)]
        for i in mine:
            rows[i] = _preceding(given, resets, (times[i], places[i]))
    kinds = sorted({(entry.state, entry.kind) for row in rows for entry in row})
    return tuple(_pack(rows, times, state, kind) for state, kind in kinds)


def _read(doses: xr.Dataset) -> list[_Record]:
    if missing := [name for name in ("subject", "time", "amt") if name not in doses]:
        raise DataError(f"doses lack {', '.join(missing)}; there are {', '.join(map(str, doses.variables))}")
    count = doses["subject"].size
    columns = [doses[name].values if name in doses else np.full(count, _DEFAULTS[name]) for name in _Record._fields]
    return [_Record(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _doses(model: Model, linear: Linear, records: Sequence[_Record]) -> Iterator[_Input]:
    for record in records:
        if record.evid in (3, 4):
            yield from _constant(model, linear, record.at)
        if record.evid in (1, 4):
            yield from _repeated(model, record)


def _repeated(model: Model, record: _Record) -> Iterator[_Input]:
    """The dose of a record and its additional doses, which NONMEM gives before an observation at the same time."""
    if record.ss:
        raise DataError(f"subject {record.subject}: a steady-state dose (SS) cannot be fitted; give the earlier doses")
    kind = _FORMS.get(float(record.rate), "infusion")
    rate = record.rate if kind == "infusion" else 1.0
    state = _state(model, record)
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


def _state(model: Model, record: _Record) -> int:
    names, cmt = model.state_names, record.cmt
    if isinstance(cmt, str) and cmt in names:
        return names.index(cmt)
    if isinstance(cmt, str) or not 0 <= cmt <= len(names):
        raise DataError(f"subject {record.subject}: a dose goes into {cmt!r}; states are {', '.join(names)} (from 1)")
    return max(int(cmt) - 1, 0)


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
