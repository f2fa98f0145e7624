"""Sizes of the states, so that one tolerance means the same for all of them.

A Taylor step is as long as its largest state allows: beside 10^6 ng of drug an effect between 0 and 1 would be
followed to no digit. States are therefore counted in units of their own size. Sizes are powers of 2, so that counting
is exact; they follow the doses given so far and never what comes later, so that an adaptive run and its replay agree.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models import equations
from engine.models.algebras.arrays import ARRAYS
from engine.models.expression import Expression, Number
from engine.models.specification import Model
from engine.models.structure import jacobian
from engine.solvers.base import Problem

type Floats = NDArray[np.float64]


@lru_cache(maxsize=64)
def scaled(model: Model) -> tuple[int, ...]:
    """States that need counting: those that do not begin at a literal number near 1."""
    return tuple(n for n, state in enumerate(model.states) if not _near_one(state.initial))


def _near_one(initial: object) -> bool:
    return isinstance(initial, Number) and 0.1 <= abs(initial.value) <= 10.0


def power_of_two(size: Floats) -> Floats:
    """Nearest power of 2 above, 0 where the size is 0."""
    return np.where(size > 0, np.ldexp(1.0, np.frexp(size)[1]), 0.0)


def sizes(
    model: Model, parameters: Mapping[str, Floats], initial: Floats, dose: Floats, into: tuple[int, ...]
) -> Floats:
    """Size of each state, (state, subject).

    Parameters
    ----------
    model, parameters
        The equations, and values (subject).
    initial
        States at the beginning, (state, subject).
    dose
        Largest dose so far, (subject).
    into
        States that are dosed: those in the same unit are as large as the dose; a state that begins away from 0 is as
        large as there; any other is where its derivative would let it settle.
    """
    size = np.abs(initial)
    like_doses, fixed = _counted(model, into)
    for n in like_doses:
        size[n] = np.maximum(size[n], dose)
    known = (size > 0).all(axis=1)
    known[fixed] = True
    if not known.all():
        with np.errstate(all="ignore"):
            for n, found in _settled(model, parameters, size, np.flatnonzero(~known).tolist()).items():
                size[n] = np.where(size[n] > 0, size[n], found)
    size = power_of_two(np.where(np.isfinite(size), size, 0.0))
    size[size == 0] = 1.0
    size[fixed] = 1.0
    return size


@lru_cache(maxsize=64)
def _counted(model: Model, into: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """States in the unit of one of these, and those that are not counted."""
    units = {model.states[n].unit for n in into}
    like_doses = [n for n, state in enumerate(model.states) if state.unit in units]
    return like_doses, sorted(set(range(len(model.states))) - set(scaled(model)))


class Growth(NamedTuple):
    """Sizes as doses grow: ``sizes`` (epoch, state, subject) and the epoch each subject is in, (subject, 1 + node)."""

    sizes: Floats
    epoch: NDArray[np.int64]


def follow(problem: Problem, largest: Floats, dosed: tuple[int, ...]) -> Growth:
    """Sizes of the states before the first node and after each.

    ``largest`` is the largest dose so far, (subject, node), ``dosed`` the states that are dosed.
    """
    all_ = np.concatenate([problem.largest[:, None], largest], axis=1)
    epoch = np.cumsum(np.diff(all_, axis=1, prepend=all_[:, :1]) != 0, axis=1)
    found = []
    for number in range(int(np.max(epoch, initial=0)) + 1):
        first = np.argmax(epoch >= number, axis=1)
        dose = all_[np.arange(len(all_)), first]
        found.append(sizes(problem.model, problem.parameters, problem.initial.T, dose, dosed))
    return Growth(np.stack(found), epoch)


@lru_cache(maxsize=64)
def _diagonal(model: Model) -> tuple[Expression, ...]:
    return tuple(row[n] for n, row in enumerate(jacobian(model)))


def _settled(model: Model, parameters: Mapping[str, Floats], size: Floats, unknown: list[int]) -> dict[int, Floats]:
    """Derivative over the rate of decay, where the other states have their sizes."""
    names = {**parameters, **dict(zip(model.state_names, size, strict=True)), "t": np.zeros(size.shape[1])}
    wanted = tuple(model.derivatives[n][1] for n in unknown)
    found = equations.evaluate_all(model, (*wanted, *_diagonal(model)), ARRAYS, names)
    decay = np.empty_like(size)
    for row, value in zip(decay, found[len(wanted) :], strict=True):
        np.abs(value, out=row)
    usual = np.min(np.where(np.isfinite(decay) & (decay > 0), decay, np.inf), axis=0)
    return {
        n: np.abs(slope) / np.where(decay[n] > 0, decay[n], usual) for n, slope in zip(unknown, found, strict=False)
    }
