"""Parameters that change with time: columns of an event table that are parameters of the model.

A column's values hold over stretches of time. NONMEM's way is the default: the value on a record holds over the time
that ends at the record, and for the record itself, its dose and its observation. Carried forward, it holds from its
record on. An additional dose (ADDL) has no record: it has the values of the time in which it is due.
NONMEM Users Guide part VI, PREDPP, chapters II and V: https://nmhelp.tingjieguo.com/VI/V.html.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.dosing.events import EventTable
from engine.dosing.schedule import AFTER, SAMPLE, STEPS, Floats, Integers
from engine.errors import DataError

type Carry = Literal["backward", "forward"]


@dataclass(frozen=True, slots=True, eq=False)
class Covariates:
    """Values of parameters over stretches of time; padding repeats the last stretch.

    Parameters
    ----------
    values
        Of each parameter, (row, stretch).
    until, key
        Time of the end of each stretch and its place among what happens at that time, (row, stretch); what comes at
        that place still belongs to it. The last stretch of a row has no end: infinity.
    count
        How many stretches, (row).
    """

    values: Mapping[str, Floats]
    until: Floats
    key: Integers
    count: Integers

    def take(self, rows: Integers) -> "Covariates":
        """Give these rows, as wide as they need."""
        count = self.count[rows]
        width = int(np.max(count, initial=1))
        values = {name: array[rows, :width] for name, array in self.values.items()}
        return Covariates(values, self.until[rows, :width], self.key[rows, :width], count)

    def stretch(self, time: Floats, key: Integers) -> Integers:
        """Stretch that each place belongs to; ``time`` and ``key`` are (1 or row, place)."""
        shape = (len(self.count), np.broadcast_shapes(time.shape, key.shape)[1])
        found = np.zeros(shape, dtype=np.int64)
        for number in range(self.until.shape[1] - 1):
            until, place = self.until[:, number, None], self.key[:, number, None]
            found += (time > until) | ((time == until) & (key > place))
        return found

    def at(self, stretch: Integers) -> dict[str, Floats]:
        """Values in a stretch of each row, (row), or in several, (row, place)."""
        wide = stretch.reshape(len(stretch), -1)
        return {name: np.take_along_axis(array, wide, axis=1).reshape(stretch.shape)
                for name, array in self.values.items()}  # fmt: skip


def from_table(
    table: EventTable, names: Sequence[str], carry: Carry
) -> tuple[dict[str, Floats], Covariates | None]:  # fmt: skip
    """Values of parameters that are columns of the table: those that never change, (row), and the others.

    Raises
    ------
    DataError
        Naming the subject, the record and the column, when a value is missing or not a number.
    """
    first = np.searchsorted(table.subject, np.arange(len(table.ids)))
    found = {name: numbers(table, column(table, name) or name) for name in names}
    varying = [name for name in names if _moves(table, found[name]).any()]
    constant = {name: found[name][first] for name in names if name not in varying}
    if not varying:
        return constant, None
    return constant, cut(table, {name: found[name] for name in varying}, carry)


def cut(table: EventTable, values: Mapping[str, Floats], carry: Carry) -> Covariates:
    """Stretches in which all of these values, (record), stay the same; one a row where none of them changes."""
    first = np.searchsorted(table.subject, np.arange(len(table.ids)))
    begins = np.logical_or.reduce([_moves(table, each) for each in values.values()])
    return _stretches(table, first, begins, values, carry)


def _moves(table: EventTable, values: Floats) -> NDArray[np.bool_]:
    """Whether a record's value is not that of its subject's record before, (record)."""
    same = np.diff(table.subject, prepend=-1) == 0
    return np.asarray(same & (np.diff(values, prepend=values[:1]) != 0))


def column(table: EventTable, name: str) -> str | None:
    """Name of the column for a parameter, whatever its case; None when there is none, DataError for several."""
    if name in table.columns:
        return name
    alike = [other for other in table.columns if other.lower() == name.lower()]
    if len(alike) > 1:
        raise DataError(f"event table: columns {' and '.join(alike)} could both be parameter {name}; keep one")
    return alike[0] if alike else None


def _stretches(
    table: EventTable, first: Integers, begins: NDArray[np.bool_], found: Mapping[str, Floats], carry: Carry
) -> Covariates:  # fmt: skip
    """Cut each row where ``begins`` says that a record's values differ from those of the record before."""
    row, position = table.subject, np.arange(len(table.subject)) - first[table.subject]
    total = np.cumsum(begins)
    number = total - total[first][row]
    count = np.bincount(row, weights=begins, minlength=len(first)).astype(np.int64) + 1
    shape = (len(first), int(count.max()))
    opening = np.flatnonzero(begins)
    if carry == "forward":
        time, key = table.time[opening], position[opening] * STEPS - 1
    else:
        last = table.time[opening] > table.time[opening - 1]
        time = table.time[opening - 1]
        key = np.where(last, AFTER, position[opening - 1]) * STEPS + SAMPLE
    until, place = np.full(shape, np.inf), np.zeros(shape, dtype=np.int64)
    until[row[opening], number[opening] - 1], place[row[opening], number[opening] - 1] = time, key
    padded = np.minimum(np.arange(shape[1]), count[:, None] - 1)
    values: dict[str, Any] = {}
    for name, each in found.items():
        values[name] = np.zeros(shape)
        values[name][row, number] = each
        values[name] = np.take_along_axis(values[name], padded, axis=1)
    return Covariates(values, until, place, count)


def numbers(table: EventTable, name: str) -> Floats:
    """Values of a column that must be finite numbers."""
    values = np.asarray(table.columns[name])
    if values.dtype.kind not in "fiub":
        raise DataError(f"event table: column {name} holds {str(values[0])!r}; a parameter of the model is a number")
    numbers = values.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        record = int(bad[0])
        who = table.subject[record]
        place = record - int(np.searchsorted(table.subject, who)) + 1
        raise DataError(
            f"subject {table.ids[who]}, record {place} (time {table.time[record]:g}): {name} is {numbers[record]:g}; "
            "it is a parameter of the model, so every record wants a finite number: fill it in (each value holds until "
            "another is known, or is interpolated: the choice is yours)"
        )
    return numbers
