"""What is done to subjects where they stop: resets, steady states, doses, infusions, and the sizes doses give."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import SteadyState
from engine.solvers import cycles
from engine.solvers.base import Problem
from engine.solvers.scales import power_of_two, sizes
from engine.solvers.stepping.columns import Columns
from engine.solvers.stepping.itinerary import Itinerary
from engine.solvers.stepping.symbols import FIRST, LENGTH
from engine.status import Status

type Floats = NDArray[np.float64]
type Integers = NDArray[np.int64]


class Flight(NamedTuple):
    """A move away from the timeline: who, states (state, one), lengths of time, inflows (state, one)."""

    subject: Integers
    state: Floats
    length: Floats
    flow: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Stops:
    """What happens to the subjects of a problem at the stops of its itinerary.

    ``dosed`` are the states doses enter; ``floor`` is the part of a state's size below which its error counts as
    absolute; ``largest`` the largest dose so far, (subject), which grows, and ``grown`` whose grew since its floors
    were found; ``left`` whom the method left to another on a flight; ``fly`` gives the states after a flight.
    """

    problem: Problem
    plan: Itinerary
    dosed: tuple[int, ...]
    floor: float
    largest: Floats
    grown: NDArray[np.bool_]
    left: NDArray[np.bool_]
    fly: Callable[[Flight], Floats]

    def refresh(self, some: Columns) -> None:
        """Find the floors of the columns on their way whose largest dose grew; before any step, of all."""
        if not self.grown.any():
            return
        at = (some.moving & self.grown[some.subject]).nonzero()[0]
        if not at.size:
            return
        subject, problem = some.subject[at], self.problem
        self.grown[subject] = False
        parameters, initial, largest = problem.parameters, problem.initial, self.largest
        if len(at) < problem.subjects:
            parameters = {name: values[subject] for name, values in parameters.items()}
            initial, largest = initial[subject], largest[subject]
        found = self.floor * sizes(problem.model, parameters, initial.T, largest, self.dosed)
        some.parameters[some.layout.floor : some.layout.floor + some.layout.states, at] = found

    def act(self, some: Columns, at: Integers) -> NDArray[np.int8]:
        """Do what is due where these columns have stopped; their Status."""
        stop, subject = some.stop[at], some.subject[at]
        node, timeline = self.plan.node[stop], self.problem.timeline
        afresh = at[self.plan.afresh[stop]]
        some.row(LENGTH)[afresh], some.row(FIRST)[afresh] = -1.0, np.inf
        reset = pick(timeline.resets, subject, node)
        if reset.any():
            some.carried[: some.layout.states, at[reset]] = self.problem.initial[subject[reset]].T
        jump = pick(timeline.jump, subject, node)
        self._grow(some, at, node, jump)
        status = np.zeros(len(at), dtype=np.int8)
        for steady in timeline.steady:
            status = np.maximum(status, self._settle(some, at, node, steady))
        for number, state in enumerate(timeline.into):
            some.carried[state, at] += jump[:, number]
        self._flow(some, at, pick(timeline.rate, subject, node))
        return status

    def _flow(self, some: Columns, at: Integers, rate: Floats) -> None:
        into = {state: number for number, state in enumerate(self.problem.timeline.into)}
        for number, state in enumerate(some.layout.infused):
            some.parameters[some.layout.flow + number, at] = rate[:, into[state]]

    def _grow(self, some: Columns, at: Integers, node: Integers, jump: Floats) -> None:
        """Follow the largest dose so far, rounded up to a power of 2, and the floors with it."""
        subject = some.subject[at]
        given = np.max(jump, axis=1, initial=0.0)
        rate = pick(self.problem.timeline.rate, subject, node)
        if rate.any():
            following = np.minimum(some.stop[at] + 1, self.plan.last[self.plan.row[subject]])
            length = self.plan.time[following] - self.plan.time[some.stop[at]]
            given = np.maximum(given, np.max(rate * length[:, None], axis=1, initial=0.0))
        for steady in self.problem.timeline.steady:
            here, dose = self._series(steady, subject, node)
            amount = dose.amount + np.where(
                dose.duration > 0, dose.rate * np.minimum(dose.duration, dose.interval), 0.0
            )  # fmt: skip
            given = np.where(here, np.maximum(given, amount), given)
        larger = power_of_two(given) > self.largest[subject]
        if larger.any():
            self.largest[subject[larger]] = power_of_two(given[larger])
            self.grown[subject[larger]] = True

    def _series(
        self, steady: SteadyState, subject: Integers, node: Integers
    ) -> tuple[NDArray[np.bool_], cycles.Series]:
        """Whether the steady state is found at these nodes, and the doses that lead to it."""
        rows = subject if len(steady.node) > 1 else np.zeros_like(subject)
        return steady.exists[rows] & (steady.node[rows] == node), cycles.series(steady, subject)

    def _settle(self, some: Columns, at: Integers, node: Integers, steady: SteadyState) -> NDArray[np.int8]:
        """Put the subjects whose steady-state dose is recorded here there."""
        here, _ = self._series(steady, some.subject[at], node)
        if not here.any():
            return np.zeros(len(at), dtype=np.int8)
        chosen = at[here]
        subject = some.subject[chosen]

        def move(state: Floats, length: Floats, flow: Floats) -> Floats:
            return self.fly(Flight(subject, state, length, flow))

        initial = self.problem.initial[subject].T
        states = slice(0, some.layout.states)
        before = some.carried[states, chosen]
        dose, model = cycles.series(steady, subject), self.problem.model
        some.carried[states, chosen], reached = cycles.settle(dose, initial, move, before, model)
        status = np.zeros(len(at), dtype=np.int8)
        status[here] = np.where(reached, Status.ok, Status.no_steady_state)
        return status


def pick(values: NDArray[Any], subject: Integers, node: Integers) -> NDArray[Any]:
    """Values of subjects at nodes, from an array of one row for all or one a subject."""
    found: NDArray[Any] = values[subject if len(values) > 1 else 0, node]
    return found
