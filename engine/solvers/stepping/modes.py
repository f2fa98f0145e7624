"""The part of a model that is linear, as exponentials: x(s) = sum over modes of exp(rate s) right (left x).

Found subject by subject from the matrix: states that feed each other form a component, its rates are the roots of its
own equation, and a mode goes on to what its component feeds. A subject two of whose coupled rates nearly coincide, or
are complex, has no such sum that keeps its digits; it is solved numerically.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models.algebras.arrays import ARRAYS
from engine.models.calculus import ZERO
from engine.models.specification import Model
from engine.models.structure import Linear, linear_part
from engine.models.tape import Tape, tape
from engine.solvers.base import Problem

type Floats = NDArray[np.float64]
type Long = NDArray[np.longdouble]

_APART = float(np.sqrt(np.finfo(np.longdouble).eps / 1e-10))
"""Least relative distance of two coupled rates: both the modes and what they carry lose as many digits.

Modes are therefore worked out with more digits than the solution has, where the processor offers them.
"""
_LARGEST = 2
"""States of a component whose rates are found by the quadratic formula; larger components are left to the numbers."""


class Shape(NamedTuple):
    """Structure of the linear part, the same for every subject.

    ``states`` are the model's numbers of its states; ``components`` lists states (numbers within the part) that feed
    each other, each component after those that feed it; ``reaches[k][i]`` says whether ``k`` influences ``i``.
    """

    equations: Linear
    states: tuple[int, ...]
    components: tuple[tuple[int, ...], ...]
    reaches: tuple[tuple[bool, ...], ...]

    @property
    def forced(self) -> bool:
        """Whether anything flows in without a dose."""
        return any(entry != ZERO for entry in self.equations.forcing)


class Modes(NamedTuple):
    """Rates (mode, subject), right and left vectors (mode, state, subject), forcing (state, subject), who has them."""

    rate: Floats
    right: Floats
    left: Floats
    forcing: Floats
    sound: NDArray[np.bool_]

    def take(self, subjects: NDArray[np.int64]) -> "Modes":
        """Give those of these subjects."""
        if len(subjects) == len(self.sound):
            return self
        return Modes._make(values[..., subjects] for values in self)


@lru_cache(maxsize=64)
def shape(model: Model) -> Shape | None:
    """Structure of a model's linear part; None when it has none, or none of components small enough."""
    found = linear_part(model)
    if found is None:
        return None
    count = len(found.states)
    reach = np.asarray([[entry != ZERO for entry in row] for row in found.matrix]).T | np.eye(count, dtype=bool)
    for k in range(count):
        reach |= reach[:, k : k + 1] & reach[k : k + 1]
    groups = sorted({tuple(np.flatnonzero(reach[n] & reach[:, n]).tolist()) for n in range(count)})
    if max(map(len, groups)) > _LARGEST:
        return None
    ordered = sorted(groups, key=lambda group: int(np.sum(reach[:, group[0]])))
    states = tuple(model.state_names.index(name) for name in found.states)
    return Shape(found, states, tuple(ordered), tuple(tuple(row) for row in reach.tolist()))


def modes(form: Shape, problem: Problem) -> Modes:
    """Modes of every subject; the k-th belongs to state k of the part."""
    count, size = problem.subjects, len(form.states)
    matrix = np.zeros((size, size, count), dtype=np.longdouble)
    forcing = np.zeros((size, count))
    written = _written(problem.model)
    values = written.entries.play(problem.parameters, ARRAYS)
    for place, value in zip(written.places, values, strict=False):
        matrix[place] = value
    for n, value in zip(written.forced, values[len(written.places) :], strict=True):
        forcing[n] = value
    with np.errstate(all="ignore"):
        rate = _rates(form, matrix)
        right = _vectors(form, matrix, rate)
        left = _vectors(written.turned, matrix.swapaxes(0, 1), rate)
        left = left / np.sum(left * right, axis=1, keepdims=True)
        sound = _sound(form, rate) & (np.isfinite(right) & np.isfinite(left)).all(axis=(0, 1))
    return Modes(
        rate.astype(np.float64), right.astype(np.float64), left.astype(np.float64), forcing,
        sound & np.isfinite(forcing).all(axis=0),
    )  # fmt: skip


