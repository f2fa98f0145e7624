"""Steady states of equations that are not linear: the state that one cycle of the dose brings back to itself.

Newton's method on the map of one cycle, its derivatives by differences; a steady state counts only when repeating the
dose would lead to it (every eigenvalue of the map's derivative inside the unit circle).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.dosing.timeline import SteadyState, Timeline
from engine.errors import DosingError
from engine.models.specification import Model
from engine.models.structure import linear, rates

type Floats = NDArray[np.float64]
type Move = Callable[[Floats, Floats, Floats], Floats]
"""State (state, lane) after lengths of time (lane) with inflows (state, lane); NaN where the solver failed."""

_FIRST_CYCLES, _NEWTON_STEPS = 3, 25
_DIFFERENCE, _SETTLED, _NOTHING = 1e-6, 1e-9, 1e-15


class Series(NamedTuple):
    """An endless series of doses, one a lane; see :class:`engine.dosing.timeline.SteadyState`."""

    into: NDArray[np.int64]
    interval: Floats
    amount: Floats
    rate: Floats
    duration: Floats
    phase: Floats
    adds: NDArray[np.bool_]


def flows(timeline: Timeline, subjects: int, states: int) -> NDArray[np.bool_]:
    """Whether anything ever flows into each state of each subject, (subject, state)."""
    found = np.zeros((subjects, states), dtype=bool)
    for number, state in enumerate(timeline.into):
        found[:, state] |= np.any(timeline.rate[:, :, number] != 0, axis=1)
    for one in timeline.steady:
        rows = np.arange(subjects)
        found[rows, np.broadcast_to(one.into, rows.shape)] |= one.exists & (one.duration > 0)
    return found


def check(model: Model, timeline: Timeline, solver: str) -> None:
    """Refuse steady states that have no meaning for these equations."""
    if timeline.steady and any("t" in rate.names for rate in rates(model)):
        raise DosingError(f"{solver}: the equations of model {model.name} depend on t, so a dose has no steady state")


def series(steady: SteadyState, subject: NDArray[np.int64]) -> Series:
    """Doses of these subjects."""

    def each(values: NDArray[Any]) -> NDArray[Any]:
        return values[subject] if len(values) > 1 else np.broadcast_to(values, (len(subject),))

    return Series._make(each(getattr(steady, field)) for field in Series._fields)


def settle(
    dose: Series, initial: Floats, move: Move, before: Floats, model: Model
) -> tuple[Floats, NDArray[np.bool_]]:  # fmt: skip
    """State at the record of a steady state, (state, lane), and whether there is one.

    Where it is added (SS 2) to the state ``before``, that is as superposition has it in a linear model: the steady
    state of the doses less that without them. Where equations are not linear nothing can be told apart, and the whole
    is added: PREDPP's sum (https://nmhelp.tingjieguo.com/ss.html). A lane's result does not depend on the others: one
    that has settled is left alone.
    """
    found, reached = _settled(dose, initial, move)
    adds = np.broadcast_to(dose.adds, reached.shape)
    if not adds.any():
        return found, reached
    if linear(model) is None:
        return np.where(adds, before + found, found), reached
    nothing, zero = np.zeros_like(dose.amount), np.zeros_like(initial)
    still = np.all(move(zero, dose.interval, zero) == 0, axis=0)  # nothing comes of nothing, in most models
    rest, also = (zero, still) if np.all(still | ~adds) else _settled(
        dose._replace(amount=nothing, rate=nothing), initial, move
    )  # fmt: skip
    alone = found - np.where(still, 0.0, rest)
    return np.where(adds, before + alone, found), reached & (also | still | ~adds)


def _settled(dose: Series, initial: Floats, move: Move) -> tuple[Floats, NDArray[np.bool_]]:
    """State ``phase`` after the last dose arrived, (state, lane), and whether there is a steady state."""
    lanes = np.arange(len(dose.interval))
    endless = np.isinf(dose.duration)
    duration = np.where(endless, dose.interval, dose.duration)
    whole = np.floor(duration / dose.interval)
    rest = duration - whole * dose.interval
    flow = np.zeros_like(initial)
    flow[dose.into, lanes] = np.where(dose.duration > 0, dose.rate, 0.0)
    arrival = np.zeros_like(initial)
    arrival[dose.into, lanes] = dose.amount

    def pass_(state: Floats, length: Floats) -> Floats:
        first = np.minimum(rest, length)
        return move(move(state, first, flow * (whole + 1)), length - first, flow * whole)

    def cycle(state: Floats) -> Floats:
        return arrival + pass_(state, dose.interval)

    state = initial + arrival
    for _ in range(_FIRST_CYCLES):
        state = cycle(state)
    size = np.max(np.abs(initial) + arrival + flow * np.minimum(duration, dose.interval), axis=0)
    state, reached = _newton(cycle, state, _NOTHING * size)
    return pass_(state, dose.phase), reached


def _newton(cycle: Callable[[Floats], Floats], state: Floats, nothing: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """State that the cycle brings back to itself, from a guess; states below ``nothing``, (lane), count as 0."""
    reached = np.zeros(state.shape[1], dtype=bool)
    for _ in range(_NEWTON_STEPS):
        after = cycle(state)
        slope = _slope(cycle, state, after)
        fine = np.all(np.isfinite(slope), axis=(1, 2)) & np.all(np.isfinite(after), axis=0)
        matrix = np.where(fine[:, None, None], np.eye(len(state)) - slope, np.eye(len(state)))
        step = _solve(matrix, np.where(fine, after - state, np.nan))
        scale = np.abs(state) + 1e-6 * np.max(np.abs(state), axis=0) + nothing / _SETTLED
        small = np.all(np.abs(step) <= _SETTLED * scale, axis=0)
        state = np.where(reached, state, state + step)
        stable = np.max(np.abs(np.linalg.eigvals(np.where(fine[:, None, None], slope, 0.0))), axis=1) < 1
        reached |= small & fine & stable
        if np.all(reached | ~fine):
            break
    return state, reached


def _slope(cycle: Callable[[Floats], Floats], state: Floats, after: Floats) -> Floats:
    """Derivative of the map of a cycle, (lane, state, state)."""
    columns = []
    for n in range(len(state)):
        shift = _DIFFERENCE * np.maximum(np.abs(state[n]), 1e-3 * np.max(np.abs(state), axis=0))
        shift = np.where(shift > 0, shift, _DIFFERENCE)
        moved = state.copy()
        moved[n] += shift
        columns.append((cycle(moved) - after) / (moved[n] - state[n]))
    return np.moveaxis(np.stack(columns, axis=0), -1, 0).swapaxes(1, 2)


def _solve(matrix: Floats, right: Floats) -> Floats:
    """Solve lane by lane; NaN where the matrix is singular."""
    solution = np.full_like(right, np.nan)
    for lane, one in enumerate(matrix):
        if np.linalg.cond(one) < 1e14:
            solution[:, lane] = np.linalg.solve(one, right[:, lane])
    return solution
