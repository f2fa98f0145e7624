"""Outputs of a block of subjects and their derivatives by the parameters, by one solution."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.block import Block, observe, prepare, problem
from engine.dosing.arrivals import Administration
from engine.dosing.schedule import Floats, Integers
from engine.errors import DataError
from engine.gradients.breaks import solve
from engine.gradients.continuity import check
from engine.gradients.moves import Course, course
from engine.gradients.variational import Variational, variational
from engine.status import Status


class Derived(NamedTuple):
    """Outputs, (subject, sample), their derivatives, (subject, sample, parameter), and the Status of each subject."""

    values: dict[str, Floats]
    slopes: dict[str, Floats]
    status: NDArray[np.int8]


class Task(NamedTuple):
    """A block and what to differentiate: all outputs, or those named, by these parameters.

    ``course`` is known beforehand where no parameter changes when or how doses enter.
    """

    block: Block
    wrt: tuple[str, ...]
    outputs: tuple[str, ...] | None = None
    course: Course | None = None


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
    status, way = _prepare(task, system)
    good = np.flatnonzero(status == Status.ok)
    if good.size == block.subjects:
        return _solve(block, way(good), system, names)
    shape = (block.subjects, block.samples.time.shape[1])
    values = {name: np.full(shape, np.nan) for name in names}
    slopes = {name: np.full((*shape, len(task.wrt)), np.nan) for name in names}
    if good.size:
        found = _solve(block.take(good), way(good), system, names)
        status[good] = found.status
        for name in names:
            values[name][good], slopes[name][good] = found.values[name], found.slopes[name]
    return Derived(values, slopes, status)


def _prepare(task: Task, system: Variational) -> tuple[NDArray[np.int8], Callable[[Integers], Course]]:
    """Status of each subject from its parameters alone, and the course of those that are sound."""
    block, known = task.block, task.course
    if known is None:
        status, given = prepare(block)

        def build(good: Integers) -> Course:
            some = block.take(good)
            return course(some, Administration(*(a[good] for a in given)), system, _parameters(some, system))

        return status, build
    finite = np.all(np.isfinite(np.stack([*block.parameters.values()])), axis=0)
    status = np.where(finite, Status.ok, Status.bad_parameter).astype(np.int8)
    return status, lambda good: known if good.size == block.subjects else known.take(good)


def _solve(block: Block, way: Course, system: Variational, names: Sequence[str]) -> Derived:
    """Outputs and derivatives of subjects whose parameters and doses are sound."""
    whole = replace(block, model=system.model, parameters=_parameters(block, system))
    solved = solve(problem(whole, way.timeline), block.solver, system, way)
    found = observe(whole, solved.samples, block.samples.time)
    wanted = ~np.isnan(block.samples.time)
    finite = np.all(np.isfinite(np.stack([*found.values()])) | ~wanted, axis=(0, 2))
    status = np.where((solved.status == Status.ok) & ~finite, Status.diverged, solved.status).astype(np.int8)
    values = {name: np.array(found[name]) for name in names}
    shape = (*status.shape, block.samples.time.shape[1], 0)
    slopes = {
        name: np.stack([found[system.slopes[name, q]] for q in system.wrt], axis=2) if system.wrt else np.empty(shape)
        for name in names
    }
    for part in (*values.values(), *slopes.values()):
        part[status != Status.ok] = np.nan
    return Derived(values, slopes, status)


def _parameters(block: Block, system: Variational) -> dict[str, Floats]:
    """Parameters and their scales."""
    parameters = {name: np.ascontiguousarray(values) for name, values in block.parameters.items()}
    return parameters | {name: _scale(parameters[q]) for q, name in system.scales.items()}


def _scale(values: Floats) -> Floats:
    """Power of 2 near a parameter, 1 where it is 0."""
    return np.where(values != 0, np.ldexp(1.0, np.frexp(np.abs(values))[1]), 1.0)


def fixed_course(block: Block, wrt: tuple[str, ...], outputs: tuple[str, ...]) -> Course:
    """Course of a block in which no parameter that changes, changes when or how doses enter."""
    system = variational(block.model, wrt, outputs=outputs)
    status, given = prepare(block)
    if np.any(status != Status.ok):
        raise DataError("doses: a lag, bioavailability, duration or rate of the model is negative or not a number")
    return course(block, given, system, _parameters(block, system))
