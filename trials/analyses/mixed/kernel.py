"""Restricted likelihood of repeated measures and its derivatives, compiled: one replicate after the other.

Subject i has the rows ``y_ij = z_i' b_j + w_i' g + e_ij`` at its visits j, with ``e_i`` normal about 0 with covariance
V, of which a subject with missing visits has the rows and columns that were seen. All subjects that saw the same visits
enter through one matrix of cross products of ``(y, z, w)``, so their number does not matter to the cost of an
evaluation.

The objective is minus twice the restricted log-likelihood. Derivatives are taken along the elements of V: direction
``(a, b)``, a <= b, changes V_ab and V_ba together. With W the inverse of V, padded by zeros where a visit was not seen,
X the design, Phi = (X'WX)^-1 and P = W - W X Phi X'W:

- gradient tr(P U) - y'P U P y,
- expected Hessian tr(P U1 P U2), observed Hessian 2 y'P U1 P U2 P y - tr(P U1 P U2).

Gilmour, Thompson & Cullis (1995), doi:10.2307/2533274; Kenward & Roger (1997), doi:10.2307/2533558. The first call of
an installation compiles for some seconds; later processes load what was compiled.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numba
import numpy as np

type Array = np.ndarray

compiled = cast("Callable[[Callable[..., Any]], Callable[..., Any]]", numba.njit(cache=True, nogil=True))

SINGULAR = 1e-11
"""Share of a pivot's diagonal below which its row counts as a combination of the rows before."""


class Statistics(NamedTuple):
    """Sufficient statistics of the replicates, subjects grouped by the visits they were seen at.

    Attributes
    ----------
    cross
        Cross products of (y, z, w): (replicate, group, column, column); y is 0 where it was not seen.
    size
        Subjects (replicate, group); 0 pads.
    seen
        Visits (replicate, group, visit).
    by_visit
        Columns z, with a coefficient for each visit; the columns w after them have one for all.
    """

    cross: Array
    size: Array
    seen: Array
    by_visit: int


@compiled
def inverse(matrix: Array, keep: Array) -> tuple[Array, float]:
    """Return the inverse over the rows kept, 0 elsewhere, and its matrix' log determinant: NaN when not positive."""
    index = np.nonzero(keep)[0]
    size = len(index)
    lower = np.zeros((size, size))
    found = np.zeros_like(matrix)
    logarithm = 0.0
    for i in range(size):
        for j in range(i + 1):
            total = matrix[index[i], index[j]]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            if i > j:
                lower[i, j] = total / lower[j, j]
            elif total > SINGULAR * matrix[index[i], index[i]]:
                lower[i, i] = np.sqrt(total)
                logarithm += np.log(total)
            else:
                return found, np.nan
    for j in range(size):
        lower[j, j] = 1.0 / lower[j, j]
        for i in range(j + 1, size):
            total = 0.0
            for k in range(j, i):
                total -= lower[i, k] * lower[k, j]
            lower[i, j] = total / lower[i, i]
    for i in range(size):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, size):
                total += lower[k, i] * lower[k, j]
            found[index[i], index[j]] = total
            found[index[j], index[i]] = total
    return found, logarithm


@compiled
def _product(a: Array, b: Array) -> Array:
    """Return the matrix product; small ones are faster, and sooner compiled, than BLAS."""
    found = np.zeros((a.shape[0], b.shape[1]))
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(b.shape[1]):
                found[i, j] += a[i, k] * b[k, j]
    return found


@compiled
def _times(a: Array, vector: Array) -> Array:
    """Return the product of a matrix and a vector."""
    found = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            found[i] += a[i, j] * vector[j]
    return found


@compiled
def _sums(w: Array) -> Array:
    """Return the sums of the columns."""
    found = np.zeros(w.shape[1])
    for j in range(w.shape[0]):
        for k in range(w.shape[1]):
            found[k] += w[j, k]
    return found


