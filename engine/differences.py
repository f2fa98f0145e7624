r"""Divided differences of the exponential as PyTensor graphs: what linear equations are made of, safe at equal rates.

The response of a chain with rate constants :math:`\lambda_0 \dots \lambda_m` is a multiple of the divided difference
:math:`\exp[\lambda_0 t, \dots, \lambda_m t]`. Its textbook form divides by differences of rates and loses all digits
when two of them meet (absorption as fast as elimination); here a difference that is small is a power series about the
mean, whose gradient is exact (McCurdy, Ng, Parlett, Math. Comp. 1984;43:501, doi:10.1090/S0025-5718-1984-0758198-0).
"""

import math
from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt

# With a spread of at most 0.3 the terms left out are below 1e-16, and dividing by more than 0.3 costs about one digit.
_SPREAD = 0.3
_TERMS = 11


def divided_difference(points: Sequence[Any]) -> Any:
    """Divided difference of exp over one to four or more tensors, symmetric in them; relative error about 1e-14.

    Parameters
    ----------
    points
        Tensors that broadcast, none so large that its exponential overflows; large negative ones are fine.
    """
    ordered = _descending(list(points))
    row = [pt.exp(point) for point in ordered]
    for order in range(1, len(ordered)):
        row = [
            _difference(ordered[first : first + order + 1], row[first], row[first + 1])
            for first in range(len(ordered) - order)
        ]
    return row[0]


def _difference(points: list[Any], left: Any, right: Any) -> Any:
    """Difference over ordered points from those without the last (left) and without the first (right)."""
    spread = points[0] - points[-1]
    apart = pt.gt(spread, _SPREAD)
    # The branch not taken must stay finite, or its zero share of the gradient would be 0 * inf.
    quotient = (left - right) / pt.switch(apart, spread, 1.0)
    return pt.switch(apart, quotient, _series(points))


def _series(points: list[Any]) -> Any:
    order = len(points) - 1
    mean = sum(points[1:], start=points[0]) / len(points)
    if order == 1:
        square = ((points[0] - points[1]) / 2) ** 2
        return pt.exp(mean) * _horner(square, [1 / math.factorial(2 * k + 1) for k in range(_TERMS // 2)])
    homogeneous: list[Any] = [1.0] + [0.0] * (_TERMS - 1)
    for point in points:
        for k in range(1, _TERMS):
            homogeneous[k] = homogeneous[k] + (point - mean) * homogeneous[k - 1]
    return pt.exp(mean) * sum(h / math.factorial(order + k) for k, h in enumerate(homogeneous))


def _horner(x: Any, coefficients: Sequence[float]) -> Any:
    result: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = coefficient + x * result
    return result


def _descending(points: list[Any]) -> list[Any]:
    """Sort by exchanging neighbours; both halves of an exchange follow one test, so that gradients agree at ties."""
    for last in range(len(points) - 1, 0, -1):
        for i in range(last):
            a, b = points[i], points[i + 1]
            swap = pt.lt(a, b)
            points[i], points[i + 1] = pt.switch(swap, b, a), pt.switch(swap, a, b)
    return points
