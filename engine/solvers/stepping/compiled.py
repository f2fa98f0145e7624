"""Steps compiled for a model, once in a process."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models.specification import Model
from engine.solvers.stepping import explicit_step, rosenbrock_step, series_step
from engine.solvers.stepping.symbols import EXTRA, TIME, Layout, Symbols, layout, symbols
from engine.solvers.stepping.tables import ExplicitTable, RosenbrockTable, SeriesTable, Table

type Floats = NDArray[np.float64]

_STEPS: Mapping[type, Any] = {
    ExplicitTable: explicit_step, RosenbrockTable: rosenbrock_step, SeriesTable: series_step,
}  # fmt: skip
"""How the step of each kind of method is written out."""


class Written(NamedTuple):
    """Expressions of a step: rows carried on, coefficients of the dense output, and the length of the step tried."""

    carried: list[Any]
    dense: list[Any]
    length: Any


@dataclass(frozen=True, eq=False)
class Stepper:
    """A compiled step and its dense output; safe to use from several threads.

    ``lanes`` is how many subjects a processor register holds: numbers of columns are multiples of it, because what is
    left over would be computed by other instructions, with other bits. Each function is compiled when it is needed.
    """

    layout: Layout
    lanes: int
    symbols: Symbols
    table: Table
    written: Written

    @property
    def rows(self) -> int:
        """Rows carried on and those of the dense output."""
        return self.layout.carried + len(self.written.dense)

    def step(self, carried: Floats, parameters: Floats, out: Floats) -> None:
        """Take a step in every column: ``out`` gets the rows carried on and, if it has so many, the dense output."""
        step = self._whole if len(out) > self.layout.carried else self._step
        step(carried, pars=parameters, outputs=out, batch_parallel=False)

    def sample(self, before: Floats, after: Floats, time: Floats) -> Floats:
        """States (state, column) at times within the last step, from its columns before and after."""
        found: Floats = self._sample(before, pars=after[self.layout.states :], time=time, batch_parallel=False)
        return found

    def within(self, before: Floats, parameters: Floats, time: Floats) -> Floats:
        """States (state, column) at times within the step from these columns, of which nothing but its start is kept.

        Working the step out once more takes less than writing its dense output to memory at every step.
        """
        found: Floats = self._within(before, pars=parameters, time=time, batch_parallel=False)
        return found

    @cached_property
    def _step(self) -> Any:
        return self._compile(self.written.carried)

    @cached_property
    def _whole(self) -> Any:
        return self._compile(self.written.carried + self.written.dense)

    @cached_property
    def _sample(self) -> Any:
        import heyoka as hy

        dense = [hy.par[EXTRA + n] for n in range(len(self.written.dense))]
        return self._compile(self._states(dense, hy.par[TIME] - self.symbols.time))

    @cached_property
    def _within(self) -> Any:
        import heyoka as hy

        length = self.written.length
        inside = self._states(self.written.dense, length)
        # At its end a step gives the state carried on, to the last bit: whether a subject stops there, or its sample
        # is before the stop, depends on how the records of others fall together.
        ended = hy.gte((hy.time - self.symbols.time) / length, hy.expression(1.0))
        return self._compile([hy.select(ended, *pair) for pair in zip(self.written.carried, inside, strict=False)])

    def _states(self, dense: list[Any], length: Any) -> list[Any]:
        import heyoka as hy

        part = (hy.time - self.symbols.time) / length
        found: list[Any] = _STEPS[type(self.table)].sample(self.symbols, self.table, dense, part, length)
        return found

    def _compile(self, rows: list[Any]) -> Any:
        import heyoka as hy

        return hy.cfunc(rows, self.symbols.variables)


@lru_cache(maxsize=64)
def stepper(model: Model, infused: tuple[int, ...], exact: bool, table: Table, tolerance: float) -> Stepper:
    """Compile a step for a model; :func:`engine.solvers.stepping.symbols.layout` says what the arguments mean."""
    import heyoka as hy

    rows_of = layout(model, infused, exact)
    given = symbols(rows_of)
    written = Written(*_STEPS[type(table)].step(given, table, tolerance))
    return Stepper(rows_of, int(hy.recommended_simd_size()), given, table, written)
