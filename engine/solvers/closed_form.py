"""Linear models with constant coefficients, by matrix exponentials: exact to rounding, whatever the step.

The model's matrix and forcing become numbers here; :mod:`engine.solvers.propagation` marches, and
:mod:`engine.solvers.linear_system` finds the steady states it passes through.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import Timeline
from engine.errors import SolverError
from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import ZERO
from engine.models.expression import Expression, evaluate
from engine.models.specification import Model
from engine.models.structure import Linear, linear
from engine.solvers.base import Problem, Solver, Trajectory
from engine.solvers.linear_system import System, steady_state
from engine.solvers.machine import LANES
from engine.solvers.propagation import KEPT, kernel
from engine.status import Status

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClosedForm(Solver):
    """Solver of linear models; no tolerance: its error is that of rounding."""

    @property
    def name(self) -> str:
        """Name shown in results."""
        return "closed_form"

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Itself, when the model is linear with coefficients constant in time."""
        _equations(model)
        return self, f"{model.name} is linear with coefficients constant in time"

    def solve(self, problem: Problem) -> Trajectory:
        """States at the samples, exact to rounding."""
        with np.errstate(all="ignore"):
            return _march(problem, _system(problem))


@lru_cache(maxsize=64)
def _equations(model: Model) -> Linear:
    found = linear(model)
    if found is None:
        raise SolverError(
            f"closed_form: model {model.name} is not linear with coefficients constant in time; use solver 'auto'"
        )
    return found


def _system(problem: Problem) -> System:
    equations = _equations(problem.model)
    count, size = problem.subjects, len(equations.states)

    def value(expression: Expression) -> Floats:
        found = evaluate(expression, problem.parameters, ARRAYS)
        return np.broadcast_to(np.asarray(found, dtype=np.float64), (count,))

    timeline = problem.timeline
    infused = {timeline.into[n] for n in timeline.infused}
    infused |= {int(n) for steady in timeline.steady if np.any(steady.duration > 0) for n in np.unique(steady.into)}
    inputs = tuple(n for n in range(size) if n in infused or equations.forcing[n] != ZERO)
    matrix = {
        (row, column): value(entry)
        for row, entries in enumerate(equations.matrix)
        for column, entry in enumerate(entries)
        if entry != ZERO
    }
    matrix |= {(row, size + number): np.ones(count) for number, row in enumerate(inputs)}
    return System(matrix, size, inputs, tuple(value(equations.forcing[n]) for n in inputs))


def _march(problem: Problem, system: System) -> Trajectory:
    """Take all subjects along their nodes."""
    timeline, count = problem.timeline, problem.subjects
    # The kernel reads (state, subject) in the order of C, which a copy of a transposed array does not have by itself.
    state, initial = (np.array(values.T, order="C") for values in (problem.state, problem.initial))
    finite = np.empty(count)
    node, adds, settled, unsettled = _settled(system, timeline, count)
    all_sampled = np.count_nonzero(timeline.slot >= 0) == len(timeline.slot) * timeline.samples
    observed = tuple(range(len(state))) if problem.observed is None else problem.observed
    shape = len(observed), count, timeline.samples
    sampled = np.empty(shape) if all_sampled else np.full(shape, np.nan)
    pattern = system.pattern(timeline, observed)
    kept = np.empty(KEPT * LANES * (1 + len(pattern.reached)))
    start = np.broadcast_to(timeline.start[:, None], (len(timeline.time), 1))
    matrix = np.array([system.matrix[place] for place in pattern.matrix])
    kernel(pattern)(
        count, timeline.time.shape[1], timeline.samples, matrix, np.array(system.forcing), initial,
        state, finite, *_rows(np.diff(timeline.time, axis=1, prepend=start)), *_rows(timeline.jump),
        *_rows(timeline.rate), *_rows(timeline.resets), *_rows(timeline.slot), len(node), node, adds, settled, kept,
        sampled,
    )  # fmt: skip
    found = np.where(unsettled, Status.no_steady_state, np.where(finite == 0.0, Status.ok, Status.diverged))
    status = found.astype(np.int8)
    failed = status != Status.ok
    if failed.any():
        sampled[:, failed], state[:, failed] = np.nan, np.nan
    return Trajectory(
        sampled.transpose(1, 2, 0), np.ascontiguousarray(state.T), status.astype(np.int8), problem.largest
    )


def _rows(values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Array the kernel reads, and how far a subject's row is from the one before: 0 when all have the same row."""
    return np.ascontiguousarray(values), values[0].size if len(values) > 1 else 0


def _settled(
    system: System, timeline: Timeline, subjects: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], Floats, NDArray[np.bool_]]:
    """Node of each steady state, (steady state, subject), -1 for none; whether it adds; the state; who has none."""
    shape = len(timeline.steady), subjects
    node, adds = np.full(shape, -1), np.zeros(shape, dtype=bool)
    settled, unsettled = np.zeros((shape[0], system.states, subjects)), np.zeros(subjects, dtype=bool)
    for number, steady in enumerate(timeline.steady):
        here = np.broadcast_to(steady.exists & (steady.node < timeline.time.shape[1]), (subjects,))
        node[number], adds[number] = np.where(here, steady.node, -1), steady.adds
        settled[number], reached = steady_state(system, steady, subjects)
        unsettled |= here & ~reached
    return node, adds, settled, unsettled
