"""What is assumed of the visits after a subject was last seen, and the values at one visit imputed under it.

A strategy makes of a subject's mean course in its own arm and its mean course in the reference arm the course that its
values are imputed about, given what was seen of it and the common covariance. Carpenter, Roger & Kenward (2013),
doi:10.1080/10543406.2013.834911. With Rubin's rules the reference-based strategies are information anchored: imputing
takes from the information on the treatment effect the share that it takes under MAR. The standard error is then larger,
and the test more cautious, than the spread of the estimator over repeated trials, which borrows from the reference arm.
Cro, Carpenter & Kenward (2019), doi:10.1111/rssa.12423.
"""

from collections.abc import Callable, Mapping

import numpy as np

from trials.imputation.posterior import Array, Draws, Incomplete

type Course = Callable[[Array, Array, int], Array]


def _mar(own: Array, reference: Array, last: int) -> Array:  # noqa: ARG001 - every strategy takes the same
    """Missing at random: on as in the subject's own arm."""
    return own


def _jump(own: Array, reference: Array, last: int) -> Array:
    """Jump to reference: on as in the reference arm."""
    return np.concatenate([own[..., : last + 1], reference[..., last + 1 :]], axis=-1)


def _copy(own: Array, reference: Array, last: int) -> Array:  # noqa: ARG001
    """Copy reference: as in the reference arm from the beginning."""
    return reference


def _increments(own: Array, reference: Array, last: int) -> Array:
    """Copy increments in reference: from the own mean on, in parallel to the reference arm."""
    shift = (own - reference)[..., last : last + 1] if last >= 0 else 0.0
    return np.concatenate([own[..., : last + 1], reference[..., last + 1 :] + shift], axis=-1)


STRATEGIES: Mapping[str, Course] = {
    "missing_at_random": _mar,
    "jump_to_reference": _jump,
    "copy_reference": _copy,
    "copy_increments": _increments,
}
"""Mean courses (..., visit) from own course, reference course and the number of the last visit seen (-1: none)."""


def impute(data: Incomplete, draws: Draws, visit: int, under: tuple[str, int], normals: Array) -> Array:
    """Return the values at a visit (replicate, subject, draw): seen, or imputed; NaN for subjects not used.

    Parameters
    ----------
    data
        Whose last columns are the arms other than the reference.
    draws
        Parameters, one set an imputation.
    visit
        Number of the visit.
    under
        One of `STRATEGIES`, and the number of columns that are arms.
    normals
        Standard normal numbers (replicate, subject, draw).
    """
    strategy, arms = under
    course = STRATEGIES[strategy]
    there = np.isfinite(data.y)
    values = np.where(data.used, data.y[..., visit], np.nan)[..., None] + np.zeros(normals.shape[2])
    row, subject = np.nonzero(data.used & ~there[..., visit])
    seen = there[row, subject]
    reference = data.z.copy()
    reference[..., data.z.shape[2] - arms :] = 0.0
    for pattern in np.unique(seen, axis=0):
        at = (seen == pattern).all(axis=1)
        r, i = row[at], subject[at]
        own, other = (_mean(z[r, i], draws.coefficients, r) for z in (data.z, reference))
        mean = course(own, other, int(np.flatnonzero(pattern)[-1]) if pattern.any() else -1)
        slopes, spread = _conditional(draws.covariance, pattern, visit)
        rest = data.y[r, i][:, None, pattern] - mean[..., pattern]
        centre = mean[..., visit] + (slopes[r] * rest).sum(axis=-1)
        values[r, i] = centre + np.sqrt(spread[r]) * normals[r, i]
    return values


def _mean(z: Array, coefficients: Array, row: Array) -> Array:
    """Return mean courses (subject, draw, visit) for columns (subject, column) in replicates (subject,)."""
    found = np.zeros((len(z), *coefficients.shape[1:2], coefficients.shape[3]))
    for column in range(z.shape[1]):
        found += z[:, column, None, None] * coefficients[row, :, column]
    return found


def _conditional(covariance: Array, pattern: Array, visit: int) -> tuple[Array, Array]:
    """Return the regression of a visit on those seen (replicate, draw, visit), and the variance that it leaves."""
    seen = np.flatnonzero(pattern)
    inner = covariance[..., seen[:, None], seen]
    beside = covariance[..., seen, visit]
    good = np.isfinite(inner).all(axis=(2, 3), keepdims=True)
    slopes = np.linalg.solve(np.where(good, inner, np.eye(len(seen))), beside[..., None])[..., 0]
    return slopes, covariance[..., visit, visit] - (slopes * beside).sum(axis=-1)
