"""Outputs of a block of subjects and their derivatives by the parameters, by one solution."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.block import Block, observe, observed_states, prepare, problem
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
    finite = np.ones(block.subjects, dtype=bool)
    for values in block.parameters.values():
        finite &= np.isfinite(values)
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
    asked = problem(whole, way.timeline, observed_states(whole.model))
    solved = solve(asked, block.solver, system, way, whole.covariates)
    found = observe(whole, solved.samples, block.samples.time)
    shape = (block.subjects, block.samples.time.shape[1])
    rows = np.empty((len(names), 1 + len(system.wrt), *shape))
    for own, name in zip(rows, names, strict=True):
        for row, one in zip(own, (name, *(system.slopes[name, q] for q in system.wrt)), strict=True):
            row[:] = found[one]
    status = _checked(solved.status, rows, block.samples.time)
    rows[:, 1:] /= units[:, :, None]
    if status.any():
        rows[:, :, status != Status.ok] = np.nan
    slopes = {name: own[1:].transpose(1, 2, 0) for name, own in zip(names, rows, strict=True)}
    return Derived({name: own[0] for name, own in zip(names, rows, strict=True)}, slopes, status)


def _checked(status: NDArray[np.int8], rows: Floats, time: Floats) -> NDArray[np.int8]:
    """Status of each subject, diverged where a number wanted, (..., subject, sample), is none."""
    finite = np.isfinite(rows)
    if finite.all():
        return status
    fine = np.all(finite | np.isnan(time), axis=(0, 1, 3))
    return np.where((status == Status.ok) & ~fine, Status.diverged, status).astype(np.int8)


def _whole(task: Task, system: Variational) -> tuple[Block, Floats]:
    """Block of the variational equations; scale of each parameter, (parameter, subject)."""
    block, covariates = task.block, task.block.covariates
    units = _scale(np.stack([_some(task, q) for q in system.wrt]) if system.wrt else np.empty((0, block.subjects)))
    scales = dict(zip(system.scales.values(), units, strict=True))
    parameters = {name: np.ascontiguousarray(values) for name, values in block.parameters.items()}
    if covariates is None or task.moving is None:
        return Block(system.model, block.solver, parameters | scales, block.schedule, block.samples, covariates), units
    moving = {name: task.moving[q] * scales[name][:, None] for q, name in system.scales.items()}
    known = replace(covariates, values={**covariates.values, **moving})
    return Block(system.model, block.solver, parameters, block.schedule, block.samples, known), units


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
