"""Outputs of a block of subjects and their derivatives by the parameters, by one solution."""

from collections.abc import Mapping, Sequence
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

    ``course`` is known beforehand where no parameter changes when or how doses enter. ``moving`` says, where parameters
    change with time, in which stretches each of ``wrt`` is differentiated by (1, else 0), (subject, stretch); absent:
    in all.
    """

    block: Block
    wrt: tuple[str, ...]
    outputs: tuple[str, ...] | None = None
    course: Course | None = None
    moving: Mapping[str, Floats] | None = None

    def take(self, subjects: Integers) -> "Task":
        """Give these subjects."""
        if len(subjects) == self.block.subjects:
            return self
        moving = None if self.moving is None else {name: values[subjects] for name, values in self.moving.items()}
        course = None if self.course is None else self.course.take(subjects)
        return self._replace(block=self.block.take(subjects), course=course, moving=moving)


def differentiate(task: Task) -> Derived:
    """Outputs of every subject where samples are due and their derivatives; NaN for a subject that failed."""
    block = task.block
    check(block.model, task.wrt)
    system = variational(block.model, task.wrt, outputs=task.outputs)
    names = [name for name in block.model.output_names if task.outputs is None or name in task.outputs]
    status, given = _prepare(task)
    good = np.flatnonzero(status == Status.ok)
    if good.size == block.subjects:
        return _solve(task, given, system, names)
    shape = (block.subjects, block.samples.time.shape[1])
    values = {name: np.full(shape, np.nan) for name in names}
    slopes = {name: np.full((*shape, len(task.wrt)), np.nan) for name in names}
    if good.size:
        own = None if given is None else Administration(*(a[good] for a in given))
        found = _solve(task.take(good), own, system, names)
        status[good] = found.status
        for name in names:
            values[name][good], slopes[name][good] = found.values[name], found.slopes[name]
    return Derived(values, slopes, status)


def _prepare(task: Task) -> tuple[NDArray[np.int8], Administration | None]:
    """Status of each subject from its parameters alone, and how doses enter unless the course is known."""
    block = task.block
    if task.course is None:
        return prepare(block)
    finite = np.all(np.isfinite(np.stack([*block.parameters.values()])), axis=0)
    for values in () if block.covariates is None else block.covariates.values.values():
        finite &= np.all(np.isfinite(values), axis=1)
    return np.where(finite, Status.ok, Status.bad_parameter).astype(np.int8), None


def _solve(task: Task, given: Administration | None, system: Variational, names: Sequence[str]) -> Derived:
    """Outputs and derivatives of subjects whose parameters and doses are sound."""
    block, (whole, units) = task.block, _whole(task, system)
    way = task.course
    if way is None and given is not None:
        way = course(block, given, system, whole)
    if way is None:
        raise AssertionError("a task without a course has doses that are laid out")
    solved = solve(problem(whole, way.timeline), block.solver, system, way, whole.covariates)
    found = observe(whole, solved.samples, block.samples.time)
    wanted = ~np.isnan(block.samples.time)
    finite = np.all(np.isfinite(np.stack([*found.values()])) | ~wanted, axis=(0, 2))
    status = np.where((solved.status == Status.ok) & ~finite, Status.diverged, solved.status).astype(np.int8)
    values = {name: np.array(found[name]) for name in names}
    shape = (*status.shape, block.samples.time.shape[1], len(system.wrt))
    slopes = {name: np.empty(shape) for name in names}
    for name, slope in slopes.items():
        for n, q in enumerate(system.wrt):
            slope[:, :, n] = found[system.slopes[name, q]] / units[q][:, None]
    for part in (*values.values(), *slopes.values()):
        part[status != Status.ok] = np.nan
    return Derived(values, slopes, status)


def _whole(task: Task, system: Variational) -> tuple[Block, dict[str, Floats]]:
    """Block of the variational equations; scale of each parameter, (subject)."""
    block, covariates = task.block, task.block.covariates
    units = {q: _scale(_some(task, q)) for q in system.wrt}
    scales = {system.scales[q]: unit for q, unit in units.items()}
    parameters = {name: np.ascontiguousarray(values) for name, values in block.parameters.items()}
    if covariates is None or task.moving is None:
        return replace(block, model=system.model, parameters=parameters | scales), units
    moving = {system.scales[q]: task.moving[q] * unit[:, None] for q, unit in units.items()}
    known = replace(covariates, values={**covariates.values, **moving})
    return replace(block, model=system.model, parameters=parameters, covariates=known), units


def _some(task: Task, q: str) -> Floats:
    """Value of a parameter in a stretch in which it is differentiated by, (subject)."""
    block = task.block
    if q in block.parameters:
        return block.parameters[q]
    if block.covariates is None or task.moving is None:
        raise DataError(f"sensitivities: {q} changes with time (a column of the event table); leave it out of wrt")
    stretch = np.argmax(task.moving[q] > 0, axis=1)
    return block.covariates.at(stretch)[q]


def _scale(values: Floats) -> Floats:
    """Power of 2 near a parameter, 1 where it is 0."""
    return np.where(values != 0, np.ldexp(1.0, np.frexp(np.abs(values))[1]), 1.0)


def fixed_course(block: Block, wrt: tuple[str, ...], outputs: tuple[str, ...]) -> Course:
    """Course of a block in which no parameter that changes, changes when or how doses enter."""
    system = variational(block.model, wrt, outputs=outputs)
    status, given = prepare(block)
    if np.any(status != Status.ok):
        raise DataError("doses: a lag, bioavailability, duration or rate of the model is negative or not a number")
    return course(block, given, system, block)
