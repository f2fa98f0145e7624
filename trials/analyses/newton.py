"""Newton's method for many likelihoods at once: one maximum a replicate, each on its own path."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

TOLERANCE = 1e-12
"""Twice the log-likelihood still to be gained at which the last step is taken: a distance of 1e-6 standard errors."""
MOST = 100
"""Evaluations before a replicate is given up."""
SMALLEST = 2.0**-20
"""Smallest share of a step that is tried."""


class Local(NamedTuple):
    """Log-likelihoods at a point: value (row,), gradient (row, parameter), information (row, parameter, parameter)."""

    value: np.ndarray
    gradient: np.ndarray
    information: np.ndarray


class Maximum(NamedTuple):
    """Where the likelihoods are greatest, and which searches got there; arrays as in `Local`."""

    parameters: np.ndarray
    information: np.ndarray
    converged: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Inverse of the information; that of a parameter without information is 1."""
        return inverse(self.information)


type Likelihood = Callable[[np.ndarray, np.ndarray], Local]
"""From parameters (row, parameter) and the replicates they belong to (row,) to the likelihood there."""


def maximise(likelihood: Likelihood, start: np.ndarray) -> Maximum:
    """Climb from ``start`` (replicate, parameter) by Newton steps, halved until the likelihood rises.

    A replicate stops at its own maximum, so its numbers do not depend on those beside it. The information may be
    expected or observed, whole or by blocks: it steers the climb and is returned as it was at the last point but one
    step of `TOLERANCE`.
    """
    parameters = start.astype(float)
    rows = np.arange(len(start))
    here = likelihood(parameters, rows)
    value, gradient, information = (part.copy() for part in here)
    share, converged = np.ones(len(start)), np.zeros(len(start), dtype=bool)
    for _ in range(MOST):
        step = np.einsum("rij,rj->ri", inverse(information[rows]), gradient[rows])
        gain = (step * gradient[rows]).sum(axis=1)
        near = gain < TOLERANCE
        parameters[rows[near]] += step[near]
        converged[rows[near]] = True
        stuck = share[rows] < SMALLEST
        rows, step = rows[~near & ~stuck], step[~near & ~stuck]
        if not rows.size:
            break
        point = parameters[rows] + share[rows, None] * step
        there = likelihood(point, rows)
        with np.errstate(invalid="ignore"):
            better = np.isfinite(there.value) & (there.value >= value[rows] - 1e-12 * np.abs(value[rows]))
        share[rows] = np.where(better, 1.0, share[rows] / 2)
        taken = rows[better]
        parameters[taken], value[taken] = point[better], there.value[better]
        gradient[taken], information[taken] = there.gradient[better], there.information[better]
    return Maximum(parameters, information, converged)


def inverse(information: np.ndarray) -> np.ndarray:
    """Return the inverse of each matrix (row, parameter, parameter); an absent parameter, all zeros, gets 1.

    A matrix without an inverse gets its pseudo-inverse, so that a direction the data do not show is not moved along.
    """
    diagonal = np.einsum("rii->ri", information)
    filled = information + np.where(diagonal == 0, 1.0, 0.0)[..., None] * np.eye(information.shape[-1])
    try:
        return np.linalg.inv(filled)
    except np.linalg.LinAlgError:
        return np.stack([np.linalg.pinv(np.nan_to_num(one), hermitian=True) for one in filled])


def crossed(one: np.ndarray, weight: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the weighted cross products (row, i, j) of two designs (row, subject, column)."""
    product: np.ndarray = np.swapaxes(one * weight[..., None], 1, 2) @ other
    return product


def arms_design(test: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the design (replicate, subject, 2 + column): intercept, test arm and covariates."""
    plain = np.stack([np.ones(test.shape), test.astype(float)], axis=-1)
    return np.concatenate([plain, columns], axis=-1)
