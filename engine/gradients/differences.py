r"""Divided differences of the exponential: what the solutions of linear equations are made of, safe at equal rates.

The response of a chain with rate constants :math:`\lambda_0 \dots \lambda_m` is a multiple of the divided difference
:math:`\exp[\lambda_0 t, \dots, \lambda_m t]`. Its textbook form divides by differences of rates and loses all digits
when two of them meet (absorption as fast as elimination); here close points are a power series about their mean
(McCurdy, Ng, Parlett, Math. Comp. 1984;43:501, doi:10.1090/S0025-5718-1984-0758198-0). Its derivative is the divided
difference with a point repeated, so gradients are as safe and need no other formula.

In PyTensor it is one scalar operation. As a graph of elementary ones a two-compartment model took minutes to compile.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numba
import numpy as np
from pytensor.link.numba.cache import compile_numba_function_src
from pytensor.link.numba.dispatch import basic as dispatch
from pytensor.scalar.basic import ScalarOp, upgrade_to_float
from pytensor.tensor import elemwise

# With a spread of at most 1 the terms left out are below 1e-16, and dividing by more than 1 costs few digits.
_SPREAD = 1.0
_TERMS = 18


def _compiled[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Compile with numba on first use, without fast-math, which would rearrange the sums."""
    return cast("Callable[P, R]", numba.njit(function))


@_compiled
def exponential_difference(*points: float) -> float:
    """Divided difference of exp at one or more points, in any order and possibly equal.

    Relative error 1e-15 at two points, 1e-14 at six, 1e-12 at eight. Large negative points are fine; the exponential of
    the largest must not overflow.
    """
    n = len(points)
    x = np.empty(n)
    for i in range(n):
        # Insertion into descending order.
        k = i
        while k > 0 and x[k - 1] < points[i]:
            x[k] = x[k - 1]
            k -= 1
        x[k] = points[i]
    highest = x[0]
    x -= highest
    table = np.exp(x)
    for order in range(1, n):
        for first in range(n - order):
            spread = x[first] - x[first + order]
            if spread > _SPREAD:
                table[first] = (table[first] - table[first + 1]) / spread
            else:
                table[first] = _close_difference(x[first : first + order + 1])
    return math.exp(highest) * float(table[0])


@_compiled
def _close_difference(x: np.ndarray) -> float:
    r"""Divided difference of exp at points no further apart than 1, by complete homogeneous polynomials.

    With :math:`y_i = x_i - \bar x` it is :math:`e^{\bar x} \sum_k h_k(y) / (m + k)!`.
    """
    mean = x.mean()
    polynomials = np.zeros(_TERMS)
    polynomials[0] = 1.0
    for point in x:
        for k in range(1, _TERMS):
            polynomials[k] += (point - mean) * polynomials[k - 1]
    weight = 1.0
    for k in range(2, len(x)):
        weight /= k
    total = 0.0
    for k in range(_TERMS):
        total += weight * polynomials[k]
        weight /= len(x) + k
    return math.exp(mean) * total


class ExponentialDifference(ScalarOp):
    """The divided difference of exp as an operation on any number of scalars."""

    def impl(self, *points: float) -> float:
        """Compute it outside compiled graphs."""
        return float(exponential_difference(*(float(point) for point in points)))

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], gradients: Sequence[Any]) -> list[Any]:  # noqa: ARG002
        """Differentiate with respect to each point: the difference with that point repeated."""
        return [gradients[0] * self(*inputs, point) for point in inputs]

    def c_code(self, *_: Any) -> str:
        """Refuse C; that linker calls :meth:`impl` instead."""
        raise NotImplementedError("the divided difference of exp is compiled by numba only")


def _compile(op: ExponentialDifference, node: Any, **_: Any) -> tuple[Callable[..., float], str]:  # noqa: ARG001
    """Compile for PyTensor's numba linker, which calls a function of a fixed number of scalars.

    Its cache on disk is keyed by that number and by this file's content, so that no edit goes stale.
    """
    points = ", ".join(f"x{i}" for i in range(len(node.inputs)))
    source = f"def difference({points}):\n    return exponential_difference({points})"
    key = hashlib.sha256(Path(__file__).read_bytes() + source.encode()).hexdigest()
    scope = {"exponential_difference": exponential_difference}
    function = compile_numba_function_src(source, "difference", scope, cache_key=key)
    return dispatch.numba_njit(function, fastmath=False), key


_register: Any = dispatch.register_funcify_and_cache_key
_register(ExponentialDifference)(_compile)
_operation: Any = ExponentialDifference
_elementwise: Any = elemwise.Elemwise


def divided_difference(points: Sequence[Any]) -> Any:
    """Divided difference of exp over tensors that broadcast, symmetric in them."""
    return _elementwise(_operation(upgrade_to_float, name="exponential_difference"))(*points)
