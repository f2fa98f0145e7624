"""Expressions over numpy arrays and floats.

Both branches of ``where`` are computed, and a subject may run out of range: a value that is not finite is the
solver's business (it becomes that subject's Status), so no warning is given here.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

import numpy as np

from engine.models.expression import Algebra


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def quiet(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return quiet


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "or": np.logical_or, "and": np.logical_and, "not": np.logical_not,
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "neg": np.negative, "pow": np.power,
    "where": np.where, "min": np.minimum, "max": np.maximum, "abs": np.abs, "exp": np.exp, "expm1": np.expm1,
    "log": np.log, "log1p": np.log1p, "log10": np.log10, "sqrt": np.sqrt,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
}  # fmt: skip


def _silence() -> AbstractContextManager[Any]:
    return np.errstate(all="ignore")


ARRAYS = Algebra(
    "arrays", float, {name: _quiet(function) for name, function in _OPERATIONS.items()}, _OPERATIONS, _silence
)
"""Values are floats or float arrays that broadcast; conditions are booleans."""
