"""Expressions over sympy, for reading and for checking by algebra."""

from collections.abc import Callable
from typing import Any

import sympy as sp

from engine.models.expression import Algebra


def _number(value: float) -> Any:
    return sp.Integer(int(value)) if value.is_integer() else sp.Float(value)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "or": sp.Or, "and": sp.And, "not": sp.Not,
    "lt": sp.Lt, "le": sp.Le, "gt": sp.Gt, "ge": sp.Ge, "eq": sp.Eq, "ne": sp.Ne,
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "neg": lambda a: -a, "pow": lambda a, b: a**b, "where": lambda c, a, b: sp.Piecewise((a, c), (b, True)),
    "min": sp.Min, "max": sp.Max, "abs": sp.Abs, "exp": sp.exp, "expm1": lambda a: sp.exp(a) - 1,
    "log": sp.log, "log1p": lambda a: sp.log(1 + a), "log10": lambda a: sp.log(a, 10), "sqrt": sp.sqrt,
    "sin": sp.sin, "cos": sp.cos, "tan": sp.tan, "tanh": sp.tanh,
}  # fmt: skip

SYMBOLS = Algebra("symbols", _number, _OPERATIONS)
"""Values are sympy expressions; names are best real symbols, ``sympy.Symbol(name, real=True)``."""
