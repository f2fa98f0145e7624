"""Who is stiff, before anything is tried: the fastest decay where a subject starts, over the way between its stops.

A step of an explicit method, or of a series, is at most as long as its stability allows: some multiple of the time of
the fastest decay, however smooth the solution. The decay is found by power iteration on the blocks of the Jacobian
between states that feed each other (Golub GH, Van Loan CF. Matrix Computations. 4th ed. Johns Hopkins 2013, 7.3).
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from engine.dosing.timeline import Timeline
from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import ZERO
from engine.models.specification import Model
from engine.models.structure import Matrix, jacobian
from engine.models.tape import Tape, tape
from engine.remembering import remembered
from engine.solvers.base import Problem
from engine.solvers.stepping.itinerary import itinerary

type Floats = NDArray[np.float64]

_ROUNDS = 12
"""Multiplications, after which the fastest decay of a stiff system rules."""
_REACH = 6.0
"""Rate times the longest stable step of a series of order 13."""


def steps(problem: Problem, states: Collection[int]) -> Floats:
    """Steps that stability would ask for between two stops, (subject); 0 where it asks for none.

    A subject is looked at where it starts, with the largest of its doses in: one that is stiff there may be so for a
    moment only, and one that is not may become so; both are solved rightly by either method.

    Parameters
    ----------
    problem
        With a timeline of one node at least.
    states
        Those the method carries by steps.
    """
    start = problem.state.T.copy()
    for state, dose in _largest_doses(problem.timeline):
        start[state] += dose
    with np.errstate(all="ignore"):
        decay = -_largest(problem, start, tuple(states))
        found = decay * _longest(problem.timeline, problem.subjects) / _REACH
    return np.where(np.isfinite(found) & (found > 0), found, 0.0)


@remembered
def _largest_doses(timeline: Timeline) -> tuple[tuple[int, Floats], ...]:
    """Each state that is dosed, and its largest dose, (row or subject)."""
    jump = np.max(timeline.jump, axis=1, initial=0.0)
    return tuple((state, jump[:, number]) for number, state in enumerate(timeline.into))


@lru_cache(maxsize=64)
def _components(model: Model, states: tuple[int, ...]) -> tuple[Matrix, ...]:
    """Blocks of the Jacobian that have its eigenvalues: one for states that feed each other; of equal blocks one."""
    matrix = jacobian(model)
    feeds = np.asarray([[matrix[i][j] != ZERO for j in states] for i in states]).reshape(len(states), -1)
    count, label = connected_components(csr_array(feeds), connection="strong")
    groups = [[states[n] for n in np.flatnonzero(label == one)] for one in range(count)]
    found = [tuple(tuple(matrix[i][j] for j in group) for i in group) for group in groups]
    return tuple(dict.fromkeys(one for one in found if one != ((ZERO,),)))


@lru_cache(maxsize=64)
def _tape(model: Model, states: tuple[int, ...]) -> Tape:
    """Entries of the blocks, in order."""
    return tape(tuple(entry for block in _components(model, states) for row in block for entry in row))


def _largest(problem: Problem, state: Floats, states: tuple[int, ...]) -> Floats:
    """Eigenvalue of largest size of the Jacobian between these states, where it is real, (subject)."""
    now = np.empty(problem.subjects)
    now[:] = problem.timeline.start
    names = {**problem.parameters, **dict(zip(problem.model.state_names, state, strict=True)), "t": now}
    blocks = _components(problem.model, states)
    values = iter(_tape(problem.model, states).play(names, ARRAYS))
    found = np.zeros(problem.subjects)
    for block in blocks:
        entries = [[next(values) for _ in row] for row in block]
        own = entries[0][0] if len(block) == 1 else _fastest(entries, block, len(found))
        found = np.where(np.abs(own) > np.abs(found), own, found)
    return found


def _fastest(entries: list[list[Any]], block: Matrix, subjects: int) -> Floats:
    """Eigenvalue of largest size, where it is real, (subject)."""
    vector = [np.ones(subjects) for _ in block]
    value = np.zeros(subjects)
    for _ in range(_ROUNDS):
        image = [
            sum(
                (entry * one for entry, one, known in zip(row, vector, written, strict=True) if known != ZERO),
                np.zeros_like(value),
            )
            for row, written in zip(entries, block, strict=True)
        ]
        value = sum((a * b for a, b in zip(image, vector, strict=True)), np.zeros_like(value))
        value = value / sum((one * one for one in vector), np.zeros_like(value))
        largest = np.max([np.abs(one) for one in image], axis=0)
        vector = [one / largest for one in image]
    return value


@remembered
def _longest(timeline: Timeline, subjects: int) -> Floats:
    """Longest way between two stops, (subject)."""
    plan = itinerary(timeline, subjects)
    before = np.concatenate([[np.nan], plan.time[:-1]])
    before[plan.first] = timeline.start
    return np.maximum.reduceat(plan.time - before, plan.first)[plan.row]
