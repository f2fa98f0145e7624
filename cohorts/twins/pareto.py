"""Pareto smoothing of importance weights, and how far they can be trusted.

Vehtari, Simpson, Gelman, Yao & Gabry 2024, Pareto smoothed importance sampling, J Mach Learn Res 25(72); the fit of the
tail is that of Zhang & Stephens 2009, doi:10.1198/tech.2009.08017, with their weak prior on its shape.
"""

import numpy as np

from cohorts.specification.quantities import Array

LIMIT = 0.7
"""Pareto k from which on weights are not to be trusted, however many there are."""


def smoothed(log_ratio: Array) -> tuple[Array, Array]:
    """Weights that sum to 1, (patient, particle), the largest taken from a fitted Pareto tail; its k, (patient).

    Parameters
    ----------
    log_ratio
        Logarithm of target over proposal density, up to a constant, (patient, particle); minus infinity for weight 0.
    """
    rows, count = log_ratio.shape
    log = log_ratio - np.max(log_ratio, axis=1, keepdims=True)
    tail = int(min(0.2 * count, 3.0 * np.sqrt(count)))
    k = np.full(rows, np.inf)
    if tail >= 5:
        order = np.argsort(log, axis=1)[:, -tail - 1 :]
        cutoff = np.maximum(np.exp(np.take_along_axis(log, order[:, :1], axis=1)), np.finfo(float).tiny)
        above = np.exp(np.take_along_axis(log, order[:, 1:], axis=1)) - cutoff
        varied = above[:, -1] > 10.0 * np.finfo(float).eps
        shape, scale = _fit(np.maximum(above, np.finfo(float).tiny))
        p = (np.arange(tail) + 0.5) / tail
        quantile = cutoff + _quantile(p, shape[:, None], scale[:, None])
        fitted = np.log(np.minimum(quantile, 1.0))
        log = log.copy()
        np.put_along_axis(
            log, order[:, 1:], np.where(varied[:, None], fitted, np.take_along_axis(log, order[:, 1:], axis=1)), axis=1
        )
        k = np.where(varied, shape, -np.inf)
    weight = np.exp(log - np.max(log, axis=1, keepdims=True))
    return weight / np.sum(weight, axis=1, keepdims=True), k


def _fit(x: Array) -> tuple[Array, Array]:
    """Shape and scale of the generalised Pareto distribution of each row of `x`, ascending, > 0."""
    n = x.shape[1]
    grid = 30 + int(np.sqrt(n))
    quartile = x[:, int(n / 4 + 0.5) - 1, None]
    i = np.arange(1, grid + 1)
    b = (1.0 - np.sqrt(grid / (i - 0.5))) / (3.0 * quartile) + 1.0 / x[:, -1:]
    k = np.mean(np.log1p(-b[:, :, None] * x[:, None, :]), axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        likelihood = n * (np.log(-b / k) - k - 1.0)
    likelihood = np.where(np.isfinite(likelihood), likelihood, -np.inf)
    weight = np.exp(likelihood - np.max(likelihood, axis=1, keepdims=True))
    weight /= np.sum(weight, axis=1, keepdims=True)
    best = np.sum(weight * b, axis=1)
    shape = np.mean(np.log1p(-best[:, None] * x), axis=1)
    return (n * shape + 5.0) / (n + 10.0), -shape / best


def _quantile(p: Array, shape: Array, scale: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = scale * np.expm1(-shape * np.log1p(-p)) / shape
    return np.where(np.abs(shape) < 1e-12, -scale * np.log1p(-p), tail)


def effective(weight: Array) -> Array:
    """Effective sample size of weights that sum to 1, over the last axis."""
    return np.asarray(1.0 / np.sum(weight**2, axis=-1))
