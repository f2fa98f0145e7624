r"""How doses change with parameters, and what that does to the derivatives of the states.

Where a dose arrives at a time :math:`\tau(q)` the states go from :math:`x^-` to :math:`x^+` and their derivatives by

.. math:: S^+ = S^- + (f(x^-) - f(x^+))\, \partial_q \tau + \partial_q (x^+ - x^-)

(Rozenvasser, Automat Remote Control 1967;28:400). A bolus adds its amount; where an infusion begins or ends only
its own rate changes f. So what S gains is known beforehand, and is a dose into S, unless the rates at which a bolus
leaves its state depend on the states: there it is found when the state is known.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.block import Block
from engine.dosing.arrivals import Administration, Flow, arrivals, by_dose, dose_stretches
from engine.dosing.nodes import Places, lay_out
from engine.dosing.schedule import STEADY, STEPS, Flags, Floats, Integers, Schedule, Speed
from engine.dosing.timeline import SteadyState, Timeline
from engine.gradients.switching import Switching, crossings, halting, switchings, times
from engine.gradients.variational import Variational
from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import ZERO, differentiate
from engine.models.expression import Expression, evaluate, substitute
from engine.models.specification import Model
from engine.models.structure import jacobian


class Slopes(NamedTuple):
    """Derivatives of doses as they arrive, times the parameter's scale; (subject, dose)."""

    begin: Floats
    end: Floats
    amount: Floats
    rate: Floats


class Settling(NamedTuple):
    """A steady state to find, and the derivatives of its dose by each parameter, (subject)."""

    steady: SteadyState
    slopes: dict[str, Slopes]

    def nodes(self, timeline: Timeline) -> Flags:
        """Whether it is to be found at a node, (row, node)."""
        steady = self.steady
        return np.asarray(steady.exists[:, None] & (steady.node[:, None] == np.arange(timeline.time.shape[1])))

    def take(self, subjects: Integers) -> "Settling":
        """Give these subjects, each a row."""
        own = [np.atleast_1d(getattr(self.steady, field.name)) for field in fields(SteadyState)]
        rows = [values[subjects] if len(values) > 1 else np.repeat(values, len(subjects)) for values in own]
        slopes = {q: Slopes._make(values[subjects] for values in one) for q, one in self.slopes.items()}
        return Settling(SteadyState(*rows), slopes)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Course:
    """A timeline of states and derivatives.

    Attributes
    ----------
    timeline
        With doses into the derivatives too, and without steady states.
    shifts
        For each parameter that moves doses the derivative of the time of a node, times its scale, (subject, node), at
        nodes where a bolus arrives whose effect on the rates depends on the states; 0 elsewhere.
    breaks
        Nodes before which something is to be done that depends on the states, (subject, node).
    settlings
        Steady states.
    switchings
        Where the rates jump at a time that depends on parameters.
    """

    timeline: Timeline
    shifts: dict[str, Floats]
    breaks: Flags
    settlings: tuple[Settling, ...]
    switchings: tuple[Switching, ...] = ()

    def take(self, subjects: Integers) -> "Course":
        """Give these subjects."""
        shifts = {q: values[subjects] for q, values in self.shifts.items()}
        settlings = tuple(one.take(subjects) for one in self.settlings)
        switched = tuple(one.take(subjects) for one in self.switchings)
        return Course(self.timeline.take(subjects), shifts, self.breaks[subjects], settlings, switched)


def course(block: Block, given: Administration, system: Variational, whole: Block) -> Course:
    """Timeline of a block's states and derivatives.

    Parameters
    ----------
    block
        Subjects to simulate, with the model itself.
    given
        How doses enter its states.
    system
        Its variational equations.
    whole
        The same subjects with these, and their scales.
    """
    flow, steady = arrivals(block.schedule, given, block.covariates)
    when = times(block, system.wrt)
    schedule = halting(block.schedule, when) if when.shape[1] else block.schedule
    timeline, places = lay_out(schedule, flow, steady, block.samples, block.covariates)
    slopes = {}
    if moved := moving(system.base, system.wrt):
        names, own = _at_doses(whole), by_dose(block.schedule, given, block.covariates)
        slopes = {q: _slopes(block, flow, own, _Change(system.base, q, names, system.scales[q])) for q in moved}
    laid = Laid(system, timeline, flow, places, block.subjects, whole.at)
    settlings = [
        Settling(one, {q: _column(slope, column) for q, slope in slopes.items()})
        for (column, _), one in zip(steady, timeline.steady, strict=True)
    ]
    crossed = np.isfinite(when).any(axis=0)  # a time that no subject comes to has no node
    node = np.zeros(when.shape, dtype=np.int64)
    node[:, crossed] = places.halts[:, places.halts.shape[1] - int(crossed.sum()) :]
    return laid.course(slopes, settlings, switchings(block, system.wrt, when, node))


def _at_doses(whole: Block) -> dict[str, Floats]:
    """Parameters that each dose has, (subject, dose), or (subject, 1) where they do not change."""
    if whole.covariates is None:
        return whole.at(np.zeros((whole.subjects, 1), dtype=np.int64))
    return whole.at(dose_stretches(whole.schedule, whole.covariates))


