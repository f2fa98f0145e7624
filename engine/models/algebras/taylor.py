"""Expressions over heyoka's symbolic expressions, which it compiles and differentiates automatically.

Time is ``heyoka.time``; a parameter is ``heyoka.par[i]`` or any heyoka expression the caller chooses.
"""

import math
from collections.abc import Callable
from typing import Any

import heyoka as hy

from engine.models.expression import Algebra


def _min(a: Any, b: Any) -> Any:
    return hy.select(hy.lt(a, b), a, b)


def _max(a: Any, b: Any) -> Any:
    return hy.select(hy.gt(a, b), a, b)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    # A condition is a heyoka expression of value 1 or 0.
    "or": lambda a, b: hy.logical_or([a, b]),
    "and": lambda a, b: hy.logical_and([a, b]),
    "not": lambda a: hy.select(a, hy.expression(0.0), hy.expression(1.0)),
    "lt": hy.lt, "le": hy.lte, "gt": hy.gt, "ge": hy.gte, "eq": hy.eq, "ne": hy.neq,
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "neg": lambda a: -a, "pow": lambda a, b: a**b, "where": hy.select, "min": _min, "max": _max,
    "abs": lambda a: hy.select(hy.lt(a, hy.expression(0.0)), -a, a),
    "exp": hy.exp, "expm1": hy.expm1, "log": hy.log, "log1p": hy.log1p,
    "log10": lambda a: hy.log(a) * hy.expression(1 / math.log(10)),
    "sqrt": hy.sqrt, "sin": hy.sin, "cos": hy.cos, "tan": hy.tan, "tanh": hy.tanh,
}  # fmt: skip

TAYLOR = Algebra("taylor", hy.expression, _OPERATIONS)
"""Values are heyoka expressions."""
