"""From break to break: what happens to states and derivatives at a break depends on the states there."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.covariates import Covariates
from engine.dosing.schedule import Flags, Floats, Integers
from engine.dosing.timeline import Timeline
from engine.evaluation import initial_states
from engine.gradients.moves import Course, Settling
from engine.gradients.settling import settle
from engine.gradients.switching import gained
from engine.gradients.variational import Variational
from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.remembering import remembered
from engine.solvers.base import Problem, Solver, Trajectory
from engine.status import Status


def solve(
    problem: Problem, solver: Solver, system: Variational, course: Course, covariates: Covariates | None = None
) -> Trajectory:
    """States and derivatives at the samples; what to do at breaks is done between two solutions.

    Where parameters change with time (``covariates``), the problem has those of the first stretch.
    """
    if covariates is None and not course.breaks.any():
        here = problem.timeline is course.timeline
        return solver.solve(problem if here else replace(problem, timeline=course.timeline))
    return _Walk(problem, solver, system, course, covariates).go()


class _Ends(NamedTuple):
    """Nodes before which pieces end, (subject); whether they go on to that node's time; stretch they lie in."""

    node: Integers
    goes_on: Flags
    stretch: Integers


class _Piece(NamedTuple):
    """Nodes from break to break, where they end, and which samples they have, (subject, sample)."""

    timeline: Timeline
    end: _Ends
    seen: Flags


@remembered
def _pieces(course: Course, subjects: int) -> tuple[_Piece, ...]:
    """Pieces of a course, in time."""
    timeline = _rows(_without_settled_resets(course), subjects)
    first, start, found = np.zeros(subjects, dtype=np.int64), timeline.start, []
    for end in _ends(course, timeline):
        piece = _until(timeline.part(first, end.node), timeline, end, start)
        seen = np.any(piece.slot[:, :, None] == np.arange(piece.samples), axis=1)
        found.append(_Piece(piece, end, seen))
        first, start = end.node, piece.time[:, -1]
    return tuple(found)


def _without_settled_resets(course: Course) -> Timeline:
    """Leave out resets of nodes with a steady state, which are done before it."""
    timeline = course.timeline
    resets = timeline.resets
    for one in course.settlings:
        resets = resets & ~one.nodes(timeline)
    return replace(timeline, resets=resets)


