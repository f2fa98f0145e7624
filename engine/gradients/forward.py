"""Outputs of a block of subjects and their derivatives by the parameters, by one solution."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.block import Block, observe, prepare, problem
from engine.dosing.arrivals import Administration
from engine.dosing.schedule import Floats
from engine.errors import DataError
from engine.gradients.breaks import solve
from engine.gradients.continuity import check
from engine.gradients.moves import course
from engine.gradients.variational import Variational, variational
from engine.status import Status


class Derived(NamedTuple):
    """Outputs, (subject, sample), their derivatives, (subject, sample, parameter), and the Status of each subject."""

    values: dict[str, Floats]
    slopes: dict[str, Floats]
    status: NDArray[np.int8]


class Task(NamedTuple):
    """A block and what to differentiate: all outputs, or those named, by these parameters."""

    block: Block
    wrt: tuple[str, ...]
    outputs: tuple[str, ...] | None = None


def differentiate(task: Task) -> Derived:
    """Outputs of every subject where samples are due and their derivatives; NaN for a subject that failed."""
    block = task.block
    if block.covariates is not None:
        raise DataError(
            f"sensitivities: {', '.join(block.covariates.values)} change with time (columns of the event table); "
            "give each subject one value"
        )
    check(block.model, task.wrt)
    system = variational(block.model, task.wrt, outputs=task.outputs)
    names = [name for name in block.model.output_names if task.outputs is None or name in task.outputs]
    status, given = prepare(block)
    shape = (block.subjects, block.samples.time.shape[1])
    values = {name: np.full(shape, np.nan) for name in names}
    slopes = {name: np.full((*shape, len(task.wrt)), np.nan) for name in names}
    good = np.flatnonzero(status == Status.ok)
    if good.size:
        found, state = _solve(block.take(good), Administration(*(a[good] for a in given)), system)
        wanted = ~np.isnan(np.broadcast_to(block.samples.time, shape)[good])
        sound = np.all([np.all(np.isfinite(value) | ~wanted, axis=1) for value in found.values()], axis=0)
        status[good] = np.where((state == Status.ok) & ~sound, Status.diverged, state)
        failed = status[good] != Status.ok
        for value in found.values():
            value[failed] = np.nan
        for name in names:
            values[name][good] = found[name]
            for number, q in enumerate(task.wrt):
                slopes[name][good, :, number] = found[system.slopes[name, q]]
    return Derived(values, slopes, status)


def _solve(block: Block, given: Administration, system: Variational) -> tuple[dict[str, Floats], NDArray[np.int8]]:
    parameters = {name: np.ascontiguousarray(values) for name, values in block.parameters.items()}
    for q, name in system.scales.items():
        parameters[name] = _scale(parameters[q])
    whole = replace(block, model=system.model, parameters=parameters)
    way = course(block, given, system, parameters)
    solved = solve(problem(whole, way.timeline), block.solver, system, way)
    found = observe(whole, solved.samples, block.samples.time)
    return {name: np.array(values) for name, values in found.items()}, solved.status


def _scale(values: Floats) -> Floats:
    """Power of 2 near a parameter, 1 where it is 0."""
    return np.where(values != 0, np.ldexp(1.0, np.frexp(np.abs(values))[1]), 1.0)
