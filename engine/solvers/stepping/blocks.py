"""Solving a problem by a compiled step: groups of subjects, what they are compiled for, and their results together."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import Timeline
from engine.errors import SolverError
from engine.models.freezing import Frozen, freeze
from engine.remembering import remembered
from engine.solvers import cycles
from engine.solvers.base import Problem, Trajectory
from engine.solvers.stepping import half
from engine.solvers.stepping.columns import Columns, columns
from engine.solvers.stepping.compiled import Stepper, stepper
from engine.solvers.stepping.itinerary import itinerary
from engine.solvers.stepping.march import Helpers, Limits, March
from engine.solvers.stepping.modes import Modes, modes, shape
from engine.solvers.stepping.stops import Flight, Stops
from engine.solvers.stepping.switching import Switching
from engine.solvers.stepping.tables import Table
from engine.status import Status

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]


_CAUTION = 0.02
"""Of the tolerance where a method stands in: its estimate of the error is too low where there is no series."""


class Method(NamedTuple):
    """A method with its tolerances.

    Error of a step, floor of sizes, when to give up or to leave, whether a linear part is carried exactly, and another
    method for single steps where this one has none.
    """

    table: Table
    tolerance: float
    floor: float
    limits: Limits
    exact: bool
    rescue: Table | None


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """Subjects that are dosed, and infused, into the same states, and whose linear part is exact, or not."""

    dosed: tuple[int, ...]
    infused: tuple[int, ...]
    exact: bool
    subjects: Integers


def check_tolerances(solver: str, tolerance: float, floor: float, max_steps: int) -> None:
    """Refuse tolerances that mean nothing."""
    if not 1e-14 <= tolerance < 1e-2:
        raise SolverError(f"{solver}: tolerance is {tolerance!r}; a number between 1e-14 and 1e-2 is wanted")
    if not 0 < floor <= 1:
        raise SolverError(f"{solver}: floor is {floor!r}; a number above 0 and at most 1 is wanted")
    if max_steps < 1:
        raise SolverError(f"{solver}: max_steps is {max_steps!r}; 1 or more is wanted")


def alike(problem: Problem, exact: NDArray[np.bool_]) -> list[Alike]:
    """Subjects by what is compiled for them and how their states are counted: others must not change it."""
    all_, states = bool(exact.all()), problem.state.shape[1]
    if all_ or not exact.any():
        return _alike(problem.timeline, problem.subjects, states, all_)
    return _groups(problem.timeline, states, exact)


@remembered
def _alike(timeline: Timeline, subjects: int, states: int, exact: bool) -> list[Alike]:
    """Groups of subjects whose linear part is exact, or not, for all."""
    return _groups(timeline, states, np.full(subjects, exact))


def _groups(timeline: Timeline, states: int, exact: NDArray[np.bool_]) -> list[Alike]:
    count = len(exact)
    flows = cycles.flows(timeline, count, states)
    dosed = np.zeros_like(flows)
    dosed[:, list(timeline.into)] = timeline.dosed
    both = np.concatenate([dosed, flows, exact[:, None]], axis=1)
    if np.all(both == both[0]):  # the usual case; finding groups costs more
        patterns, number = both[:1], np.zeros(count, dtype=np.int64)
    else:
        patterns, number = np.unique(both, axis=0, return_inverse=True)
    groups = []
    for group, pattern in enumerate(patterns):
        first, second = (tuple(int(n) for n in np.flatnonzero(part)) for part in (pattern[:states], pattern[states:-1]))
        groups.append(Alike(first, second, bool(pattern[-1]), np.flatnonzero(number.reshape(-1) == group)))
    return groups


def solve(problem: Problem, method: Method) -> tuple[Trajectory, NDArray[np.bool_]]:
    """Trajectory, and which subjects are stiff and left to another method."""
    count, states = problem.state.shape
    seen = states if problem.observed is None else len(problem.observed)
    samples: Floats | None = None
    state, status = np.full((count, states), np.nan), np.zeros(count, dtype=np.int8)
    largest, left = problem.largest.copy(), np.zeros(count, dtype=bool)
    frozen = freeze(problem.model)
    if frozen:
        held = {switch.held: np.zeros(count) for switch in frozen.switches}
        problem = replace(problem, model=frozen.model, parameters={**problem.parameters, **held})
    with np.errstate(all="ignore"):
        # Switches change the coefficients of a part that would else be linear.
        form = shape(problem.model) if method.exact and not frozen else None
        found = modes(form, problem) if form else None
        exact = found.sound if found else np.zeros(count, dtype=bool)
        for group in alike(problem, exact) if problem.timeline.time.shape[1] else ():
            part = _march(_Part(problem.take(group.subjects), group, found), method, frozen)
            own = part.samples.reshape(seen, len(group.subjects), problem.timeline.samples)
            if len(group.subjects) == count:
                samples = own
            else:
                samples = np.full((seen, count, problem.timeline.samples), np.nan) if samples is None else samples
                samples[:, group.subjects] = own
            state[group.subjects], status[group.subjects] = part.state, part.status
            largest[group.subjects] = part.stops.largest
            left[group.subjects] = part.left
    if not problem.timeline.time.shape[1]:
        state = problem.state.copy()
    if samples is None:
        samples = np.full((seen, count, problem.timeline.samples), np.nan)
    if status.any():
        samples[:, status != Status.ok], state[status != Status.ok] = np.nan, np.nan
    return Trajectory(np.moveaxis(samples, 0, -1), state, status, largest), left


class _Part(NamedTuple):
    """Subjects to solve together, what they have in common, and the modes of all subjects."""

    problem: Problem
    group: Alike
    modes: Modes | None


def _march(part: _Part, method: Method, frozen: Frozen | None) -> March:
    problem, group, _ = part
    seen = tuple(range(problem.state.shape[1])) if problem.observed is None else problem.observed

    def compile_(table: Table, tolerance: float) -> Stepper:
        return stepper(problem.model, group.infused, group.exact, table, tolerance, seen)

    def rescue() -> Stepper:
        return compile_(method.rescue or method.table, _CAUTION * method.tolerance)

    compiled = compile_(method.table, method.tolerance)
    plan = itinerary(problem.timeline, problem.subjects)

    def fly(flight: Flight) -> Floats:
        flown = replace(group, subjects=group.subjects[flight.subject])
        march = _march(part._replace(problem=_away(problem, group, stops, flight), group=flown), method, frozen)
        stops.left[flight.subject[march.left]] = True
        return np.where((march.status == Status.ok) & ~march.left, march.state.T, np.nan)

    grown, left = np.ones(problem.subjects, dtype=bool), np.zeros(problem.subjects, dtype=bool)
    stops = Stops(problem, plan, group.dosed, method.floor, problem.largest.copy(), grown, left, fly)
    switching = Switching(frozen, problem) if frozen else None
    helpers = Helpers(rescue if method.rescue else None, switching)
    march = March(problem, stops, compiled, method.limits, helpers)
    march.walk(_begin(part, compiled))
    return march


def _begin(part: _Part, compiled: Stepper) -> Columns:
    layout, problem, count = compiled.layout, part.problem, part.problem.subjects
    some = columns(layout, problem.timeline, problem.state)
    rows = some.parameters[:, :count]
    for row, name in zip(rows, problem.model.parameter_names, strict=False):
        row[:] = problem.parameters[name]
    if layout.form and part.modes:
        half.parameters(layout.form, part.modes.take(part.group.subjects), rows[layout.modes : layout.stop])
    return some


def _away(problem: Problem, group: Alike, stops: Stops, flight: Flight) -> Problem:
    """Problem of a flight: from the states given, with constant inflows, away from the timeline."""
    return replace(
        problem.take(flight.subject), state=np.ascontiguousarray(flight.state.T), largest=stops.largest[flight.subject],
        timeline=_straight(group, flight),
    )  # fmt: skip


def _straight(group: Alike, flight: Flight) -> Timeline:
    """Two nodes: the inflow begins, the flight ends."""
    count, into = len(flight.subject), group.infused
    rate = np.zeros((count, 2, len(into)))
    rate[:, 0] = flight.flow[list(into)].T
    nothing = np.zeros((1, 2), dtype=np.int64)
    return Timeline(
        start=np.zeros(count), time=np.stack([np.zeros(count), flight.length], axis=1), into=into,
        dosed=np.ones((1, len(into)), dtype=bool), jump=np.zeros((1, 2, len(into))), rate=rate,
        resets=np.zeros((count, 2), dtype=bool), slot=np.full((count, 2), -1), event=nothing, steady=(), samples=0,
    )  # fmt: skip