def _column(slopes: Slopes, column: int) -> Slopes:
    return Slopes._make(values[:, column] for values in slopes)


def moving(model: Model, names: Sequence[str]) -> tuple[str, ...]:
    """Parameters that change when or how doses enter."""
    return tuple(q for q in names if any(_administered(model, q).values()))


def fixed(model: Model, names: Sequence[str]) -> bool:
    """Whether none of these parameters changes when or how doses enter, or when the equations switch."""
    return not moving(model, names) and not crossings(model, tuple(names))


@lru_cache(maxsize=256)
def _administered(model: Model, q: str) -> dict[str, dict[int, Expression]]:
    """Derivatives by a parameter of what is declared for doses: by field, then state; those that are not 0."""
    let: dict[str, Expression] = {}
    for name, expression in model.let:
        let[name] = substitute(expression, let)
    found: dict[str, dict[int, Expression]] = {field: {} for field in Administration._fields}
    for n, state in enumerate(model.states):
        for field, slopes in found.items():
            expression = getattr(state, field)
            slope = ZERO if expression is None else differentiate(substitute(expression, let), q)
            if slope != ZERO:
                slopes[n] = slope
    return found


class _Change(NamedTuple):
    """How what is declared for doses changes with a parameter; ``names`` are the values of all at the doses."""

    model: Model
    q: str
    names: Mapping[str, Floats]
    scale: str

    def __call__(self, field: str, into: Integers, column: Integers) -> Floats:
        """Derivative of a field by the parameter, times its scale, at doses in these columns of a schedule."""
        result = np.zeros(into.shape)
        known = {n: v[:, column] if v.shape[1] > 1 else v for n, v in self.names.items()}
        for state, slope in _administered(self.model, self.q)[field].items():
            result = np.where(into == state, evaluate(slope, known, ARRAYS) * known[self.scale], result)
        return result


