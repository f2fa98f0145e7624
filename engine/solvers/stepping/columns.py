"""Subjects on their way as columns of arrays, in whole processor registers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.solvers.machine import LANES
from engine.solvers.stepping.itinerary import Itinerary
from engine.solvers.stepping.symbols import EXTRA, FRESH, LENGTH, STIFF, TIME, Layout

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
        # An odd number of registers: rows a power of 2 apart would fall on the same places of the processor's cache.
        registers = -(-len(chosen) // LANES) | 1
        padded = np.concatenate([chosen, np.full(registers * LANES - len(chosen), chosen[0])])
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
        length, first = self.carried[self.layout.states + LENGTH, chosen], self.row(FRESH - 1)[chosen]
        left, clock = self.goal[chosen] - self.row(TIME)[chosen], np.abs(self.row(TIME)[chosen])
        begin = np.where(left < SHORT * clock, left, START * left)
        self.row(LENGTH)[chosen] = np.where(length < 0, begin, np.minimum(length, first))
        # Steps before a dose say nothing of how many come after it.
        self.row(STIFF)[chosen], self.row(FRESH)[chosen], self.taken[chosen] = 0.0, 1.0, 0


def columns(layout: Layout, plan: Itinerary, start: Floats, state: Floats, parameters: Floats) -> Columns:
    """Every subject before its first stop.

    Parameters
    ----------
    layout, plan
        What is compiled, and where to stop.
    start, state
        Time and states at the beginning, (subject) and (subject, state).
    parameters
        Rows of parameters, (row, subject); that of the stop is filled in.
    """
    count = len(state)
    carried = np.zeros((layout.states + EXTRA, count))
    carried[: layout.states], carried[layout.states + TIME] = state.T, start
    carried[layout.states + LENGTH], carried[layout.states + FRESH - 1] = -1.0, np.inf
    stop = plan.first[plan.row]
    sample, until = plan.sample_first[plan.sample_row], plan.before[stop]
    parameters[layout.stop] = plan.time[stop]
    due = np.where(sample < until, plan.sample_time[sample], np.inf)
    found = Columns(
        layout, np.arange(count), carried, parameters, stop, sample, until, due, np.zeros(count, dtype=np.int64),
        np.ones(count, dtype=bool),
    )  # fmt: skip
    return found.take(np.arange(count))
