"""Solving a sparse system of expressions by factors written out over its nonzeros.

No rows are exchanged: the matrix is I / (gamma h) - J, whose diagonal grows as the step shrinks. A pivot near 0 gives a
step of large error, which is refused and tried again shorter, so that the factors stay sound where they count.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

type Entries = Mapping[tuple[int, int], Any]


class Factors(NamedTuple):
    """Order of elimination, inverse pivots, multipliers below and entries above the diagonal, by row and column."""

    order: tuple[int, ...]
    inverse: dict[int, Any]
    below: dict[tuple[int, int], Any]
    above: dict[tuple[int, int], Any]

    def solve(self, right: Sequence[Any]) -> list[Any]:
        """Solution for one right-hand side."""
        value = list(right)
        for place, pivot in enumerate(self.order):
            for row in self.order[place + 1 :]:
                if (row, pivot) in self.below:
                    value[row] = value[row] - self.below[row, pivot] * value[pivot]
        for place in range(len(self.order) - 1, -1, -1):
            pivot = self.order[place]
            for column in self.order[place + 1 :]:
                if (pivot, column) in self.above:
                    value[pivot] = value[pivot] - self.above[pivot, column] * value[column]
            value[pivot] = value[pivot] * self.inverse[pivot]
        return value


def factorise(entries: Entries, size: int) -> Factors:
    """Factors of a matrix with a full diagonal, in an order that fills in little (Markowitz 1957)."""
    left = dict(entries)
    remaining, order = set(range(size)), list[int]()
    inverse: dict[int, Any] = {}
    below: dict[tuple[int, int], Any] = {}
    above: dict[tuple[int, int], Any] = {}
    while remaining:
        pivot = min(remaining, key=lambda n: (_fill(left, n, remaining), n))
        remaining.discard(pivot)
        order.append(pivot)
        inverse[pivot] = 1.0 / left[pivot, pivot]
        columns = [n for n in sorted(remaining) if (pivot, n) in left]
        for column in columns:
            above[pivot, column] = left[pivot, column]
        for row in sorted(remaining):
            if (row, pivot) not in left:
                continue
            factor = left[row, pivot] * inverse[pivot]
            below[row, pivot] = factor
            for column in columns:
                change = factor * left[pivot, column]
                left[row, column] = left[row, column] - change if (row, column) in left else -change
    return Factors(tuple(order), inverse, below, above)


def _fill(entries: Entries, pivot: int, remaining: set[int]) -> int:
    rows = sum((n, pivot) in entries for n in remaining if n != pivot)
    columns = sum((pivot, n) in entries for n in remaining if n != pivot)
    return rows * columns
