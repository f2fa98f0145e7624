"""Draws of the parameters of the normal model for incomplete repeated measures: one set an imputation.

Rows y_i of all visits are normal about ``z_i' B`` with one covariance V; values are missing at random. Data
augmentation takes any pattern of missing visits. Monotone regression takes one where nobody is seen after a missed
visit, and needs no chain: each visit is regressed on the columns and the visits before, with the prior 1/s^2 on its
residual variance (Rubin 1987, Multiple Imputation for Nonresponse in Surveys, section 5.4). Their priors differ by a
few degrees of freedom.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

type Array = np.ndarray


class Draws(NamedTuple):
    """Coefficients (replicate, draw, column, visit) and covariances (replicate, draw, visit, visit)."""

    coefficients: Array
    covariance: Array


class Incomplete(NamedTuple):
    """Incomplete repeated measures.

    Attributes
    ----------
    y
        Values (replicate, subject, visit), NaN where missing.
    z
        Columns (replicate, subject, column), the first of them 1; a column that is 0 for all costs nothing.
    used
        Subjects in the model (replicate, subject).
    """

    y: Array
    z: Array
    used: Array


def determined(data: Incomplete) -> Array:
    """Return whether those seen at every visit determine the model (replicate,), so that its posterior is proper."""
    whole = data.used & np.isfinite(data.y).all(axis=2)
    columns = np.where(data.used[..., None], data.z, 0.0).any(axis=1)
    size = np.sqrt((np.where(whole[..., None], data.z, 0.0) ** 2).sum(axis=1))
    z = np.where(whole[..., None], data.z, 0.0) / np.where(size > 0, size, 1.0)[:, None, :]
    rank = np.linalg.matrix_rank(np.swapaxes(z, 1, 2) @ z, hermitian=True, rtol=1e-9)
    enough: Array = (rank == columns.sum(axis=1)) & (whole.sum(axis=1) > rank + data.y.shape[2])
    return enough


def augmented(
    data: Incomplete, generators: Sequence[np.random.Generator], *, draws: int, burn_in: int, thinning: int
) -> Draws:
    """Draw parameters by data augmentation, one chain a replicate, started at least squares."""
    replicates, _, visits = data.y.shape
    columns = data.z.shape[2]
    coefficients = np.full((replicates, draws, columns, visits), np.nan)
    covariance = np.full((replicates, draws, visits, visits), np.nan)
    size = (burn_in, thinning, draws)
    for row in np.flatnonzero(determined(data)).tolist():
        used = data.used[row]
        coefficients[row], covariance[row] = _chain(data.y[row][used], data.z[row][used], generators[row], size)
    return Draws(coefficients, covariance)


def _chain(y: Array, z: Array, rng: np.random.Generator, size: tuple[int, int, int]) -> tuple[Array, Array]:
    """Run the chain of one replicate: values (subject, visit) and columns (subject, column) of the subjects used."""
    from trials.imputation.gibbs import augment

    burn_in, thinning, draws = size
    there = np.isfinite(y)
    centre = np.where(there, y, 0.0).sum(axis=0) / there.sum(axis=0)
    y = np.where(there, y - centre, 0.0)
    whole = there.all(axis=1)
    patterns, group = np.unique(there[~whole], axis=0, return_inverse=True)
    order = np.argsort(group, kind="stable")
    gram = z.T @ z
    absent = np.diagonal(gram) == 0
    back = np.linalg.inv(gram + np.diag(absent.astype(float)))
    df = len(y) - (~absent).sum() - np.arange(y.shape[1])
    steps = burn_in + thinning * draws
    own = y.shape[1] * (y.shape[1] - 1) // 2 + z.shape[1] * y.shape[1]
    normals = rng.standard_normal((steps, own + int((~there).sum())))
    chi = np.sqrt(rng.chisquare(df, (steps, y.shape[1])))
    slopes = np.linalg.lstsq(z[whole], y[whole], rcond=None)[0]
    rest = y[whole] - z[whole] @ slopes
    found, spread = augment(
        y[~whole][order],
        z[~whole][order],
        (group.reshape(-1)[order], patterns),
        (y[whole].T @ y[whole], z[whole].T @ y[whole], back, np.linalg.cholesky(back)),
        (slopes, rest.T @ rest / len(rest)),
        (normals, chi, burn_in, thinning),
    )
    found[:, 0] += centre
    return found, spread


def is_monotone(data: Incomplete) -> Array:
    """Return whether nobody is seen after a missed visit (replicate,)."""
    there = np.isfinite(data.y) | ~data.used[..., None]
    found: Array = ~(there[..., 1:] & ~there[..., :-1]).any(axis=(1, 2))
    return found


def monotone(data: Incomplete, generators: Sequence[np.random.Generator], *, draws: int) -> Draws:
    """Draw parameters by regressing each visit on those before; the data are monotone."""
    replicates, _, visits = data.y.shape
    good, columns = determined(data), data.z.shape[2]
    there = np.isfinite(data.y) & data.used[..., None]
    centre = np.where(there, data.y, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    y = np.where(there, data.y - centre[:, None], 0.0)
    slopes = np.zeros((replicates, draws, visits, columns + visits))
    variance = np.ones((replicates, draws, visits))
    for visit in range(visits):
        predictors = np.concatenate([data.z, y[..., :visit]], axis=2)
        size = columns + visit
        found = _regression(predictors, y[..., visit], there[..., visit], good, (generators, draws))
        slopes[:, :, visit, :size], variance[:, :, visit] = found
    unit = np.eye(visits) - np.where(np.tri(visits, k=-1) > 0, slopes[..., columns:], 0.0)
    back = np.linalg.inv(unit)
    coefficients = np.swapaxes(back @ slopes[..., :columns], 2, 3)
    coefficients[:, :, 0] += centre[:, None]
    covariance = (back * variance[:, :, None, :]) @ np.swapaxes(back, 2, 3)
    bad = ~good[:, None, None, None]
    return Draws(np.where(bad, np.nan, coefficients), np.where(bad, np.nan, covariance))


def _regression(
    x: Array, y: Array, used: Array, good: Array, random: tuple[Sequence[np.random.Generator], int]
) -> tuple[Array, Array]:
    """Draw slopes (replicate, draw, column) and residual variance (replicate, draw) of one regression."""
    generators, draws = random
    x = np.where(used[..., None], x, 0.0)
    gram = np.swapaxes(x, 1, 2) @ x
    absent = np.diagonal(gram, axis1=1, axis2=2) == 0
    size = x.shape[2]
    eye = np.eye(size)
    gram = np.where(good[:, None, None], gram + absent[:, None, :] * eye, eye)
    centre = np.linalg.solve(gram, (np.swapaxes(x, 1, 2) @ y[..., None]))[..., 0]
    rest = np.where(used, y - (x @ centre[..., None])[..., 0], 0.0)
    df = np.maximum(used.sum(axis=1) - (~absent).sum(axis=1), 1)
    chi = np.stack([rng.chisquare(d, draws) for rng, d in zip(generators, df, strict=True)])
    variance = (rest**2).sum(axis=1)[:, None] / chi
    normals = np.stack([rng.standard_normal((draws, size)) for rng in generators])
    root = np.linalg.inv(np.linalg.cholesky(gram))
    return centre[:, None] + np.sqrt(variance)[..., None] * (normals @ root), variance
