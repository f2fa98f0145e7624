"""The most probable values of patients' unknowns, all patients side by side, and how sharp they are.

Gauss-Newton steps with Levenberg's damping (Marquardt 1963, doi:10.1137/0111030): the expected curvature is positive
definite, so that every accepted step climbs. The deviations found are those NONMEM calls conditional estimates of eta.
"""

from typing import NamedTuple

import numpy as np

from cohorts.specification.quantities import Array
from cohorts.twins.problem import Index, Local, Problem

CLOSE = 1e-12
"""Rise of the log posterior that a further step promises, below which a mode counts as found."""
HESSIAN_STEP = 1e-2
"""Step of second differences in standard deviations of the posterior: their error is of its square."""


class Modes(NamedTuple):
    """Of each lane: ``x`` (lane, d), its log posterior ``value``, expected ``curvature``, whether it was ``found``."""

    x: Array
    value: Array
    curvature: Array
    found: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def climb(problem: Problem, which: Index, draw: Index, start: Array, *, steps: int = 60) -> Modes:
    """Modes of several lanes (patient and population draw), from `start` (lane, d)."""
    x, at = start.copy(), problem.local(which, draw, start)
    damping, active = np.full(len(x), 1e-3), np.arange(len(x))
    found = np.zeros(len(x), dtype=bool)
    for _ in range(steps):
        step, promised = _step(at, damping, active)
        found[active] = promised < CLOSE
        go = ~found[active] & (damping[active] < 1e8)
        active, step = active[go], step[go]
        if not active.size:
            break
        tried = problem.local(which[active], draw[active], x[active] + step)
        better = tried.value > at.value[active]
        won = active[better]
        x[won] += step[better]
        for old, new in zip(at, tried, strict=True):
            old[won] = new[better]
        damping[active] = np.where(better, np.maximum(damping[active] / 10.0, 1e-12), damping[active] * 10.0)
    return Modes(x, at.value, at.curvature, found)


def _step(at: Local, damping: Array, active: Index) -> tuple[Array, Array]:
    gradient, curvature = at.gradient[active], at.curvature[active]
    diagonal = np.einsum("ldd->ld", curvature)
    damped = curvature + np.einsum("ld,de->lde", damping[active, None] * diagonal, np.eye(diagonal.shape[1]))
    step = np.linalg.solve(damped, gradient[..., None])[..., 0]
    full = np.linalg.solve(curvature, gradient[..., None])[..., 0]
    return step, np.einsum("ld,ld->l", gradient, full)


def modes(problem: Problem, which: Index, draw: Index, noise: Array) -> Modes:
    """Best of the modes reached from the typical patient and from the likeliest of some patients drawn beforehand.

    Parameters
    ----------
    problem, which, draw
        The lanes.
    noise
        Standard normal unknowns to choose the second start from, (lane, start, d).
    """
    lanes, starts, d = noise.shape
    first = climb(problem, which, draw, np.zeros((lanes, d)))
    if not starts:
        return first
    many = np.repeat(np.arange(lanes), starts)
    flat = noise.reshape(-1, d)
    value = problem.log_likelihood(which[many], draw[many], flat) - 0.5 * np.sum(flat**2, axis=1)
    best = np.argmax(value.reshape(lanes, starts), axis=1)
    second = climb(problem, which, draw, noise[np.arange(lanes), best])
    # A start elsewhere counts only when it leads clearly higher, lest rounding decide.
    take = second.found & ((second.value > first.value + 1e-6) | ~first.found)
    pick = [np.where(take.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in zip(first, second, strict=True)]
    return Modes(pick[0], pick[1], pick[2], pick[3].astype(bool))


def covariance(problem: Problem, which: Index, draw: Index, at: Modes) -> tuple[Array, np.ndarray]:
    """Laplace's covariance of each lane's unknowns, (lane, d, d), by second differences of the log posterior.

    Also whether it was positive definite, (lane); where not, the expected curvature stands in for it.
    """
    lanes, d = at.x.shape
    root = np.linalg.cholesky(np.linalg.inv(at.curvature))
    pairs = [(i, j) for i in range(d) for j in range(i + 1)]
    signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    moves = np.array([HESSIAN_STEP * (a * np.eye(d)[i] + b * np.eye(d)[j]) for i, j in pairs for a, b in signs])
    many = np.repeat(np.arange(lanes), len(moves))
    points = at.x[many] + np.einsum("lde,le->ld", root[many], np.tile(moves, (lanes, 1)))
    value = problem.log_likelihood(which[many], draw[many], points) - 0.5 * np.sum(points**2, axis=1)
    value = value.reshape(lanes, len(pairs), 4) @ np.array([1.0, -1.0, -1.0, 1.0]) / (4.0 * HESSIAN_STEP**2)
    whitened = np.zeros((lanes, d, d))
    for n, (i, j) in enumerate(pairs):
        whitened[:, i, j] = whitened[:, j, i] = -value[:, n]
    sound = np.isfinite(whitened).all(axis=(1, 2))
    whitened = np.where(sound[:, None, None], whitened, np.eye(d))
    sound &= np.linalg.eigvalsh(whitened)[:, 0] > 1e-6
    whitened = np.where(sound[:, None, None], whitened, np.eye(d))
    return root @ np.linalg.inv(whitened) @ np.swapaxes(root, 1, 2), sound
