"""Matrix exponentials of many small matrices at once, entry by entry.

exp(A h) by scaling and squaring of a Taylor series, on arrays that hold one entry for many subjects and steps. A matrix
whose off-diagonal is nowhere negative (every compartmental model) is shifted by its most negative diagonal entry first,
so that every number in the series is nonnegative: no cancellation, each entry has full relative accuracy, and equal
or nearly equal rates need no care. Entries that are zero for structural reasons are never computed.
See Higham, Functions of Matrices, SIAM 2008, doi:10.1137/1.9780898717778, section 10.3; the shift is
uniformisation, Jensen 1953, doi:10.1080/03461238.1953.10419459.

Every operation is elementwise, so a subject's result does not depend on its neighbours.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Entries = dict[tuple[int, int], Floats]
"""Entries of a matrix that are not zero for every subject, by row and column; any shapes that broadcast."""

_RADIUS = 0.5
_DOUBLINGS = 60


def exponential(matrix: Mapping[tuple[int, int], Floats], size: int, step: Floats, *, inputs: int = 0) -> Entries:
    """Entries of exp(matrix x step); entry ``(i, j)`` is how much of state ``j`` is in state ``i`` a step later.

    Parameters
    ----------
    matrix
        Entries of the matrix; those that are absent are 0.
    size
        Rows of the matrix.
    step
        Length of time, 0 or more; broadcasts with the entries.
    inputs
        How many of the last rows are constant inputs: empty rows, whose columns feed the states. The number of terms
        and of squarings does not depend on them, so that the entries between states do not either.

    Returns
    -------
    dict
        The entries that can differ from 0, all of the shape to which the inputs broadcast; NaN where the matrix times
        the step is too large to compute with (about 1e18) or not finite.
    """
    shape = np.broadcast_shapes(np.shape(step), *(np.shape(entry) for entry in matrix.values()))
    states = size - inputs
    between = {place: entry for place, entry in matrix.items() if max(place) < states}
    shift = _shift(between, states)
    norm = np.maximum(_norm(between, states, shift), shift) * step
    usable = norm < _RADIUS * 2.0**_DOUBLINGS
    doublings = np.broadcast_to(np.where(usable, np.maximum(np.frexp(norm / _RADIUS)[1], 0), 0), shape)
    small = np.ldexp(np.broadcast_to(step, shape), -doublings)
    scaled = {place: entry * small for place, entry in matrix.items()}
    for n in range(size):
        scaled[n, n] = scaled.get((n, n), 0.0) + shift * small
    result = _series(scaled, size, terms=14 + states)
    decay = np.where(usable, np.exp(-shift * small), np.nan)
    result = {place: entry * decay for place, entry in result.items()}
    for n in range(size - inputs, size):
        result[n, n] = np.ones(shape)
    for n in range(int(np.max(doublings, initial=0))):
        squared = multiply(result, result)
        again = doublings > n
        for place, entry in result.items():
            np.copyto(entry, squared[place], where=again)
    return result


def multiply(a: Mapping[tuple[int, int], Floats], b: Mapping[tuple[int, int], Floats]) -> Entries:
    """Entries of the product of two matrices."""
    columns: dict[int, list[tuple[int, Floats]]] = {}
    for (row, column), entry in sorted(b.items()):
        columns.setdefault(row, []).append((column, entry))
    product: Entries = {}
    for (row, middle), entry in sorted(a.items()):
        for column, other in columns.get(middle, ()):
            term = entry * other
            product[row, column] = np.add(product[row, column], term, out=term) if (row, column) in product else term
    return product


def _series(scaled: Entries, size: int, terms: int) -> Entries:
    """Taylor series of the exponential of a matrix of norm at most 1/2, by Horner's rule.

    14 terms more than there are states leave less than 1e-18 of an entry, also of one that first appears in the last of
    the terms that states need to reach each other.
    """
    one = np.ones_like(next(iter(scaled.values())))
    result: Entries = {(n, n): one.copy() for n in range(size)}
    for term in range(terms, 0, -1):
        result = multiply(scaled, result)
        for entry in result.values():
            entry *= 1.0 / term
        for n in range(size):
            result[n, n] = result[n, n] + one
    return result


def _shift(matrix: Mapping[tuple[int, int], Floats], size: int) -> Floats:
    """Most negative diagonal entry, sign changed; 0 where an off-diagonal entry is negative."""
    diagonal = [np.negative(matrix[n, n]) for n in range(size) if (n, n) in matrix]
    lowest: Floats = np.zeros(1)
    for entry in diagonal:
        lowest = np.maximum(lowest, entry)
    for (row, column), entry in matrix.items():
        if row != column:
            lowest = np.where(entry >= 0, lowest, 0.0)
    return lowest


def _norm(matrix: Mapping[tuple[int, int], Floats], size: int, shift: Floats) -> Floats:
    """Largest row sum of the shifted matrix."""
    rows: list[Floats] = [np.abs(matrix.get((n, n), np.zeros(1)) + shift) for n in range(size)]
    for (row, column), entry in matrix.items():
        if row != column:
            rows[row] = rows[row] + np.abs(entry)
    norm = rows[0]
    for other in rows[1:]:
        norm = np.maximum(norm, other)
    return norm
