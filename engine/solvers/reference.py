"""The model's equations by scipy, one subject at a time: slow and independent, to verify the other solvers by."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import SteadyState
from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.freezing import Frozen, freeze
from engine.models.specification import Model
from engine.solvers import cycles
from engine.solvers.base import Problem, Solver, Trajectory
from engine.solvers.crossing import Crossing, Endless
from engine.status import Status

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reference(Solver):
    """scipy's ``solve_ivp`` from node to node.

    Parameters
    ----------
    method
        Of ``solve_ivp``: ``DOP853``, ``Radau``, ``BDF``, ``LSODA``, ``RK45``.
    relative, absolute
        Tolerances; the absolute one is in the unit of each state.
    max_steps
        Right-hand sides between two nodes, after which the subject is given up.
    """

    method: str
    relative: float
    absolute: float
    max_steps: int

    @property
    def name(self) -> str:
        """Name shown in results."""
        return "reference"

    def choose(self, model: Model) -> tuple[Solver, str]:
        """Itself, for every model."""
        return self, f"{model.name} was asked to be solved by the reference"

    def solve(self, problem: Problem) -> Trajectory:
        """States at the samples, within the tolerances."""
        cycles.check(problem.model, problem.timeline, "reference")
        samples = np.full((problem.subjects, problem.timeline.samples, problem.state.shape[1]), np.nan)
        state, status = problem.state.copy(), np.zeros(problem.subjects, dtype=np.int8)
        if frozen := freeze(problem.model):
            held = {switch.held: np.zeros(problem.subjects) for switch in frozen.switches}
            problem = replace(problem, model=frozen.model, parameters={**problem.parameters, **held})
        for subject in range(problem.subjects):
            try:
                with np.errstate(all="ignore"):  # what is not finite is a status
                    state[subject] = _walk(_Subject(self, problem, subject, frozen), samples[subject])
            except _Failure as failure:
                state[subject], status[subject] = np.nan, failure.status
        samples[status != Status.ok] = np.nan
        return Trajectory(samples, state, status, problem.largest)


class _Failure(Exception):  # noqa: N818
    """A subject cannot be taken on."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


class _Subject(NamedTuple):
    """One row of everything."""

    solver: Reference
    problem: Problem
    number: int
    frozen: Frozen | None

    @property
    def parameters(self) -> dict[str, Floats]:
        """Views of its values."""
        return {name: values[self.number : self.number + 1] for name, values in self.problem.parameters.items()}

    def row(self, values: NDArray[np.generic]) -> int:
        """Row of this subject in an array that may have one for all."""
        return self.number if len(values) > 1 else 0

    def rates(self, node: int) -> Floats:
        """Inflow into each state after a node."""
        timeline = self.problem.timeline
        flow = np.zeros(self.problem.state.shape[1])
        for number, state in enumerate(timeline.into):
            flow[state] += timeline.rate[self.row(timeline.rate), node, number]
        return flow

    def derivative(self, flow: Floats) -> Callable[[float, Floats], Floats]:
        """Right-hand side with a constant inflow."""
        model, parameters = self.problem.model, self.parameters

        def rate(t: float, state: Floats) -> Floats:
            named = {name: state[n : n + 1] for n, name in enumerate(model.state_names)}
            found = equations.derivatives(model, ARRAYS, t, named, parameters)
            return np.concatenate([np.broadcast_to(value, (1,)) for value in found.values()]) + flow

        return rate

    def move(self, state: Floats, begin: float, end: float, flow: Floats) -> Floats:
        """State at ``end``."""
        if end <= begin:
            return state
        if not np.all(np.isfinite(state)):  # solve_ivp raises ValueError
            raise _Failure(Status.diverged)
        if self.frozen is None:
            return np.asarray(self._integrate(flow, None, (begin, end), state).y[:, -1], dtype=np.float64)

        def integrate(events: list[Any], first: float, last: float, start: Floats) -> Any:
            return self._integrate(flow, events, (first, last), start)

        try:
            return Crossing(self.frozen, self.parameters, self.derivative(flow), integrate).move(state, begin, end)
        except Endless:
            raise _Failure(Status.switching) from None

    def _integrate(self, flow: Floats, events: list[Any] | None, span: tuple[float, float], state: Floats) -> Any:
        """What ``solve_ivp`` gives, over the span or up to an event."""
        from scipy.integrate import solve_ivp

        found = solve_ivp(
            _Counted(self.derivative(flow), self.solver.max_steps), span, state, method=self.solver.method,
            rtol=self.solver.relative, atol=self.solver.absolute, events=events,
        )  # fmt: skip
        if not found.success or not np.all(np.isfinite(found.y[:, -1])):
            raise _Failure(Status.diverged)
        return found

    def settle(self, steady: SteadyState, before: Floats) -> Floats:
        """Steady state under an endless series of doses, or what it makes of the state before."""
        dose = cycles.series(steady, np.asarray([self.number], dtype=np.int64))

        def fly(state: Floats, length: Floats, flow: Floats) -> Floats:
            return self.move(state[:, 0], 0.0, float(length[0]), flow[:, 0])[:, None]

        initial = self.problem.initial[self.number][:, None]
        found, reached = cycles.settle(dose, initial, fly, before[:, None], self.problem.model)
        if not reached[0]:
            raise _Failure(Status.no_steady_state)
        return found[:, 0]


@dataclass(slots=True)
class _Counted:
    """A right-hand side that is given up after so many evaluations, or when it is not finite."""

    function: Callable[[float, Floats], Floats]
    left: int

    def __call__(self, t: float, state: Floats) -> Floats:
        """Evaluate."""
        self.left -= 1
        if self.left < 0:
            raise _Failure(Status.too_many_steps)
        value = self.function(t, state)
        if not np.all(np.isfinite(value)):
            raise _Failure(Status.diverged)
        return value


def _walk(subject: _Subject, samples: Floats) -> Floats:
    """Take one subject through its nodes, filling its samples; its state at the end."""
    problem, number, timeline = subject.problem, subject.number, subject.problem.timeline
    state: Floats = problem.state[number].copy()
    flow = np.zeros(problem.state.shape[1])
    time = timeline.time[subject.row(timeline.time)]
    now = float(timeline.start[subject.row(timeline.start)])
    for node, then in enumerate(time):
        state, now = subject.move(state, now, float(then), flow), float(then)
        if timeline.resets[subject.row(timeline.resets), node]:
            state = problem.initial[number].copy()
        for steady in timeline.steady:
            if steady.exists[subject.row(steady.exists)] and steady.node[subject.row(steady.node)] == node:
                state = subject.settle(steady, state)
        for position, into in enumerate(timeline.into):
            state[into] += timeline.jump[subject.row(timeline.jump), node, position]
        flow = subject.rates(node)
        slot = timeline.slot[subject.row(timeline.slot), node]
        if slot >= 0:
            samples[slot] = state
    return state
