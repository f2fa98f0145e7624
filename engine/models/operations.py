"""The white list: everything an expression of a model may do."""

import math
from collections.abc import Mapping
from typing import NamedTuple


class Operation(NamedTuple):
    """A row of the white list: what an operation takes, what it gives, and how it is written."""

    takes: tuple[bool, ...]
    """For each argument, True where a condition is wanted, False where a number is."""
    gives_condition: bool = False
    symbol: str | None = None
    precedence: int = 9


_ONE, _TWO, _CONDITIONS = (False,), (False, False), (True, True)

OPERATIONS: Mapping[str, Operation] = {
    "or": Operation(_CONDITIONS, True, "or", 1),
    "and": Operation(_CONDITIONS, True, "and", 2),
    "not": Operation((True,), True, "not ", 3),
    "lt": Operation(_TWO, True, "<", 4),
    "le": Operation(_TWO, True, "<=", 4),
    "gt": Operation(_TWO, True, ">", 4),
    "ge": Operation(_TWO, True, ">=", 4),
    "eq": Operation(_TWO, True, "==", 4),
    "ne": Operation(_TWO, True, "!=", 4),
    "add": Operation(_TWO, False, "+", 5),
    "sub": Operation(_TWO, False, "-", 5),
    "mul": Operation(_TWO, False, "*", 6),
    "div": Operation(_TWO, False, "/", 6),
    "neg": Operation(_ONE, False, "-", 7),
    "pow": Operation(_TWO, False, "**", 8),
    "where": Operation((True, False, False)),
    "min": Operation(_TWO),
    "max": Operation(_TWO),
    "abs": Operation(_ONE),
    "exp": Operation(_ONE),
    "expm1": Operation(_ONE),
    "log": Operation(_ONE),
    "log1p": Operation(_ONE),
    "log10": Operation(_ONE),
    "sqrt": Operation(_ONE),
    "sin": Operation(_ONE),
    "cos": Operation(_ONE),
    "tan": Operation(_ONE),
    "tanh": Operation(_ONE),
}
"""Everything an expression may do. An :class:`Algebra` gives a meaning to each of these names."""

COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
FUNCTIONS = frozenset(name for name, row in OPERATIONS.items() if row.symbol is None) | {"pow"}
CONSTANTS: Mapping[str, float] = {"pi": math.pi}
