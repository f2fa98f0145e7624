"""Who is stiff, before anything is tried: the fastest decay where a subject starts, over the way between its stops.

A step of an explicit method, or of a series, is at most as long as its stability allows: some multiple of the time of
the fastest decay, however smooth the solution. The decay is found by power iteration on the Jacobian (Golub GH, Van
Loan CF. Matrix Computations. 4th ed. Johns Hopkins 2013, 7.3).
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import ZERO
from engine.models.expression import evaluate
from engine.models.structure import jacobian
from engine.solvers.base import Problem
from engine.solvers.stepping.itinerary import itinerary

type Floats = NDArray[np.float64]
type Entries = dict[tuple[int, int], Floats]

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
    jump = np.max(problem.timeline.jump, axis=1, initial=0.0)
    for number, state in enumerate(problem.timeline.into):
        start[state] += jump[:, number]
    with np.errstate(all="ignore"):
        decay = -_fastest(_entries(problem, start, states), problem.subjects)
        found = decay * _longest(problem) / _REACH
    return np.where(np.isfinite(found) & (found > 0), found, 0.0)


def _entries(problem: Problem, state: Floats, states: Collection[int]) -> Entries:
    """Entries of the Jacobian between these states that are not always 0, (subject)."""
    now = np.array(np.broadcast_to(problem.timeline.start, (problem.subjects,)))
    names = {**problem.parameters, **dict(zip(problem.model.state_names, state, strict=True)), "t": now}
    matrix = jacobian(problem.model)
    places = [(row, column) for row in states for column in states if matrix[row][column] != ZERO]
    return {
        (row, column): np.broadcast_to(evaluate(matrix[row][column], names, ARRAYS), (problem.subjects,))
        for row, column in places
    }


def _fastest(entries: Entries, subjects: int) -> Floats:
    """Eigenvalue of largest size, where it is real, (subject)."""
    states = sorted({n for place in entries for n in place})
    vector = {n: np.ones(subjects) for n in states}
    value = np.zeros(subjects)
    for _ in range(_ROUNDS):
        image = {n: np.zeros(subjects) for n in states}
        for (row, column), entry in entries.items():
            image[row] = image[row] + entry * vector[column]
        size = sum((one * one for one in vector.values()), np.zeros(subjects))
        value = sum((image[n] * vector[n] for n in states), np.zeros(subjects)) / size
        largest = np.max([np.abs(one) for one in image.values()], axis=0, initial=0.0)
        vector = {n: one / largest for n, one in image.items()}
    return value


def _longest(problem: Problem) -> Floats:
    """Longest way between two stops, (subject)."""
    plan = itinerary(problem.timeline, problem.subjects)
    before = np.concatenate([[np.nan], plan.time[:-1]])
    before[plan.first] = problem.timeline.start
    return np.maximum.reduceat(plan.time - before, plan.first)[plan.row]