@compiled
def _weights(covariance: Array, count: Array, seen: Array) -> tuple[Array, float]:
    """Return W (group, visit, visit) and the log determinant of V over all subjects."""
    weights = np.zeros((len(count), len(covariance), len(covariance)))
    total = 0.0
    for g in range(len(count)):
        if count[g]:
            weights[g], logarithm = inverse(covariance, seen[g])
            total += count[g] * logarithm
    return weights, total


@compiled
def _equations(weights: Array, cross: Array, by_visit: int) -> tuple[Array, Array, float]:
    """Return X'WX, X'Wy and y'Wy of one replicate."""
    visits, width = weights.shape[1], cross.shape[1]
    common = visits * by_visit
    size = common + width - visits - by_visit
    left, right, square = np.zeros((size, size)), np.zeros(size), 0.0
    for g in range(len(weights)):
        s, w, ones = cross[g], weights[g], _sums(weights[g])
        for j in range(visits):
            for k in range(visits):
                square += w[j, k] * s[j, k]
                for a in range(by_visit):
                    right[j * by_visit + a] += w[j, k] * s[k, visits + a]
                    for b in range(by_visit):
                        left[j * by_visit + a, k * by_visit + b] += w[j, k] * s[visits + a, visits + b]
            for c in range(size - common):
                right[common + c] += ones[j] * s[j, visits + by_visit + c]
                for a in range(by_visit):
                    term = ones[j] * s[visits + a, visits + by_visit + c]
                    left[j * by_visit + a, common + c] += term
                    left[common + c, j * by_visit + a] += term
            for c in range(size - common):
                for d in range(size - common):
                    left[common + c, common + d] += ones[j] * s[visits + by_visit + c, visits + by_visit + d]
    return left, right, square


@compiled
def _rows(coefficients: Array, visits: int, by_visit: int, own: float) -> Array:
    """Return L (visit, column), by which L (y, z, w)' is ``own`` y + X coefficients."""
    width = visits + by_visit + len(coefficients) - visits * by_visit
    rows = np.zeros((visits, width))
    for j in range(visits):
        rows[j, j] = own
        for a in range(by_visit):
            rows[j, visits + a] = coefficients[j * by_visit + a]
        for c in range(visits + by_visit, width):
            rows[j, c] = coefficients[visits * by_visit + c - visits - by_visit]
    return rows


@compiled
def _pairs(outer: Array, w: Array, c: Array) -> None:
    """Add to ``outer`` tr(U1 W U2 C) for all pairs of directions."""
    visits = len(w)
    row = 0
    for a in range(visits):
        for b in range(a, visits):
            column = 0
            for e in range(visits):
                for f in range(e, visits):
                    if column <= row:
                        term = w[b, e] * c[f, a] + w[a, e] * c[f, b] + w[b, f] * c[e, a] + w[a, f] * c[e, b]
                        term *= (0.5 if a == b else 1.0) * (0.5 if e == f else 1.0)
                        outer[row, column] += term
                        if column < row:
                            outer[column, row] += term
                    column += 1
            row += 1


@compiled
def _slopes(vector: Array, c: Array, factor: float) -> None:
    """Add to ``vector`` factor tr(U C) for all directions."""
    row = 0
    for a in range(len(c)):
        for b in range(a, len(c)):
            vector[row] += factor * (1.0 if a == b else 2.0) * c[a, b]
            row += 1


@compiled
def _forms(weights: Array, cross: Array, by_visit: int, rows: Array, phi: Array) -> tuple[Array, Array]:
    """Return t'W U W t (direction) and t'W U1 P U2 W t (direction, direction) over all subjects, t = L (y, z, w)'."""
    visits, size = weights.shape[1], len(phi)
    directions = visits * (visits + 1) // 2
    first, second = np.zeros(directions), np.zeros((directions, directions))
    moved = np.zeros((directions, size))
    common = visits * by_visit
    for g in range(len(weights)):
        w, ones = weights[g], _sums(weights[g])
        half = _product(rows, cross[g])
        y = _product(w, half)[:, visits:]
        c = _product(_product(w, _product(half, rows.T)), w)
        _slopes(first, c, 1.0)
        _pairs(second, w, c)
        row = 0
        for a in range(visits):
            for b in range(a, visits):
                scale = 0.5 if a == b else 1.0
                for j in range(visits):
                    for k in range(by_visit):
                        moved[row, j * by_visit + k] += scale * (w[j, a] * y[b, k] + w[j, b] * y[a, k])
                for k in range(size - common):
                    term = ones[a] * y[b, by_visit + k] + ones[b] * y[a, by_visit + k]
                    moved[row, common + k] += scale * term
                row += 1
    return first, second - _product(_product(moved, phi), moved.T)


