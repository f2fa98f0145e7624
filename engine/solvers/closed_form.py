"""Linear models with constant coefficients, by matrix exponentials: exact to rounding, whatever the step.

With dx/dt = A x + b + u, u the rates of infusions, a step of length h is x -> exp(A h) x + G(h) (b + u), where G is the
integral of exp(A s) over the step. Both come from one exponential, of A with a column of inputs appended. Lengths that
occur more than once are computed once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import SteadyState, Timeline
from engine.errors import SolverError
from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import ZERO
from engine.models.expression import Expression, evaluate
from engine.models.specification import Model
from engine.models.structure import Linear, linear
from engine.solvers.base import Problem, Solver, Trajectory
from engine.solvers.exponential import Entries
from engine.solvers.linear_system import System, steady_state
from engine.status import Status

type Floats = NDArray[np.float64]

_ELEMENTS = 8192
"""How many matrices are computed at once: their entries stay in the processor's cache."""
_STILL = -1.0


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
    timeline, rates = problem.timeline, list(system.forcing)
    state = np.ascontiguousarray(problem.state.T)
    samples = np.full((timeline.samples, *state.shape), np.nan)
    status = np.zeros(problem.subjects, dtype=np.int8)
    finite = np.ones(problem.subjects, dtype=bool)
    for node, power in enumerate(_powers(system, timeline, problem.subjects)):
        if power is not None:
            state = system.advance(power, state, rates)
        if timeline.resets[:, node].any():
            state = np.where(timeline.resets[:, node], problem.initial.T, state)
        for steady in timeline.steady:
            state, status = _settle(system, steady, node, state, status)
        for number, row in enumerate(timeline.into):
            state[row] += timeline.jump[:, node, number]
        finite &= np.all(np.isfinite(state), axis=0)
        rates = _rates(system, timeline, node)
        _record(timeline.slot[:, node], state, samples)
    status = np.where((status == Status.ok) & ~finite, Status.diverged, status).astype(np.int8)
    samples[:, :, status != Status.ok], state[:, status != Status.ok] = np.nan, np.nan
    by_subject = np.ascontiguousarray(samples.transpose(2, 0, 1))
    return Trajectory(by_subject, np.ascontiguousarray(state.T), status, problem.largest)


def _powers(system: System, timeline: Timeline, subjects: int) -> Iterator[Entries | None]:
    """Exponential of each step in turn, computed some at a time and kept while it is used again; None for no step."""
    start = np.broadcast_to(timeline.start[:, None], (len(timeline.time), 1))
    steps = np.diff(timeline.time, axis=1, prepend=start)
    moves = np.any(steps != 0, axis=0)
    shared = len(steps) == 1
    keys = [(float(steps[0, node]) if shared else float(node)) if moves[node] else _STILL for node in range(len(moves))]
    last = {key: node for node, key in enumerate(keys)}
    known: dict[float, Entries] = {}
    for node, key in enumerate(keys):
        if key == _STILL:
            yield None
            continue
        if key not in known:
            ahead = [n for n, other in enumerate(keys[node:], start=node) if other != _STILL and other not in known]
            first = list({keys[n]: n for n in reversed(ahead)}.values())[::-1][: max(1, _ELEMENTS // subjects)]
            found = system.powers(np.ascontiguousarray(steps[:, first].T))
            for number, n in enumerate(first):
                known[keys[n]] = {place: entry[number] for place, entry in found.items()}
        yield known[key]
        if last[key] == node:
            del known[key]


def _rates(system: System, timeline: Timeline, node: int) -> list[Floats]:
    rates = list(system.forcing)
    for number in timeline.infused:
        position = system.inputs.index(timeline.into[number])
        rates[position] = rates[position] + timeline.rate[:, node, number]
    return rates


def _record(slot: NDArray[np.int64], state: Floats, samples: Floats) -> None:
    """Keep the states of the subjects that are sampled at this node."""
    if len(slot) == 1:
        if slot[0] >= 0:
            samples[slot[0]] = state
        return
    subject = np.flatnonzero(slot >= 0)
    samples[slot[subject], :, subject] = state[:, subject].T


def _settle(
    system: System, steady: SteadyState, node: int, state: Floats, status: NDArray[np.int8]
) -> tuple[Floats, NDArray[np.int8]]:
    """Put the subjects whose steady-state dose is recorded at this node at their steady state."""
    here = steady.exists & (steady.node == node)
    if not here.any():
        return state, status
    found, reached = steady_state(system, steady, state.shape[1])
    here = np.broadcast_to(here, status.shape)
    state = np.where(here, np.where(steady.adds, state, 0.0) + found, state)
    status = np.where(here & ~reached & (status == Status.ok), Status.no_steady_state, status)
    return np.where(here & ~reached, np.nan, state), status.astype(np.int8)
