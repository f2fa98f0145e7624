"""Steps compiled for a model, once in a process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models.specification import Model
from engine.solvers import formulas
from engine.solvers.assembly import assemble, to_keep
from engine.solvers.formulas import Formula
from engine.solvers.machine import LANES, Kernel
from engine.solvers.stepping import explicit_step, rosenbrock_step, series_step
from engine.solvers.stepping.symbols import EXTRA, TIME, Layout, Symbols, layout, symbols
from engine.solvers.stepping.tables import ExplicitTable, RosenbrockTable, SeriesTable, Table

type Floats = NDArray[np.float64]
type Evaluate = Callable[..., Floats]

_STEPS: Mapping[type, Any] = {
    ExplicitTable: explicit_step, RosenbrockTable: rosenbrock_step, SeriesTable: series_step,
}  # fmt: skip
"""How the step of each kind of method is written out."""


class Written(NamedTuple):
    """Formulas of a step: rows carried on, coefficients of the dense output, and the length of the step tried."""

    carried: list[Formula]
    dense: list[Formula]
    length: Formula


@dataclass(frozen=True, eq=False)
class Stepper:
    """A compiled step and its dense output; safe to use from several threads.

    ``seen`` are the states that samples are wanted of. Numbers of columns are multiples of the lanes of a register.
    Each function is compiled when it is needed.
    """

    layout: Layout
    seen: tuple[int, ...]
    symbols: Symbols
    table: Table
    written: Written

    @property
    def rows(self) -> int:
        """Rows carried on and those of the dense output."""
        return self.layout.carried + len(self.written.dense)

    def step(self, carried: Floats, parameters: Floats, out: Floats) -> None:
        """Take a step in every column: ``out`` gets the rows carried on and the dense output."""
        count = carried.shape[1]
        self._whole(count // LANES, count, carried, parameters, carried, out, count)

    def sample(self, before: Floats, after: Floats, time: Floats) -> Floats:
        """States (state, column) at times within the last step, from its columns before and after."""
        return columns_of(self._sample, before, after[self.layout.states :], time, self.layout.states)

    @cached_property
    def kept(self) -> list[Formula]:
        """What a step keeps for the samples within it."""
        return to_keep(self._inside, [*self.written.dense, self.written.length])

    @cached_property
    def short(self) -> Kernel:
        """Kernel of the step: rows carried on, then what is kept."""
        return assemble([*self.written.carried, *self.kept])

    @cached_property
    def within(self) -> Kernel:
        """Kernel of the states seen at a time within the step, from what it kept."""
        return assemble(self._inside, self.kept)

    @cached_property
    def _inside(self) -> list[Formula]:
        states = self._states(self.written.dense, self.written.length)
        return [states[n] for n in self.seen]

    @cached_property
    def _whole(self) -> Kernel:
        return assemble(self.written.carried + self.written.dense)

    @cached_property
    def _sample(self) -> Kernel:
        dense = [formulas.parameter(EXTRA + n) for n in range(len(self.written.dense))]
        return assemble(self._states(dense, formulas.parameter(TIME) - self.symbols.time))

    def _states(self, dense: list[Formula], length: Formula) -> list[Formula]:
        part = (formulas.clock() - self.symbols.time) / length
        found: list[Formula] = _STEPS[type(self.table)].sample(self.symbols, self.table, dense, part, length)
        return found


def columns_of(kernel: Kernel, carried: Floats, parameters: Floats, time: Floats, rows: int) -> Floats:
    """Rows (row, column) that a kernel finds; the columns of what it is given fill whole registers."""
    count = carried.shape[1]
    found = np.empty((rows, count))
    given = (np.ascontiguousarray(values) for values in (carried, parameters, time))
    kernel(count // LANES, count, *given, found, count)
    return found


@lru_cache(maxsize=64)
def stepper(
    model: Model, infused: tuple[int, ...], exact: bool, table: Table, tolerance: float, seen: tuple[int, ...]
) -> Stepper:
    """Compile a step for a model; :func:`engine.solvers.stepping.symbols.layout` says what the arguments mean."""
    rows_of = layout(model, infused, exact)
    given = symbols(rows_of)
    written = Written(*_STEPS[type(table)].step(given, table, tolerance))
    return Stepper(rows_of, seen, given, table, written)
