"""Least-squares fits of dose-response curves from the arms' means, all replicates at once."""

import itertools
from typing import NamedTuple

import numpy as np

from trials.analyses.dose_response.shapes import SHAPES, bounds

START, ROUNDS, SHRINK = 25, 90, 0.75
"""Points of the first grid along a parameter, rounds that narrow it, and the factor by which each does."""
NEAR = np.linspace(-1.0, 1.0, 5)
"""A round's grid along a parameter, in half widths of the window."""


class Means(NamedTuple):
    """What the fits need: doses (arm,), means and sizes (replicate, arm), squares within arms (replicate,)."""

    dose: np.ndarray
    mean: np.ndarray
    size: np.ndarray
    within: np.ndarray


class Fit(NamedTuple):
    """A fitted curve: coefficients, non-linear parameters, covariance of all, residual squares and AIC."""

    name: str
    linear: np.ndarray
    nonlinear: np.ndarray
    covariance: np.ndarray
    squares: np.ndarray
    aic: np.ndarray
    top: float

    @property
    def parameters(self) -> np.ndarray:
        """e0, coefficients, then non-linear parameters: (replicate, parameter)."""
        return np.concatenate([self.linear, self.nonlinear], axis=1)

    def effect(self, dose: np.ndarray) -> np.ndarray:
        """Return the curve above dose 0 at doses (replicate, dose) or (1, dose)."""
        shape = SHAPES[self.name]
        at = self.nonlinear[:, None, :]
        columns = shape.columns(dose, at, self.top) - shape.columns(np.zeros((1, 1)), at, self.top)
        risen: np.ndarray = np.einsum("rdc,rc->rd", columns, self.linear[:, 1:])
        return risen

    def curve(self, dose: np.ndarray) -> np.ndarray:
        """Return the curve itself at doses (replicate, dose) or (1, dose)."""
        start = SHAPES[self.name].columns(np.zeros((1, 1)), self.nonlinear[:, None, :], self.top)
        base = self.linear[:, :1] + np.einsum("rdc,rc->rd", start, self.linear[:, 1:])
        return np.asarray(base + self.effect(dose))

    def effect_error(self, dose: float) -> np.ndarray:
        """Return the standard error of the effect at one dose (replicate,) by the delta method."""
        points = np.array([[0.0, dose]])
        low, high = np.moveaxis(_jacobian(self.name, points, self.linear, self.nonlinear, self.top), 1, 0)
        gradient = high - low
        variance = np.einsum("ri,rij,rj->r", gradient, self.covariance, gradient)
        error: np.ndarray = np.sqrt(np.maximum(variance, 0.0))
        return error


def fit(name: str, means: Means) -> Fit:
    """Fit one shape to every replicate: least squares, non-linear parameters within their bounds.

    The covariance is the residual variance, with as many degrees of freedom as subjects less parameters, times the
    inverse of the cross products of the curve's derivatives.
    """
    top = float(means.dose.max())
    nonlinear = _search(name, means, top)
    columns = _columns(name, means, nonlinear, top)
    linear, between = _least_squares(columns, means)
    jacobian = _jacobian(name, means.dose[None], linear, nonlinear, top)
    count = jacobian.shape[-1]
    squares, n = means.within + between, means.size.sum(axis=1)
    gram = np.einsum("rai,ra,raj->rij", jacobian, means.size, jacobian)
    variance = squares / np.maximum(n - count, 1)
    covariance = variance[:, None, None] * np.linalg.pinv(gram, hermitian=True, rtol=1e-14)
    aic = n * np.log(np.maximum(squares, 1e-300) / np.maximum(n, 1)) + n * (1 + np.log(2 * np.pi)) + 2 * (count + 1)
    return Fit(name, linear, nonlinear, covariance, squares, aic, top)


def _search(name: str, means: Means, top: float) -> np.ndarray:
    """Return the non-linear parameters (replicate, parameter) of least squares: a grid, then ever smaller windows."""
    limits = np.log(bounds(name, top))
    if not limits.shape[1]:
        return np.empty((len(means.mean), 0))
    axes = [np.linspace(low, high, START) for low, high in limits.T]
    grid = np.array(list(itertools.product(*axes)))
    found = grid[_squares(name, means, np.broadcast_to(grid, (len(means.mean), *grid.shape)), top).argmin(axis=1)]
    window = (limits[1] - limits[0]) / (START - 1)
    steps = np.array(list(itertools.product(NEAR, repeat=limits.shape[1])))
    for _ in range(ROUNDS):
        around = np.clip(found[:, None, :] + steps * window, limits[0], limits[1])
        best = _squares(name, means, around, top).argmin(axis=1)
        found = around[np.arange(len(around)), best]
        window = window * SHRINK
    return np.exp(found)


def _squares(name: str, means: Means, logs: np.ndarray, top: float) -> np.ndarray:
    """Return squares between arms (replicate, point) left by the best line on the one column of a shape."""
    column = SHAPES[name].columns(means.dose, np.exp(logs)[:, :, None, :], top)[..., 0]
    weight = means.size[:, None, :]
    total = weight.sum(axis=-1, keepdims=True)
    value = (means.mean - (means.size * means.mean).sum(axis=1, keepdims=True) / total[:, 0])[:, None, :]
    centred = column - (weight * column).sum(axis=-1, keepdims=True) / total
    cross, square = (weight * centred * value).sum(axis=-1), (weight * centred**2).sum(axis=-1)
    explained: np.ndarray = cross**2 / np.where(square > 0, square, np.inf)
    return -explained


def _columns(name: str, means: Means, nonlinear: np.ndarray, top: float) -> np.ndarray:
    """Return the columns (replicate, arm, column) with the intercept."""
    made = SHAPES[name].columns(means.dose[None], nonlinear[:, None, :], top)
    made = np.broadcast_to(made, (len(nonlinear), *made.shape[1:]))
    return np.concatenate([np.ones((*made.shape[:2], 1)), made], axis=-1)


def _least_squares(columns: np.ndarray, means: Means) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients (replicate, column) and squares left between arms (replicate,)."""
    root = np.sqrt(means.size)
    weighted, value = columns * root[..., None], means.mean * root
    linear = np.einsum("rca,ra->rc", np.linalg.pinv(weighted), value)
    left = value - np.einsum("rac,rc->ra", weighted, linear)
    return linear, (left**2).sum(axis=1)


def _jacobian(name: str, dose: np.ndarray, linear: np.ndarray, nonlinear: np.ndarray, top: float) -> np.ndarray:
    """Return derivatives of the curve (replicate, dose, parameter) by all parameters."""
    shape, at = SHAPES[name], nonlinear[:, None, :]
    dose = np.broadcast_to(dose, (len(linear), dose.shape[-1]))
    parts = [np.ones((*dose.shape, 1)), shape.columns(dose, at, top)]
    return np.concatenate([*parts, linear[:, 1, None, None] * shape.slopes(dose, at, top)], axis=-1)
