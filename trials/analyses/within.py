"""Least squares within subjects: an effect in a crossover when every subject has a level of their own."""

from typing import NamedTuple

import numpy as np

TOLERANCE = 1e-10
"""Relative size below which a direction of the design, or of the effect beside it, counts as absent."""


class Within(NamedTuple):
    """Effect, standard error, residual variance, degrees of freedom and subjects analysed, each (replicate,)."""

    estimate: np.ndarray
    se: np.ndarray
    variance: np.ndarray
    df: np.ndarray
    n: np.ndarray


def within(values: np.ndarray, effect: np.ndarray | None, beside: np.ndarray) -> Within:
    """Regress values on an effect and on columns beside it, all freed of the subjects' means.

    Parameters
    ----------
    values
        Measurements (replicate, subject, period), NaN where missing. A subject with one measurement tells nothing.
    effect
        Column (replicate, subject, period) whose slope is wanted; None gives the residual variance alone.
    beside
        Further columns (replicate, subject, period, column).

    Returns
    -------
    Sequences need no column: a subject's own level holds that of the sequence. Without a degree of freedom, or when
    the effect cannot be told from the columns beside it, ``df`` is 0.
    """
    used = np.isfinite(values)
    used &= used.sum(axis=-1, keepdims=True) > 1
    columns = beside if effect is None else np.concatenate([beside, effect[..., None].astype(float)], axis=-1)
    design = _freed(columns, used)
    value = _freed(np.where(used, values, 0.0)[..., None], used)[..., 0]
    others = design if effect is None else design[..., :-1]
    gram = np.einsum("rsi,rsj->rij", others, others)
    count, subjects = used.sum(axis=(1, 2)), used.any(axis=2).sum(axis=1)
    both = value[..., None] if effect is None else np.stack([value, design[..., -1]], axis=-1)
    slopes = np.linalg.pinv(gram, hermitian=True, rtol=TOLERANCE) @ np.einsum("rsi,rsj->rij", others, both)
    left = both - others @ slopes
    free = count - subjects - np.linalg.matrix_rank(gram, hermitian=True, rtol=TOLERANCE)
    if effect is None:
        return _found(left[..., 0], np.zeros(left.shape[:2]), free, subjects)
    return _found(left[..., 0], left[..., 1], free, subjects)


def _found(value: np.ndarray, effect: np.ndarray, free: np.ndarray, n: np.ndarray) -> Within:
    """Return the slope of what is left of the values on what is left of the effect."""
    square = (effect * effect).sum(axis=1)
    there = square > TOLERANCE * np.maximum(n, 1)
    estimate = np.where(there, (effect * value).sum(axis=1) / np.where(there, square, 1.0), 0.0)
    df = np.maximum(free - there, 0)
    squares = ((value - estimate[:, None] * effect) ** 2).sum(axis=1)
    variance = np.where(df > 0, squares / np.maximum(df, 1), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(variance / square)
    return Within(np.where(there, estimate, np.nan), np.where(there, se, np.nan), variance, df, n)


def _freed(columns: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return columns (replicate, measurement, column) less the subject's mean over what is used, 0 elsewhere."""
    keep = used[..., None]
    size = np.maximum(keep.sum(axis=2, keepdims=True), 1)
    centred = np.where(keep, columns - np.where(keep, columns, 0.0).sum(axis=2, keepdims=True) / size, 0.0)
    return centred.reshape(len(columns), -1, columns.shape[-1])


def periods(shape: tuple[int, ...]) -> np.ndarray:
    """Return a column for each period but the first: (replicate, subject, period, column)."""
    return np.broadcast_to(np.eye(shape[-1])[:, 1:], (*shape, shape[-1] - 1))
