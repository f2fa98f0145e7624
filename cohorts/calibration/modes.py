"""The most probable unknowns of each person and how sharp they are, all people side by side.

Newton's method on the exact gradient; its second derivatives are central differences of that gradient, so that models
without a closed form, which have first derivatives only, are served alike.
"""

from typing import NamedTuple

import numpy as np

from cohorts.calibration.joint import Joint
from cohorts.specification.quantities import Array

STEP = 1e-4
"""Step of the differences, in standard deviations between people."""
LEAST = 0.2
"""Least curvature along any direction; beforehand it is 1, and data add to it where they are not odd."""
MOST = 1e8
"""Most, so that what overflows stays finite."""
REACH = 2.0
"""Longest step, in standard deviations between people."""
CLOSE = 1e-8
"""Rise of the log density that a further step promises, below which a mode counts as found."""


class Modes(NamedTuple):
    """Modes ``x`` (person, dimension), log density ``value`` (person), ``curvature`` (person, dimension, dimension)."""

    x: Array
    value: Array
    curvature: Array

    @property
    def laplace(self) -> Array:
        """Logarithm of the integral of each person's density by Laplace's method, (person)."""
        size = self.x.shape[1]
        sign_and_log = np.linalg.slogdet(self.curvature)
        return np.asarray(self.value + 0.5 * size * np.log(2.0 * np.pi) - 0.5 * sign_and_log.logabsdet)


def modes(joint: Joint, shared: Array, start: Array, *, steps: int = 60) -> Modes:
    """Modes of all people given what they share, from `start` (person, dimension)."""
    x = start.copy()
    value, slope = joint.slope(shared, x)
    for _ in range(steps):
        curve = curvature(joint, shared, x)
        slope = np.where(np.isfinite(slope), slope, 0.0)
        step = np.linalg.solve(curve, slope[:, :, None])[:, :, 0] if joint.size else slope
        promised = 0.5 * np.sum(step * slope, axis=1)
        if not np.any(promised > CLOSE):
            return Modes(x, value, curve)
        length = np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-300)
        x, moved = _climbed(joint, shared, x, value, step * np.minimum(1.0, REACH / length))
        value, slope = joint.slope(shared, x)
        if not moved:
            break
    return Modes(x, value, curvature(joint, shared, x))


def _climbed(joint: Joint, shared: Array, x: Array, value: Array, step: Array) -> tuple[Array, bool]:
    """Each person's step halved until it climbs; those whom no step takes higher stay."""
    stretch, settled = np.ones(len(x)), np.zeros(len(x), dtype=bool)
    for _ in range(12):
        reached = joint.density(shared, x + stretch[:, None] * step)
        with np.errstate(invalid="ignore"):
            settled = np.isfinite(reached) & (reached >= value)
        if settled.all():
            break
        stretch = np.where(settled, stretch, 0.5 * stretch)
    stretch = np.where(settled, stretch, 0.0)
    return x + stretch[:, None] * step, bool(np.any(stretch > 0.0))


def curvature(joint: Joint, shared: Array, x: Array) -> Array:
    """Minus the second derivatives at `x`, made positive definite, (person, dimension, dimension)."""
    size = joint.size
    found = np.empty((len(x), size, size))
    for j in range(size):
        up, down = x.copy(), x.copy()
        up[:, j] += STEP
        down[:, j] -= STEP
        found[:, :, j] = -(joint.slope(shared, up)[1] - joint.slope(shared, down)[1]) / (2.0 * STEP)
    found = np.where(np.abs(found) < MOST, found, np.eye(size))
    values, vectors = np.linalg.eigh(0.5 * (found + found.transpose(0, 2, 1)))
    return np.asarray(np.einsum("pij,pj,pkj->pik", vectors, np.clip(values, LEAST, MOST), vectors))
