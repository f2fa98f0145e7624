"""Steps compiled for a model, once in a process."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

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


@dataclass(frozen=True, slots=True, eq=False)
class Stepper:
    """A compiled step and its dense output; safe to use from several threads.

    ``lanes`` is how many subjects a processor register holds: numbers of columns are multiples of it, because what is
    left over would be computed by other instructions, with other bits.
    """

    layout: Layout
    lanes: int
    rows: int
    _step: Any
    _sample: Any

    def step(self, carried: Floats, parameters: Floats, out: Floats) -> None:
        """Take a step in every column: ``out`` gets the rows carried on, then those of the dense output."""
        self._step(carried, pars=parameters, outputs=out, batch_parallel=False)

    def sample(self, before: Floats, after: Floats, time: Floats) -> Floats:
        """States (state, column) at times within the last step, from its columns before and after."""
        found: Floats = self._sample(before, pars=after[self.layout.states :], time=time, batch_parallel=False)
        return found


@lru_cache(maxsize=64)
def stepper(model: Model, infused: tuple[int, ...], exact: bool, table: Table, tolerance: float) -> Stepper:
    """Compile a step for a model; :func:`engine.solvers.stepping.symbols.layout` says what the arguments mean."""
    import heyoka as hy

    rows_of = layout(model, infused, exact)
    given = symbols(rows_of)
    kind = _STEPS[type(table)]
    carried, dense = kind.step(given, table, tolerance)
    rows = carried + dense
    return Stepper(
        rows_of, int(hy.recommended_simd_size()), len(rows), hy.cfunc(rows, given.variables),
        hy.cfunc(_sampled(given, table, len(dense)), given.variables),
    )  # fmt: skip


def _sampled(given: Symbols, table: Table, count: int) -> list[Any]:
    import heyoka as hy

    length = hy.par[TIME] - given.time
    dense = [hy.par[EXTRA + n] for n in range(count)]
    found: list[Any] = _STEPS[type(table)].sample(given, table, dense, (hy.time - given.time) / length, length)
    return found
