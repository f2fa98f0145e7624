"""Expressions over PyTensor variables, so that the equations that are simulated are the ones that are fitted."""

from collections.abc import Callable
from typing import Any

import pytensor.tensor as pt

from engine.models.expression import Algebra

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "or": pt.or_, "and": pt.and_, "not": pt.invert,
    "lt": pt.lt, "le": pt.le, "gt": pt.gt, "ge": pt.ge, "eq": pt.eq, "ne": pt.neq,
    "add": pt.add, "sub": pt.sub, "mul": pt.mul, "div": pt.true_div, "neg": pt.neg, "pow": pt.pow,
    "where": pt.switch, "min": pt.minimum, "max": pt.maximum, "abs": pt.abs, "exp": pt.exp, "expm1": pt.expm1,
    "log": pt.log, "log1p": pt.log1p, "log10": pt.log10, "sqrt": pt.sqrt,
    "sin": pt.sin, "cos": pt.cos, "tan": pt.tan, "tanh": pt.tanh,
}  # fmt: skip

TENSORS = Algebra("tensors", float, _OPERATIONS)
"""Values are PyTensor variables or numbers; conditions are boolean variables."""
