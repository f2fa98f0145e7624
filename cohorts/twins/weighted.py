"""Summaries of weighted draws with their Monte Carlo errors."""

import numpy as np

from cohorts.specification.quantities import Array


def mean(values: Array, weight: Array) -> tuple[Array, Array]:
    """Mean over the second axis and its Monte Carlo standard error.

    Parameters
    ----------
    values
        (patient, particle, ...).
    weight
        Sums to 1 over the particles, (patient, particle). The error is that of a self-normalised estimate: Owen 2013,
        Monte Carlo theory, methods and examples, equation 9.9.
    """
    w = weight.reshape(*weight.shape, *[1] * (values.ndim - 2))
    middle = np.sum(w * values, axis=1)
    return middle, np.sqrt(np.sum(w**2 * (values - middle[:, None]) ** 2, axis=1))


def quantile(values: Array, weight: Array, p: float) -> tuple[Array, Array]:
    """Quantile over the second axis and its Monte Carlo standard error; `mean` says what the arguments are.

    The error is half the distance between the quantiles one standard error of the share below them apart (Woodruff
    1952, doi:10.1080/01621459.1952.10483443).
    """
    order = np.argsort(values, axis=1)
    x = np.take_along_axis(values, order, axis=1)
    flat = weight.reshape(*weight.shape, *[1] * (values.ndim - 2))
    w = np.take_along_axis(np.broadcast_to(flat, values.shape), order, axis=1)
    middle = np.cumsum(w, axis=1) - 0.5 * w
    found = _at(x, middle, np.full((*x.shape[:1], *x.shape[2:]), p))
    below = x <= found[:, None]
    spread = np.sqrt(np.sum(w**2 * (below - p) ** 2, axis=1))
    low, high = _at(x, middle, np.maximum(p - spread, 0.0)), _at(x, middle, np.minimum(p + spread, 1.0))
    return found, 0.5 * (high - low)


def _at(x: Array, share: Array, p: Array) -> Array:
    """Linear interpolation of ascending `x` at shares `p`."""
    right = np.clip(np.sum(share < p[:, None], axis=1), 1, x.shape[1] - 1)[:, None]
    a, b = np.take_along_axis(x, right - 1, axis=1)[:, 0], np.take_along_axis(x, right, axis=1)[:, 0]
    s, t = np.take_along_axis(share, right - 1, axis=1)[:, 0], np.take_along_axis(share, right, axis=1)[:, 0]
    part = np.clip((p - s) / np.maximum(t - s, np.finfo(float).tiny), 0.0, 1.0)
    return np.asarray(a + part * (b - a))


def chosen(weight: Array, u: float, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """Positions of `count` equally weighted draws, by systematic resampling of weights (particle) from one uniform `u`.

    Kitagawa 1996, doi:10.1080/10618600.1996.10474692.
    """
    edges = np.cumsum(weight)
    found = np.searchsorted(edges, (np.arange(count) + u) / count * edges[-1])
    return np.asarray(np.minimum(found, len(weight) - 1), dtype=np.intp)
