"""Standard normal scores that go together, and the correlation matrices that say how."""

import numpy as np

from cohorts.errors import PopulationError
from cohorts.specification.quantities import Array

Rows = tuple[tuple[float, ...], ...]


def correlated(z: Array, correlation: Rows) -> Array:
    """Independent standard normal scores (..., n) made to correlate.

    Term by term, not by a matrix product, whose order of summation, and so its last bits, may change with the number of
    patients.
    """
    factor = np.linalg.cholesky(np.array(correlation))
    made = np.empty_like(z)
    for i in range(z.shape[-1]):
        made[..., i] = factor[i, 0] * z[..., 0]
        for j in range(1, i + 1):
            made[..., i] += factor[i, j] * z[..., j]
    return made


def correlation_matrix(written: object, size: int, where: str) -> Rows:
    """Rows of a correlation matrix.

    Raises
    ------
    PopulationError
        If it is not one of that size, or not positive definite.
    """
    try:
        rows = np.array(written, dtype=np.float64)
    except (TypeError, ValueError):
        rows = np.empty(0)
    right = rows.shape == (size, size) and np.array_equal(rows, rows.T) and bool((np.diag(rows) == 1.0).all())
    if not right:
        raise PopulationError(
            f"{where}: got {written!r}, wanted a symmetric {size} x {size} matrix with 1 on the diagonal"
        )
    if np.linalg.eigvalsh(rows).min() <= 1e-12:
        raise PopulationError(f"{where}: not positive definite: no such correlations exist")
    return tuple(tuple(row) for row in rows.tolist())


def nearest_correlation(rows: Array, most: float, where: str) -> Rows:
    """Positive definite correlation matrix near one that was put together pair by pair.

    Negative eigenvalues are set to a small positive one and the diagonal back to 1 (Rebonato R, Jaeckel P. J Risk
    2000;2(2):17-27. doi:10.21314/JOR.2000.023).

    Raises
    ------
    PopulationError
        If a correlation would have to move by more than `most`.
    """
    values, vectors = np.linalg.eigh(rows)
    fixed = (vectors * np.maximum(values, 1e-6)) @ vectors.T if values.min() < 1e-6 else rows
    scale = np.sqrt(np.diag(fixed))
    fixed = fixed / np.outer(scale, scale)
    fixed = (fixed + fixed.T) / 2.0
    np.fill_diagonal(fixed, 1.0)
    moved = float(np.abs(fixed - rows).max())
    if moved > most:
        raise PopulationError(
            f"{where}: the correlations of pairs do not go together (one would have to move by {moved:.2g}); leave "
            "out a covariate that follows from others"
        )
    return tuple(tuple(row) for row in fixed.tolist())
