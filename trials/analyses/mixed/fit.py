"""Fit by REML of all replicates at once: Newton's method on the exact Hessian, scoring where that is not positive."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trials.analyses.mixed import kernel
from trials.analyses.mixed.kernel import Array, Evaluation, Statistics
from trials.analyses.mixed.statistics import gram, independent, summarise
from trials.analyses.mixed.structures import Structure, symmetric, vech

ITERATIONS = 60
"""Most steps of a fit; a usual one takes five."""

HALVINGS = 25
"""Most halvings of a step that does not lead downhill."""

DECREMENT = 1e-12
"""Squared length of a Newton step, in standard errors, at which a fit has converged."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Fits by REML, each array with a leading axis replicate.

    Attributes
    ----------
    statistics
        What was fitted.
    keep
        Coefficients that are no combination of those before them; the others are 0.
    gram
        X'X (replicate, coefficient, coefficient).
    coefficients, phi
        Estimates (replicate, coefficient) and their estimated covariance, (X'WX)^-1.
    covariance
        V (replicate, visit, visit).
    parameters
        Parameters of the structure (replicate, parameter).
    information
        Observed information of the parameters (replicate, parameter, parameter).
    first
        Derivatives of V by the parameters (replicate, direction, parameter).
    second
        Second derivatives (replicate, direction, parameter, parameter).
    deviance
        Minus twice the restricted log-likelihood, constant included, of the columns as they were given.
    converged
        Whether the likelihood has a maximum there; all else of a replicate that has not is to be thrown away.
    iterations
        Steps taken.
    """

    statistics: Statistics
    keep: Array
    gram: Array
    coefficients: Array
    phi: Array
    covariance: Array
    parameters: Array
    information: Array
    first: Array
    second: Array
    deviance: Array
    converged: Array
    iterations: Array


class _Point(NamedTuple):
    """Parameters and what follows from them, along a leading axis replicate."""

    parameters: Array
    value: Array
    step: Array
    decrement: Array
    positive: Array
    information: Array


def fit(statistics: Statistics, structure: Structure, start: Array) -> Fit:
    """Fit every replicate.

    Parameters
    ----------
    statistics
        Of all replicates.
    structure
        Of the covariance.
    start
        A positive definite covariance (replicate, visit, visit) to start from.
    """
    products = gram(statistics)
    keep = independent(products)
    point = _look(statistics, structure, structure.start(start), keep)
    iterations = np.zeros(len(keep), int)
    active = np.isfinite(point.decrement)
    for _ in range(ITERATIONS):
        active &= ~((point.decrement < DECREMENT) & point.positive)
        rows = np.flatnonzero(active)
        if not rows.size:
            break
        moved, stuck = _descend(_take(statistics, rows), structure, _pick(point, rows), keep[rows])
        for whole, part in zip(point, moved, strict=True):
            whole[rows] = part
        iterations[rows] += 1
        active[rows[stuck]] = False
    converged = (point.decrement < DECREMENT) & point.positive
    return _finished(statistics, structure, point, (products, keep, converged, iterations))


def _descend(statistics: Statistics, structure: Structure, at: _Point, keep: Array) -> tuple[_Point, Array]:
    """Take one step of every replicate, halved until it leads downhill; say which found no way down."""
    size = np.ones(len(keep))
    found = _look(statistics, structure, at.parameters - at.step, keep)
    for _ in range(HALVINGS):
        worse = ~((found.value <= at.value + 1e-9 + 1e-13 * np.abs(at.value)) & np.isfinite(found.decrement))
        rows = np.flatnonzero(worse)
        if not rows.size:
            break
        size[rows] /= 2
        tried = at.parameters[rows] - size[rows, None] * at.step[rows]
        again = _look(_take(statistics, rows), structure, tried, keep[rows])
        for whole, part in zip(found, again, strict=True):
            whole[rows] = part
    return found, worse


def _look(statistics: Statistics, structure: Structure, parameters: Array, keep: Array) -> _Point:
    """Evaluate at parameters: value, next step, and whether the Hessian is positive."""
    shape = structure(parameters, statistics.seen.shape[2])
    there = kernel.evaluate(statistics, np.ascontiguousarray(shape.covariance), keep)
    slope, hessian, expected = _chain(there, shape.first, shape.second)
    step, decrement, positive = kernel.steps(hessian, expected, slope)
    decrement = np.where(np.isfinite(there.value), decrement, np.nan)
    return _Point(parameters, there.value, step, decrement, positive, hessian / 2)


def _chain(there: Evaluation, first: Array, second: Array) -> tuple[Array, Array, Array]:
    """Return gradient, observed and expected Hessian by the parameters of the structure."""
    turned = np.swapaxes(first, 1, 2)
    slope = (turned @ there.slope[..., None])[..., 0]
    bend = np.einsum("rd,rdij->rij", there.slope, second) if np.any(second) else 0.0
    return slope, turned @ there.observed @ first + bend, turned @ there.expected @ first


def _pick(point: _Point, rows: Array) -> _Point:
    return _Point(*(array[rows] for array in point))


def _take(statistics: Statistics, rows: Array) -> Statistics:
    """Return the statistics of some replicates."""
    cross, size, seen = (np.ascontiguousarray(array[rows]) for array in statistics[:3])
    return Statistics(cross, size, seen, statistics.by_visit)


def _finished(
    statistics: Statistics, structure: Structure, point: _Point, state: tuple[Array, Array, Array, Array]
) -> Fit:
    """Return the fits at the last point."""
    products, keep, converged, iterations = state
    shape = structure(point.parameters, statistics.seen.shape[2])
    there = kernel.evaluate(statistics, np.ascontiguousarray(shape.covariance), keep)
    rows = (statistics.size * statistics.seen.sum(axis=2)).sum(axis=1)
    constant = (rows - keep.sum(axis=1)) * np.log(2 * np.pi)
    return Fit(
        statistics=statistics,
        keep=keep,
        gram=products,
        coefficients=there.coefficients,
        phi=there.phi,
        covariance=shape.covariance,
        parameters=point.parameters,
        information=point.information,
        first=shape.first,
        second=shape.second,
        deviance=point.value + constant,
        converged=converged,
        iterations=iterations,
    )


def first_guess(residuals: Array) -> Array:
    """Return a positive definite covariance (replicate, visit, visit) from residuals (replicate, subject, visit).

    Pairs of visits give their correlation over the subjects seen at both; correlations are drawn towards 0 until they
    fit together. A visit without variation gets the variance 1: its replicate cannot be fitted anyway.
    """
    seen = np.isfinite(residuals)
    filled = np.where(seen, residuals, 0.0)
    turned = np.swapaxes(filled, 1, 2)
    both = np.swapaxes(seen, 1, 2).astype(float) @ seen
    moment = turned @ filled / np.maximum(both, 1.0)
    variance = np.diagonal(moment, axis1=1, axis2=2)
    deviation = np.sqrt(np.where(variance > 0, variance, 1.0))
    correlation = moment / deviation[:, :, None] / deviation[:, None, :]
    visits = residuals.shape[2]
    correlation[:, np.arange(visits), np.arange(visits)] = 0.0
    least = np.linalg.eigvalsh(correlation)[:, 0]
    share = np.minimum(1.0, 0.95 / np.maximum(-least, 1e-12))
    correlation *= share[:, None, None]
    correlation[:, np.arange(visits), np.arange(visits)] = 1.0
    return symmetric(vech(correlation * deviation[:, :, None] * deviation[:, None, :]), visits)


def residuals(y: Array, by_visit: Array, common: Array) -> tuple[Array, Array]:
    """Return residuals (replicate, subject, visit) of least squares and the coefficients (replicate, coefficient).

    A fit of the residuals has the coefficients less these and all else the same, with nothing lost to a large mean.
    """
    statistics = summarise(y, by_visit, common)
    keep = independent(gram(statistics))
    unit = np.broadcast_to(np.eye(y.shape[2]), (len(y), y.shape[2], y.shape[2]))
    coefficients = kernel.evaluate(statistics, np.ascontiguousarray(unit), keep).coefficients
    slopes = coefficients[:, : y.shape[2] * by_visit.shape[2]].reshape(len(y), y.shape[2], by_visit.shape[2])
    used = np.isfinite(by_visit).all(axis=2) & np.isfinite(common).all(axis=2)
    z, w = (np.where(used[..., None], columns, 0.0) for columns in (by_visit, common))
    fitted = z @ np.swapaxes(slopes, 1, 2) + w @ coefficients[:, slopes[0].size :, None]
    return np.where(used[..., None], y - fitted, np.nan), coefficients