@compiled
def _moved(weights: Array, cross: Array, by_visit: int) -> Array:
    """Return X'W U W X of all directions: (direction, coefficient, coefficient)."""
    visits = weights.shape[1]
    common = visits * by_visit
    size = common + cross.shape[1] - visits - by_visit
    found = np.zeros((visits * (visits + 1) // 2, size, size))
    for g in range(len(weights)):
        w, ones, s = weights[g], _sums(weights[g]), cross[g, visits:, visits:]
        row = 0
        for a in range(visits):
            for b in range(a, visits):
                scale = 0.5 if a == b else 1.0
                for j in range(visits):
                    for k in range(visits):
                        weight = scale * (w[j, a] * w[b, k] + w[j, b] * w[a, k])
                        if weight != 0.0:
                            for x in range(by_visit):
                                for z in range(by_visit):
                                    found[row, j * by_visit + x, k * by_visit + z] += weight * s[x, z]
                    weight = scale * (w[j, a] * ones[b] + w[j, b] * ones[a])
                    for x in range(by_visit):
                        for c in range(size - common):
                            found[row, j * by_visit + x, common + c] += weight * s[x, by_visit + c]
                            found[row, common + c, j * by_visit + x] += weight * s[x, by_visit + c]
                weight = 2.0 * scale * ones[a] * ones[b]
                for c in range(size - common):
                    for d in range(size - common):
                        found[row, common + c, common + d] += weight * s[by_visit + c, by_visit + d]
                row += 1
    return found


@compiled
def _spread(phi: Array, s: Array, visits: int, by_visit: int) -> Array:
    """Return X Phi X' (visit, visit) summed over the subjects of a group with cross products s of (z, w)."""
    found = np.zeros((visits, visits))
    common, rest = visits * by_visit, len(s) - by_visit
    for j in range(visits):
        for k in range(visits):
            for a in range(by_visit):
                for b in range(by_visit):
                    found[j, k] += phi[j * by_visit + a, k * by_visit + b] * s[a, b]
                for c in range(rest):
                    both = phi[j * by_visit + a, common + c] + phi[k * by_visit + a, common + c]
                    found[j, k] += both * s[a, by_visit + c]
            for c in range(rest):
                for d in range(rest):
                    found[j, k] += phi[common + c, common + d] * s[by_visit + c, by_visit + d]
    return found


class Evaluation(NamedTuple):
    """The objective and what belongs to it, each with a leading axis replicate.

    Attributes
    ----------
    value
        Minus twice the restricted log-likelihood, without its constant; NaN where V or the design is singular.
    coefficients, phi
        Generalised least squares: estimates and their covariance when V is known.
    slope, expected, observed
        Gradient (direction) and Hessians (direction, direction).
    """

    value: Array
    coefficients: Array
    phi: Array
    slope: Array
    expected: Array
    observed: Array


@compiled
def _expected(weights: Array, cross: Array, by_visit: int, count: Array, phi: Array) -> tuple[Array, Array]:
    """Return tr(P U) (direction) and tr(P U1 P U2) (direction, direction)."""
    visits, size = weights.shape[1], len(phi)
    directions = visits * (visits + 1) // 2
    first, second = np.zeros(directions), np.zeros((directions, directions))
    for g in range(len(weights)):
        if count[g] == 0:
            continue
        spread = _spread(phi, cross[g, visits:, visits:], visits, by_visit)
        spread = _product(_product(weights[g], spread), weights[g])
        _slopes(first, weights[g], float(count[g]))
        _slopes(first, spread, -1.0)
        _pairs(second, weights[g], count[g] * weights[g] - 2.0 * spread)
    moved = _moved(weights, cross, by_visit)
    for d in range(directions):
        moved[d] = _product(moved[d], phi)
        for e in range(d + 1):
            total = 0.0
            for j in range(size):
                for k in range(size):
                    total += moved[d, j, k] * moved[e, k, j]
            second[d, e] += total
            if e < d:
                second[e, d] += total
    return first, second


@compiled
def evaluate(statistics: Statistics, covariance: Array, keep: Array) -> Evaluation:
    """Evaluate the objective at covariance (replicate, visit, visit) with the coefficients kept (replicate, :)."""
    replicates, size = keep.shape
    visits, by_visit = covariance.shape[1], statistics.by_visit
    directions = visits * (visits + 1) // 2
    value, slope = np.full(replicates, np.nan), np.zeros((replicates, directions))
    coefficients, phi = np.zeros((replicates, size)), np.zeros((replicates, size, size))
    expected, observed = np.zeros((replicates, directions, directions)), np.zeros((replicates, directions, directions))
    for r in range(replicates):
        cross, count = statistics.cross[r], statistics.size[r]
        weights, logarithm = _weights(covariance[r], count, statistics.seen[r])
        if not count.any() or np.isnan(logarithm):
            continue
        left, right, square = _equations(weights, cross, by_visit)
        phi[r], design = inverse(left, keep[r])
        if np.isnan(design):
            continue
        coefficients[r] = _times(phi[r], right)
        value[r] = logarithm + design + square
        for k in range(size):
            value[r] -= right[k] * coefficients[r, k]
        rows = _rows(-coefficients[r], visits, by_visit, 1.0)
        gain, curve = _forms(weights, cross, by_visit, rows, phi[r])
        loss, expected[r] = _expected(weights, cross, by_visit, count, phi[r])
        slope[r], observed[r] = loss - gain, 2.0 * curve - expected[r]
    return Evaluation(value, coefficients, phi, slope, expected, observed)


@compiled
def along(statistics: Statistics, covariance: Array, phi: Array, vectors: Array) -> tuple[Array, Array]:
    """Return v'X'W U W X v (replicate, direction) and v'X'W U1 P U2 W X v (replicate, direction, direction).

    The first is minus the change of the variance of a contrast c when v = Phi c; both make its adjusted variance.
    """
    replicates, visits = covariance.shape[:2]
    directions = visits * (visits + 1) // 2
    first, second = np.zeros((replicates, directions)), np.zeros((replicates, directions, directions))
    for r in range(replicates):
        weights, _ = _weights(covariance[r], statistics.size[r], statistics.seen[r])
        rows = _rows(vectors[r], visits, statistics.by_visit, 0.0)
        first[r], second[r] = _forms(weights, statistics.cross[r], statistics.by_visit, rows, phi[r])
    return first, second


@compiled
def steps(hessian: Array, fallback: Array, slope: Array) -> tuple[Array, Array, Array]:
    """Return minus the Newton step (replicate, parameter), its decrement, and whether the Hessian was positive.

    Where it is not, the fallback takes its place; where neither is, the decrement is NaN.
    """
    replicates, size = slope.shape
    step, decrement = np.zeros((replicates, size)), np.full(replicates, np.nan)
    positive = np.zeros(replicates, np.bool_)
    every = np.ones(size, np.bool_)
    for r in range(replicates):
        solved, logarithm = inverse(hessian[r], every)
        positive[r] = not np.isnan(logarithm)
        if not positive[r]:
            solved, logarithm = inverse(fallback[r], every)
        if not np.isnan(logarithm):
            step[r] = _times(solved, slope[r])
            decrement[r] = (step[r] * slope[r]).sum()
    return step, decrement, positive
