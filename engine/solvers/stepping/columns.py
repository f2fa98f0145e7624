"""Subjects on their way as columns of arrays, in whole processor registers."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import Timeline
from engine.remembering import remembered
from engine.solvers.machine import LANES
from engine.solvers.stepping.itinerary import itinerary
from engine.solvers.stepping.symbols import EXTRA, FIRST, FRESH, LENGTH, STIFF, TIME, Layout

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]

SHORT = 1e-12
"""Part of the time below which the way to a stop is one step: hardly a number lies in between."""
START = 1e-3
"""First step, as part of the way to the first stop; one that is too long is found out and shortened."""


@dataclass(slots=True, eq=False)
class Columns:
    """Subjects on their way, one a column; what fills the last register stands still.

    ``subject`` whose column it is; ``carried`` and ``parameters`` as :mod:`engine.solvers.stepping.symbols` lays them
    out; ``stop`` and ``sample`` point into the itinerary, ``until`` is the end of the samples due before the stop,
    ``due`` the time of the next one, infinite for none; ``taken`` counts the steps since the last stop.
    """

    layout: Layout
    subject: Integers
    carried: Floats
    parameters: Floats
    stop: Integers
    sample: Integers
    until: Integers
    due: Floats
    taken: Integers
    moving: NDArray[np.bool_]

    @property
    def goal(self) -> Floats:
        """Time of the next stop; a view."""
        found: Floats = self.parameters[self.layout.stop]
        return found

    def row(self, which: int) -> Floats:
        """One of the rows carried beside the states; a view."""
        found: Floats = self.carried[self.layout.states + which]
        return found

    def take(self, chosen: Integers) -> "Columns":
        """Give these columns, and as many that stand still as fill the last register."""
        padded = np.concatenate([chosen, np.full(_width(len(chosen)) - len(chosen), chosen[0])])
        found = Columns(
            self.layout, self.subject[padded], np.ascontiguousarray(self.carried[:, padded]),
            np.ascontiguousarray(self.parameters[:, padded]), self.stop[padded], self.sample[padded],
            self.until[padded], self.due[padded], self.taken[padded], self.moving[padded],
        )  # fmt: skip
        found.halt(np.arange(len(chosen), len(padded)))
        return found

    def put(self, chosen: Integers, some: "Columns") -> None:
        """Take back these columns, which went on by themselves."""
        count = len(chosen)
        self.carried[:, chosen], self.sample[chosen] = some.carried[:, :count], some.sample[:count]
        self.due[chosen] = some.due[:count]

    def halt(self, chosen: Integers) -> None:
        """Let these stand still from now on."""
        # No number is at its goal, nor due.
        self.row(LENGTH)[chosen], self.goal[chosen], self.due[chosen] = 0.0, np.nan, np.nan
        self.moving[chosen] = False

    def set_off(self, chosen: Integers) -> None:
        """Choose the length of the first step after a stop; one that starts afresh has length -1."""
        if not chosen.size:
            return
        length, first = self.carried[self.layout.states + LENGTH, chosen], self.row(FIRST)[chosen]
        left, clock = self.goal[chosen] - self.row(TIME)[chosen], np.abs(self.row(TIME)[chosen])
        begin = np.where(left < SHORT * clock, left, START * left)
        self.row(LENGTH)[chosen] = np.where(length < 0, begin, np.minimum(length, first))
        # Steps before a dose say nothing of how many come after it.
        self.row(STIFF)[chosen], self.row(FRESH)[chosen], self.taken[chosen] = 0.0, 1.0, 0


def columns(layout: Layout, timeline: Timeline, state: Floats) -> Columns:
    """Every subject before its first stop, with parameters that are 0 but for that of the stop.

    Parameters
    ----------
    layout, timeline
        What is compiled, and where to stop.
    state
        States at the beginning, (subject, state).
    """
    count = len(state)
    first, width = _departure(timeline, count), _width(count)
    carried, parameters = np.zeros((layout.states + EXTRA, width)), np.zeros((layout.stop + 1, width))
    carried[: layout.states, :count] = state.T
    carried[layout.states + TIME], carried[layout.states + FIRST] = first.start, np.inf
    carried[layout.states + LENGTH, :count] = -1.0
    parameters[layout.stop] = first.goal
    return Columns(
        layout, first.subject, carried, parameters, first.stop.copy(), first.sample.copy(), first.until.copy(),
        first.due.copy(), np.zeros(width, dtype=np.int64), first.moving.copy(),
    )  # fmt: skip


class _Departure(NamedTuple):
    """Columns of a timeline before its first stop, and those that stand still."""

    subject: Integers
    start: Floats
    goal: Floats
    stop: Integers
    sample: Integers
    until: Integers
    due: Floats
    moving: NDArray[np.bool_]


@remembered
def _departure(timeline: Timeline, subjects: int) -> _Departure:
    plan, width = itinerary(timeline, subjects), _width(subjects)
    stop, sample = plan.first[plan.row], plan.sample_first[plan.sample_row]
    until = plan.before[stop]
    due = np.where(sample < until, plan.sample_time[sample], np.inf)

    def padded(values: NDArray[Any], empty: Any) -> NDArray[Any]:
        return np.concatenate([values, np.full(width - subjects, empty, dtype=values.dtype)])

    return _Departure(
        padded(np.arange(subjects), 0), padded(np.broadcast_to(timeline.start, (subjects,)), timeline.start[0]),
        padded(plan.time[stop], np.nan), padded(stop, stop[0]), padded(sample, sample[0]), padded(until, until[0]),
        padded(due, np.nan), padded(np.ones(subjects, dtype=bool), False),
    )  # fmt: skip


def _width(columns: int) -> int:
    """Columns with those that stand still: whole registers, an odd number of them.

    Rows a power of 2 apart would fall on the same places of the processor's cache.
    """
    return (-(-columns // LANES) | 1) * LANES
