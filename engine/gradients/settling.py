r"""Steady states and their derivatives.

A cycle of the dose takes a state x to P(x, q). At the steady state x = P(x, q), so its derivatives solve

.. math:: \left(I - \frac{\partial P}{\partial x}\right) \frac{dx}{dq} = \frac{\partial P}{\partial q}

by the implicit function theorem. Both derivatives of P are those of the states at the end of one cycle, by their values
at its beginning and by the parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.dosing.arrivals import Flow
from engine.dosing.nodes import Samples, lay_out
from engine.dosing.schedule import AFTER, DOSE, STEPS, Floats, Integers, Schedule
from engine.dosing.timeline import SteadyState, Timeline
from engine.errors import DosingError
from engine.gradients.moves import Course, Laid, Settling, Slopes
from engine.gradients.variational import Variational, variational
from engine.models.calculus import ZERO
from engine.models.structure import linear
from engine.solvers.base import Problem, Solver
from engine.status import Status

type Solve = Callable[[Problem, Solver, Variational, Course], Any]


def settle(
    problem: Problem, solver: Solver, system: Variational, settling: Settling, solve: Solve
) -> tuple[Floats, NDArray[np.int8]]:
    """States and derivatives at a steady state, (subject, state), and a Status each.

    Parameters
    ----------
    problem
        Variational equations of the subjects concerned.
    solver
        Takes the model.
    system
        Its variational equations.
    settling
        The dose of each of these subjects.
    solve
        Solves variational equations with their breaks.
    """
    _check(system, settling.steady)
    base, steady = system.base, settling.steady
    count, size = problem.subjects, len(base.states)
    parameters = {name: problem.parameters[name] for name in base.parameter_names}
    initial = np.ascontiguousarray(problem.initial[:, :size])
    start = np.where(np.broadcast_to(steady.adds, (count,))[:, None], 0.0, initial)
    found = solver.solve(Problem(base, parameters, initial, start, _moment(steady, count), problem.largest))
    seeded = variational(base, system.wrt, outputs=(), seeds=True)
    names = {**parameters, **{seeded.scales[q]: problem.parameters[system.scales[q]] for q in system.wrt}}
    fixed = np.where((found.status == Status.ok)[:, None], found.state, initial)
    unit = np.where(fixed != 0, np.ldexp(1.0, np.frexp(np.abs(fixed))[1]), 1.0)
    state = np.zeros((count, len(seeded.model.states)))
    state[:, :size] = fixed
    for n, name in enumerate(base.state_names):
        state[:, seeded.places[n, name]] = unit[:, n]
    cycle = Problem(seeded.model, names, state, state, problem.timeline, found.largest)
    after = solve(cycle, solver, seeded, _cycle(seeded, settling, names))
    result = np.zeros((count, len(system.model.states)))
    result[:, :size] = found.state
    slopes = _fixed_point(seeded, after.state, unit)
    for (n, q), place in system.places.items():
        result[:, place] = slopes[q][:, n]
    status = np.where(found.status == Status.ok, after.status, found.status)
    status = np.where((status == Status.ok) & ~np.all(np.isfinite(result), axis=1), Status.no_steady_state, status)
    return result, status.astype(np.int8)


def _check(system: Variational, steady: SteadyState) -> None:
    equations = linear(system.base)
    if np.any(steady.adds) and equations is not None and any(entry != ZERO for entry in equations.forcing):
        raise DosingError(
            f"sensitivities: a steady state is added to what is there (SS 2), and model {system.base.name} is linear "
            "with a constant production; use SS 1"
        )


def _moment(steady: SteadyState, count: int) -> Timeline:
    """The time of the record alone, with nothing but its steady state."""
    into = tuple(int(n) for n in np.unique(steady.into))
    nothing = np.zeros((count, 1, len(into)))
    dosed = steady.into[:, None] == np.asarray(into)
    return Timeline(
        start=np.zeros(count), time=np.zeros((count, 1)), into=into, dosed=dosed, jump=nothing, rate=nothing,
        resets=np.zeros((count, 1), dtype=bool), slot=np.full((count, 1), -1), event=np.full((count, 1), -1),
        steady=(replace(steady, node=np.zeros(count, dtype=np.int64)),), samples=0,
    )  # fmt: skip


def _cycle(seeded: Variational, settling: Settling, parameters: Mapping[str, Floats]) -> Course:
    """One cycle from the record on: the dose arrives, or goes on flowing over the end of the cycle."""
    steady, length = settling.steady, settling.steady.interval
    count = len(length)
    endless = np.isinf(steady.duration)
    duration = np.where(endless, length, steady.duration)
    # What is left of a dose after whole cycles is more than 0, so that its end lies in the cycle or at its close.
    whole = np.where(endless, 1.0, np.maximum(np.ceil(duration / length) - 1.0, 0.0))
    begin = np.where(endless, 0.0, length - steady.phase)
    end = begin + duration - whole * length
    over, flows = end > length, steady.duration > 0
    zero, rate = np.zeros(count), np.where(flows, steady.rate, 0.0)
    flow = Flow(
        begin=_side(begin, zero, zero), end=_side(np.minimum(end, length), end - length, length),
        amount=_side(steady.amount, zero, zero), rate=_side(rate, rate, rate * whole),
        into=np.repeat(steady.into[:, None], 3, axis=1), key=np.full((count, 3), STEPS + DOSE),
        event=np.zeros((1, 3), dtype=np.int64), exists=_side(~endless, over, flows & (whole > 0)),
    )  # fmt: skip
    slopes = {}
    for q, one in settling.slopes.items():
        finish = np.where(over, 0.0, one.end)
        parts = Slopes(
            begin=_side(one.begin, zero, zero), end=_side(finish, np.where(over, one.end, 0.0), zero),
            amount=_side(one.amount, zero, zero), rate=_side(one.rate, one.rate, one.rate * whole),
        )  # fmt: skip
        slopes[q] = Slopes._make(np.where(flow.exists, values, 0.0) for values in parts)
    samples = Samples(length[:, None], np.full((count, 1), AFTER))
    timeline, places = lay_out(_empty(count), flow, [], samples)
    names = {name: values[:, None] for name, values in parameters.items()}
    return Laid(seeded, timeline, flow, places, count, lambda _: names).course(slopes)


def _side(*columns: NDArray[Any]) -> NDArray[Any]:
    return np.stack(columns, axis=1)


def _empty(count: int) -> Schedule:
    """No events, from time 0."""
    shape = (count, 0)
    reals, integers, flags = np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.bool_)
    return Schedule(
        exists=flags, time=reals, position=integers, record_time=reals, late=flags, amount=reals, into=integers,
        speed=integers, value=reals, interval=reals, steady=integers, steady_position=integers, resets=flags,
        doses=flags, start=np.zeros(count),
    )  # fmt: skip


def _fixed_point(seeded: Variational, state: Floats, unit: Floats) -> dict[str, Floats]:
    """Derivatives of the steady state by each parameter, times its scale, (subject, state)."""
    size = len(seeded.base.states)
    moved = np.zeros((len(state), size, size))
    direct = {q: np.zeros((len(state), size)) for q in seeded.wrt}
    names: Integers | list[str] = list(seeded.base.state_names)
    for (n, q), place in seeded.places.items():
        if q in direct:
            direct[q][:, n] = state[:, place]
        else:
            column = list(names).index(q)
            moved[:, n, column] = state[:, place] / unit[:, column]
    matrix = np.eye(size) - moved
    sound = np.all(np.isfinite(matrix), axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(matrix))) > 0)
    matrix = np.where(sound[:, None, None], matrix, np.eye(size))
    found = {}
    for q, right in direct.items():
        solved = np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
        found[q] = np.where(sound[:, None], solved, np.nan)
    return found