class _Written(NamedTuple):
    """Entries that are not 0: places of those of the matrix, states of those of the forcing; the shape transposed."""

    entries: Tape
    places: list[tuple[int, int]]
    forced: list[int]
    turned: Shape


@lru_cache(maxsize=64)
def _written(model: Model) -> _Written:
    form = shape(model)
    if form is None:
        raise AssertionError(f"model {model.name} has no linear part")
    equations = form.equations
    matrix = {(n, k): one for n, row in enumerate(equations.matrix) for k, one in enumerate(row) if one != ZERO}
    forcing = {n: one for n, one in enumerate(equations.forcing) if one != ZERO}
    turned = form._replace(components=form.components[::-1], reaches=tuple(zip(*form.reaches, strict=True)))
    return _Written(tape((*matrix.values(), *forcing.values())), list(matrix), list(forcing), turned)


def _rates(form: Shape, matrix: Long) -> Long:
    rate = np.empty(matrix.shape[1:], dtype=np.longdouble)
    for group in form.components:
        if len(group) == 1:
            rate[group[0]] = matrix[group[0], group[0]]
            continue
        i, j = group
        half = 0.5 * (matrix[i, i] + matrix[j, j])
        apart = np.sqrt((0.5 * (matrix[i, i] - matrix[j, j])) ** 2 + matrix[i, j] * matrix[j, i])
        # The root away from cancellation first; the other from the product of both.
        rate[i] = half + np.copysign(apart, half)
        rate[j] = (matrix[i, i] * matrix[j, j] - matrix[i, j] * matrix[j, i]) / rate[i]
    return rate


def _vectors(form: Shape, matrix: Long, rate: Long) -> Long:
    """Vector of each mode, (mode, state, subject): 1 where it is at home, carried on to what that feeds."""
    vectors = np.zeros_like(matrix)
    for place, home in enumerate(form.components):
        for mode in home:
            vector = vectors[mode]
            _at_home(home, mode, matrix, rate[mode], vector)
            for group in form.components[place + 1 :]:
                if form.reaches[mode][group[0]]:
                    _carry_on(group, matrix, rate[mode], vector)
    return vectors


def _at_home(home: tuple[int, ...], mode: int, matrix: Long, rate: Long, vector: Long) -> None:
    """Vector within the component of the mode."""
    vector[mode] = 1.0
    if len(home) > 1:
        other = home[1] if mode == home[0] else home[0]
        # Either row of (A - rate) x = 0 gives it; the one with the larger diagonal keeps its digits.
        first, second = rate - matrix[mode, mode], rate - matrix[other, other]
        vector[other] = np.where(
            np.abs(first) >= np.abs(second), first / matrix[mode, other], matrix[other, mode] / second
        )


def _carry_on(group: tuple[int, ...], matrix: Long, rate: Long, vector: Long) -> None:
    """Vector in a component that is fed: (rate - A) x = what comes in."""
    coming = [(matrix[n] * vector).sum(axis=0) for n in group]
    if len(group) == 1:
        vector[group[0]] = coming[0] / (rate - matrix[group[0], group[0]])
        return
    i, j = group
    a, d = rate - matrix[i, i], rate - matrix[j, j]
    determinant = a * d - matrix[i, j] * matrix[j, i]
    vector[i] = (coming[0] * d + matrix[i, j] * coming[1]) / determinant
    vector[j] = (a * coming[1] + matrix[j, i] * coming[0]) / determinant


def _sound(form: Shape, rate: Long) -> NDArray[np.bool_]:
    """Subjects whose coupled rates are real and apart."""
    sound: NDArray[np.bool_] = np.isfinite(rate).all(axis=0)
    for i in range(len(rate)):
        for j in range(i):
            if form.reaches[i][j] or form.reaches[j][i]:
                largest = np.maximum(np.abs(rate[i]), np.abs(rate[j]))
                sound &= np.abs(rate[i] - rate[j]) > _APART * largest
    return sound