def _slopes(block: Block, flow: Flow, own: Administration, change: _Change) -> Slopes:
    """How each dose as it arrives changes with one parameter; ``own`` is how each dose of the schedule enters."""
    shape = (block.subjects, flow.exists.shape[1])
    into, column = np.broadcast_to(flow.into, shape), flow.event[0]

    def by(field: str) -> Floats:
        return change(field, into, column)

    def each(values: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(values[:, column], shape)

    schedule = block.schedule
    speed, value, dose = each(schedule.speed), each(schedule.value), each(schedule.amount)
    lag, amount = by("lag"), dose * by("bioavailability")
    length, fast = each(own.duration), each(own.rate)
    whole = dose * each(own.bioavailability)
    with np.errstate(all="ignore"):
        rate = np.select(
            [speed == Speed.duration, speed == Speed.modelled_rate, speed == Speed.modelled_duration],
            [amount / value, by("rate"), amount / length - whole * by("duration") / length**2], 0.0,
        )  # fmt: skip
        longer = np.select(
            [speed == Speed.rate, speed == Speed.modelled_rate, speed == Speed.modelled_duration],
            [amount / value, amount / fast - whole * by("rate") / fast**2, by("duration")], 0.0,
        )  # fmt: skip
    begin = np.where(flow.key % STEPS == STEADY, 0.0, lag)  # under way at a steady state: cut at its record
    exists = np.broadcast_to(flow.exists, shape)
    end = np.where(_stopped(schedule, flow), 0.0, lag + longer)
    bolus = np.where(speed == Speed.bolus, amount, 0.0)
    return Slopes._make(np.where(exists, values, 0.0) for values in (begin, end, bolus, rate))


def _stopped(schedule: Schedule, flow: Flow) -> Flags:
    """Whether a reset, or a steady state that replaces, ended a dose: it ends at that time whatever its length."""
    stops = schedule.exists & (schedule.resets | (schedule.steady == 1))
    found = np.zeros((max(len(flow.end), len(stops)), flow.end.shape[1]), dtype=bool)
    for column in np.flatnonzero(np.any(stops, axis=0)):
        found |= stops[:, column, None] & (flow.end == schedule.time[:, column, None])
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """Doses at their nodes, and what they do to the derivatives; ``at`` gives the parameters in stretches."""

    system: Variational
    timeline: Timeline
    flow: Flow
    places: Places
    subjects: int
    at: Callable[[Integers], Mapping[str, Floats]]

    def course(
        self, slopes: Mapping[str, Slopes], settlings: Sequence[Settling] = (), switched: Sequence[Switching] = ()
    ) -> Course:
        """Timeline with what the derivatives gain, and the breaks where that depends on the states."""
        shifts = {q: self._shift(one) for q, one in slopes.items()}
        breaks = np.zeros((self.subjects, self.timeline.time.shape[1]), dtype=bool)
        for shift in shifts.values():
            breaks |= shift != 0
        for settling in settlings:
            breaks |= settling.nodes(self.timeline)
        for one in switched:
            breaks |= one.exists[:, None] & (one.node[:, None] == np.arange(breaks.shape[1]))
        timeline = replace(self._extended(slopes), steady=())
        return Course(timeline, shifts, breaks, tuple(settlings), tuple(switched))

    def _known(self, state: int) -> bool:
        """Whether a bolus into this state changes the rates by amounts that do not depend on the states."""
        return not any(row[state].names & set(self.system.base.state_names) for row in jacobian(self.system.base))

    def _shift(self, slopes: Slopes) -> Floats:
        """Derivatives of the times of nodes where a bolus arrives whose effect on the rates is not known."""
        found = np.zeros((self.subjects, self.timeline.time.shape[1]))
        chosen = np.where(self._unknown(), slopes.begin, 0.0)
        self._put(found, self.places.begin, chosen)
        return found

    def _unknown(self) -> Flags:
        unknown = [n for n in range(len(self.system.base.states)) if not self._known(n)]
        return np.asarray(self.flow.exists & (self.flow.amount != 0) & np.isin(self.flow.into, unknown))

    def _put(self, nodes: Floats, place: Integers, values: Floats) -> None:
        """Add values (subject, dose) to the nodes of the doses."""
        rows = np.broadcast_to(np.arange(self.subjects)[:, None], values.shape)
        inside = np.minimum(place, nodes.shape[1] - 1)  # a padded dose, which moves nothing, may lie outside
        np.add.at(nodes, (rows, np.broadcast_to(inside, values.shape)), values)

    def _extended(self, slopes: Mapping[str, Slopes]) -> Timeline:
        """Timeline with doses into the derivatives."""
        jumps: dict[int, Floats] = {}
        rates: dict[int, Floats] = {}
        places, shape = self.system.places, (self.subjects, self.timeline.time.shape[1])
        for q, slope in slopes.items():
            for state in self.timeline.into:
                here = np.broadcast_to(self.flow.into == state, slope.begin.shape)
                if not any(np.any(values[here]) for values in slope):
                    continue
                own = places[state, q]
                jump, rate = (kind.setdefault(own, np.zeros(shape)) for kind in (jumps, rates))
                self._move(jump, slope, here)
                self._flow(rate, slope, here)
                if self._known(state):
                    gained = np.where(here, slope.begin * self.flow.amount, 0.0)
                    for row, change in self._leaving(state):
                        moved = jumps.setdefault(places[row, q], np.zeros(shape))
                        self._put(moved, self.places.begin, -change * gained)
        return self._joined(jumps, rates)

    def _leaving(self, state: int) -> list[tuple[int, Floats]]:
        """What a unit in ``state`` changes the rate of each state by, at the doses, (subject, dose)."""
        names = {**self.at(self._stretch()), "t": self.flow.begin}
        column = [row[state] for row in jacobian(self.system.base)]
        return [(n, evaluate(entry, names, ARRAYS)) for n, entry in enumerate(column) if entry != ZERO]

    def _stretch(self) -> Integers:
        """Stretch of the node of each dose, (subject, dose)."""
        stops = np.zeros((1, 1), dtype=np.int64) if self.timeline.stops is None else self.timeline.stops
        found = np.sum(self.places.begin[:, :, None] >= stops[:, None, :-1], axis=2)
        return np.asarray(np.broadcast_to(found, (self.subjects, self.flow.exists.shape[1])), dtype=np.int64)

    def _move(self, jump: Floats, slopes: Slopes, here: Flags) -> None:
        """Amounts that change, and infusions that begin or end later."""
        places, flowing = self.places, self.places.flowing
        self._put(jump, places.begin, np.where(here, slopes.amount - self.flow.rate * slopes.begin, 0.0))
        if len(flowing):
            ending = np.where(here, self.flow.rate * slopes.end, 0.0)[:, flowing]
            self._put(jump, places.end, ending)

    def _flow(self, rate: Floats, slopes: Slopes, here: Flags) -> None:
        """Rates that change, from begin to end."""
        node = np.arange(rate.shape[1])
        for number, column in enumerate(self.places.flowing):
            begin, end = self.places.begin[:, column, None], self.places.end[:, number, None]
            change = np.where(here, slopes.rate, 0.0)[:, column, None]
            rate += np.where((node >= begin) & (node < end), change, 0.0)

    def _joined(self, jumps: Mapping[int, Floats], rates: Mapping[int, Floats]) -> Timeline:
        timeline, into = self.timeline, tuple(sorted(jumps))
        if not into:
            return timeline
        zero = np.zeros((self.subjects, timeline.time.shape[1]))
        jump, rate = (np.stack([kind.get(n, zero) for n in into], axis=2) for kind in (jumps, rates))
        dosed = np.any((jump != 0) | (rate != 0), axis=1)

        def wide(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([np.broadcast_to(first, (self.subjects, *first.shape[1:])), second], axis=-1)

        return replace(
            timeline, into=(*timeline.into, *into), dosed=wide(timeline.dosed, dosed), jump=wide(timeline.jump, jump),
            rate=wide(timeline.rate, rate),
        )  # fmt: skip
