"""Solving where parameters change with time: stretch by stretch of equal values, the whole block at a time.

At the end of a stretch the states, what flows, and the largest dose so far are handed on. Solvers know parameters
that are constant; subjects whose stretches are over wait while the others go on.
"""

from collections.abc import Mapping

import numpy as np

from engine.dosing.arrivals import Administration
from engine.dosing.covariates import Covariates
from engine.dosing.schedule import Floats, Integers
from engine.dosing.timeline import Timeline
from engine.evaluation import administration, initial_states
from engine.models.specification import Model
from engine.solvers.base import Problem, Solver, Trajectory
from engine.status import Status


def administrations(model: Model, parameters: Mapping[str, Floats], covariates: Covariates) -> Administration:
    """How doses enter each state of each subject in each stretch, (subject, state, stretch)."""
    width = covariates.until.shape[1]
    found = [administration(model, during(parameters, covariates, n), len(covariates.count)) for n in range(width)]
    return Administration(*(np.stack(values, axis=2) for values in zip(*found, strict=True)))


def solve(
    solver: Solver, model: Model, parameters: Mapping[str, Floats], covariates: Covariates, steps: Timeline
) -> Trajectory:
    """States at the samples; a subject that was stiff in one stretch counts as left to the second method.

    ``parameters`` are those that do not change, (subject); ``steps`` has a node at the end of each stretch.
    """
    count = len(covariates.count)
    state = initial_states(model, during(parameters, covariates, 0), count)
    samples = np.full((count, steps.samples, state.shape[1]), np.nan)
    status, largest, left = np.zeros(count, dtype=np.int8), np.zeros(count), np.zeros(count, dtype=bool)
    for number in range(covariates.until.shape[1]):
        going = np.flatnonzero((covariates.count > number) & (status == Status.ok))
        if not going.size:
            break
        now = {name: values[going] for name, values in during(parameters, covariates, number).items()}
        initial = initial_states(model, now, len(going))
        found = solver.solve(Problem(model, now, initial, state[going], _part(steps, going, number), largest[going]))
        status[going], state[going], largest[going] = found.status, found.state, found.largest
        samples[going] = np.where(np.isnan(found.samples), samples[going], found.samples)
        left[going] |= False if found.left is None else found.left
    samples[status != Status.ok] = np.nan
    return Trajectory(samples, state, status, largest, left)


def during(parameters: Mapping[str, Floats], covariates: Covariates, number: int) -> dict[str, Floats]:
    """Parameters in one stretch, (subject), those that do not change among them."""
    return {**parameters, **{name: values[:, number] for name, values in covariates.values.items()}}


def _part(steps: Timeline, subjects: Integers, number: int) -> Timeline:
    """Nodes of a stretch."""
    own = steps.take(subjects)
    stops = np.zeros((1, 1), dtype=np.int64) if own.stops is None else own.stops
    return own.part(stops[:, number - 1] if number else np.zeros_like(stops[:, 0]), stops[:, number])
