"""Data augmentation for the multivariate normal regression of incomplete repeated measures, compiled.

Rows y_i are normal about ``z_i' B`` with covariance V, prior ``|V|^-(visits + 1)/2``. Missing values are drawn given
the parameters, then the parameters given the completed data. Tanner & Wong (1987), doi:10.1080/01621459.1987.10478458;
Schafer (1997), Analysis of Incomplete Multivariate Data, chapter 5.
"""

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np

type Array = np.ndarray

compiled = cast("Callable[[Callable[..., Any]], Callable[..., Any]]", numba.njit(cache=True, nogil=True))


@compiled
def _root(matrix: Array) -> Array:
    """Return the lower triangle L with ``L L' = matrix``; NaN on its diagonal where the matrix is not positive."""
    lower = np.zeros_like(matrix)
    for i in range(len(matrix)):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            if i > j:
                lower[i, j] = total / lower[j, j]
            else:
                lower[i, i] = np.sqrt(total) if total > 0 else np.nan
    return lower


@compiled
def _conditional(v: Array, seen: Array) -> tuple[Array, Array]:
    """Return the regression (visit, visit) of missing visits on seen ones, and the root of what they leave."""
    o, u = np.nonzero(seen)[0], np.nonzero(~seen)[0]
    lower = np.zeros((len(o), len(o)))
    for i in range(len(o)):
        for j in range(len(o)):
            lower[i, j] = v[o[i], o[j]]
    lower = _root(lower)
    slopes = np.zeros_like(v)
    left = np.zeros((len(u), len(u)))
    half = np.zeros((len(u), len(o)))
    for a in range(len(u)):
        for i in range(len(o)):
            total = v[u[a], o[i]]
            for k in range(i):
                total -= lower[i, k] * half[a, k]
            half[a, i] = total / lower[i, i]
        for b in range(a + 1):
            left[a, b] = v[u[a], u[b]]
            for k in range(len(o)):
                left[a, b] -= half[a, k] * half[b, k]
            left[b, a] = left[a, b]
        for i in range(len(o) - 1, -1, -1):
            total = half[a, i]
            for k in range(i + 1, len(o)):
                total -= lower[k, i] * slopes[u[a], o[k]]
            slopes[u[a], o[i]] = total / lower[i, i]
    return slopes, _root(left)


@compiled
def _complete(y: Array, z: Array, group: Array, seen: Array, state: tuple[Array, Array], normals: Array) -> None:
    """Draw the missing values of y (subject, visit) in place, given coefficients and covariance."""
    coefficients, v = state
    visits = y.shape[1]
    place, before = 0, -1
    slopes, root = np.zeros((visits, visits)), np.zeros((visits, visits))
    mean = np.zeros(visits)
    for i in range(len(y)):
        g = group[i]
        if g != before:
            slopes, root = _conditional(v, seen[g])
            before = g
        for j in range(visits):
            mean[j] = 0.0
            for k in range(z.shape[1]):
                mean[j] += z[i, k] * coefficients[k, j]
        row = 0
        for j in range(visits):
            if not seen[g, j]:
                value = mean[j]
                for k in range(visits):
                    if seen[g, k]:
                        value += slopes[j, k] * (y[i, k] - mean[k])
                for k in range(row + 1):
                    value += root[row, k] * normals[place + k]
                y[i, j] = value
                row += 1
        place += row


@compiled
def _parameters(
    square: Array, cross: Array, gram: tuple[Array, Array], normals: Array, chi: Array
) -> tuple[Array, Array]:
    """Draw coefficients (column, visit) and covariance from y'y, z'y, ``(z'z)^-1`` and its root."""
    back, root = gram
    columns, visits = cross.shape
    centre = np.zeros((columns, visits))
    for a in range(columns):
        for b in range(columns):
            for j in range(visits):
                centre[a, j] += back[a, b] * cross[b, j]
    rest = square.copy()
    for j in range(visits):
        for k in range(visits):
            for a in range(columns):
                rest[j, k] -= centre[a, j] * cross[a, k]
    lower = _root(rest)
    factor = np.zeros((visits, visits))
    for i in range(visits):
        for j in range(visits):
            total = lower[i, j]
            for k in range(j):
                total -= factor[i, k] * normals[j * (j - 1) // 2 + k]
            factor[i, j] = total / chi[j]
    v = np.zeros((visits, visits))
    for i in range(visits):
        for j in range(visits):
            for k in range(visits):
                v[i, j] += factor[i, k] * factor[j, k]
    place = visits * (visits - 1) // 2
    for a in range(columns):
        for b in range(a + 1):
            for j in range(visits):
                for k in range(visits):
                    centre[a, j] += root[a, b] * normals[place + b * visits + k] * factor[j, k]
    return centre, v


@compiled
def augment(
    y: Array, z: Array, groups: tuple[Array, Array], fixed: tuple[Array, Array, Array, Array],
    start: tuple[Array, Array], random: tuple[Array, Array, int, int],
) -> tuple[Array, Array]:  # fmt: skip
    """Run one chain of one replicate.

    Parameters
    ----------
    y, z
        Subjects with missing visits: values (subject, visit), whatever stands where one is missing, and columns
        (subject, column).
    groups
        Group of each of these subjects (subject,), and which visits a group was seen at (group, visit).
    fixed
        y'y and z'y over the other subjects; ``(z'z)^-1`` over all and its root.
    start
        Coefficients (column, visit) and covariance (visit, visit).
    random
        Standard normal numbers (step, :), roots of chi-squared numbers (step, visit), steps before the first draw kept,
        and steps from one kept to the next.

    Returns
    -------
    Coefficients (draw, column, visit) and covariances (draw, visit, visit).
    """
    normals, chi, burn_in, thinning = random
    coefficients, v = start
    kept = (len(normals) - burn_in) // thinning
    columns, visits = coefficients.shape
    found, spread = np.zeros((kept, columns, visits)), np.zeros((kept, visits, visits))
    own = visits * (visits - 1) // 2 + columns * visits
    y = y.copy()
    for step in range(len(normals)):
        _complete(y, z, groups[0], groups[1], (coefficients, v), normals[step, own:])
        square, cross = fixed[0].copy(), fixed[1].copy()
        for i in range(len(y)):
            for j in range(visits):
                for k in range(visits):
                    square[j, k] += y[i, j] * y[i, k]
                for k in range(columns):
                    cross[k, j] += z[i, k] * y[i, j]
        coefficients, v = _parameters(square, cross, (fixed[2], fixed[3]), normals[step, :own], chi[step])
        after = step + 1 - burn_in
        if after > 0 and after % thinning == 0:
            found[after // thinning - 1], spread[after // thinning - 1] = coefficients, v
    return found, spread