def _ends(course: Course, timeline: Timeline) -> Iterator[_Ends]:
    """Where each piece ends: at a break, which lies in the stretch of its node, or after the end of a stretch."""
    count, width = timeline.time.shape
    stops = np.full((count, 0), width)
    if timeline.stops is not None:
        stops = np.broadcast_to(timeline.stops[:, :-1], (count, timeline.stops.shape[1] - 1))
    places = np.where(course.breaks, np.arange(width), width)
    both = np.concatenate([2 * stops, 2 * places + 1], axis=1)
    both = np.sort(np.where(both < 2 * width, both, 2 * width + 1), axis=1)
    both = np.append(both, np.full((count, 1), 2 * width + 1), axis=1)
    stretch = np.zeros(count, dtype=np.int64)
    for column in both[:, : int(np.max(np.sum(both < 2 * width, axis=1), initial=0)) + 1].T:
        yield _Ends(column // 2, column % 2 == 1, stretch)
        stretch = stretch + (column % 2 == 0)


@dataclass(slots=True, eq=False)
class _Walk:
    problem: Problem
    solver: Solver
    system: Variational
    course: Course
    covariates: Covariates | None

    def go(self) -> Trajectory:
        """Solve to each subject's first break, do what is to do there, go on to the next.

        At the end of a stretch nothing is done, but what follows has the parameters of the next.
        """
        found = _begin(self.problem, self.course.timeline.samples)
        for piece in _pieces(self.course, self.problem.subjects):
            self.problem = self._during(piece.end.stretch)
            found = self._stretch(found, piece)
            found = self._break(found, np.where(piece.end.goes_on, piece.end.node, self.course.timeline.time.shape[1]))
        return found

    def _during(self, stretch: Integers) -> Problem:
        """The problem with the parameters of a stretch of each subject."""
        if self.covariates is None:
            return self.problem
        parameters = {**self.problem.parameters, **self.covariates.at(stretch)}
        initial = initial_states(self.problem.model, parameters, self.problem.subjects)
        return replace(self.problem, parameters=parameters, initial=initial)

    def _stretch(self, so_far: Trajectory, piece: _Piece) -> Trajectory:
        sound = so_far.status == Status.ok
        state = np.where(sound[:, None], so_far.state, self.problem.initial)
        step = replace(self.problem, state=state, timeline=piece.timeline, largest=so_far.largest)
        found = self.solver.solve(step)
        samples = np.where(piece.seen[:, :, None], found.samples, so_far.samples)
        status = np.where(sound, found.status, so_far.status).astype(np.int8)
        return _sound(Trajectory(samples, found.state, status, found.largest))

    def _break(self, found: Trajectory, node: Integers) -> Trajectory:
        """Let arriving boluses and steady states act on states and derivatives."""
        timeline = self.course.timeline
        here = node < timeline.time.shape[1]
        node = np.where(here, node, 0)
        state = found.state + self._moved(found.state, node, here) + self._switched(found.state, node, here)
        status = found.status
        for one in self.course.settlings:
            due = here & one.steady.exists & (one.steady.node == node) & (status == Status.ok)
            if due.any():
                state, status = self._settled(one, node, due, state, status)
        return _sound(found._replace(state=state, status=status))

    def _moved(self, state: Floats, node: Integers, here: Flags) -> Floats:
        """What the derivatives gain where a bolus that changes the rates arrives later or earlier."""
        gained = np.zeros_like(state)
        shifts = {q: np.where(here, _at(shift, node), 0.0) for q, shift in self.course.shifts.items()}
        if not any(np.any(shift) for shift in shifts.values()):
            return gained
        base, timeline = self.system.base, self.course.timeline
        before = state[:, : len(base.states)]
        after = before.copy()
        for number, into in enumerate(timeline.into):
            if into < len(base.states):
                after[:, into] += _at(timeline.jump[:, :, number], node)
        time = _at(timeline.time, node)
        drop = self._rates(before, time) - self._rates(after, time)
        for (n, q), place in self.system.places.items():
            if q in shifts:
                gained[:, place] = drop[:, n] * shifts[q]
        return gained

    def _switched(self, state: Floats, node: Integers, here: Flags) -> Floats:
        """What the derivatives gain where the rates jump at a time that depends on parameters."""
        gain, switched = np.zeros_like(state), self.course.switchings
        due = [here & one.exists & (one.node == node) for one in switched]
        if not any(np.any(flags) for flags in due):
            return gain
        base = self.system.base
        states = {name: state[:, n] for n, name in enumerate(base.state_names)}
        names = {**self.problem.parameters, **states, "t": _at(self.course.timeline.time, node)}
        found = gained(base, self.system.wrt, switched, due, names)
        for (n, q), place in self.system.places.items():
            gain[:, place] = found[q][:, n] * self.problem.parameters[self.system.scales[q]]
        return gain

    def _rates(self, state: Floats, time: Floats) -> Floats:
        base = self.system.base
        states = {name: state[:, n] for n, name in enumerate(base.state_names)}
        found = equations.derivatives(base, ARRAYS, time, states, self.problem.parameters)
        return np.stack([np.broadcast_to(value, time.shape) for value in found.values()], axis=1)

    def _settled(
        self, one: Settling, node: Integers, due: Flags, state: Floats, status: NDArray[np.int8]
    ) -> tuple[Floats, NDArray[np.int8]]:
        chosen = np.flatnonzero(due)
        found, reached = settle(self.problem.take(chosen), self.solver, self.system, one.take(chosen), solve)
        state, status = state.copy(), status.copy()
        before = np.where(_at(self.course.timeline.resets, node)[:, None], self.problem.initial, state)
        adds = np.broadcast_to(one.steady.adds, due.shape)
        state[chosen] = found + np.where(adds[:, None], before, 0.0)[chosen]
        status[chosen] = np.where(status[chosen] == Status.ok, reached, status[chosen])
        return state, status


def _at(values: NDArray[Any], node: Integers) -> NDArray[Any]:
    """Values at a node of each subject; (1 or subject, node) to (subject)."""
    return np.asarray(values[np.arange(len(node)) if len(values) > 1 else 0, node])


def _sound(found: Trajectory) -> Trajectory:
    """The same, NaN for subjects that failed."""
    failed = found.status != Status.ok
    found.samples[failed], found.state[failed] = np.nan, np.nan
    return found


def _begin(problem: Problem, samples: int) -> Trajectory:
    states = problem.state.shape[1] if problem.observed is None else len(problem.observed)
    unseen = np.full((problem.subjects, samples, states), np.nan)
    status = np.zeros(problem.subjects, dtype=np.int8)
    return Trajectory(unseen, problem.state.copy(), status, problem.largest)


def _rows(timeline: Timeline, count: int) -> Timeline:
    """The same nodes, a row for each subject."""
    if len(timeline.time) == count:
        return timeline
    names = ("start", "time", "resets", "slot", "event", *(() if timeline.stops is None else ("stops",)))
    arrays = {name: getattr(timeline, name) for name in names}
    wide: dict[str, Any] = {name: np.broadcast_to(a, (count, *a.shape[1:])) for name, a in arrays.items()}
    return replace(timeline, **wide)


def _until(piece: Timeline, whole: Timeline, end: _Ends, start: Floats) -> Timeline:
    """A stretch from ``start`` that may go on to the time of the node it ends before, and does nothing there."""
    node = np.where(end.goes_on, end.node, end.node - 1)
    time = _at(whole.time, np.clip(node, 0, whole.time.shape[1] - 1))[:, None]

    def more(values: NDArray[Any], empty: Any) -> NDArray[Any]:
        shape = (len(values), 1, *values.shape[2:])
        return np.concatenate([values, np.full(shape, empty, dtype=values.dtype)], axis=1)

    return replace(
        piece, start=start,
        time=np.concatenate([np.maximum(piece.time, start[:, None]), np.maximum(time, start[:, None])], axis=1),
        jump=more(piece.jump, 0.0), rate=more(piece.rate, 0.0), resets=more(piece.resets, False),
        slot=more(piece.slot, -1), event=more(piece.event, -1),
    )  # fmt: skip
