"""Formulas that :mod:`engine.solvers.assembly` compiles: nodes that remember how a number follows from others.

Written with Python's operators and the functions below. Numbers that are known are computed at once; everything else is
kept as it is written, so that rounding is where one sees it.
"""

import math
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

from engine.models.expression import Algebra

_SERIAL = count()
_LARGEST_POWER = 64
"""Whole powers up to here are products."""


class Formula:
    """One operation on other formulas; a number or a row of what a kernel is given has none.

    ``serial`` grows, so that sorting by it puts arguments before what is computed from them.
    """

    __slots__ = ("arguments", "operation", "serial", "value")

    def __init__(self, operation: str, arguments: tuple["Formula", ...] = (), value: Any = None) -> None:
        self.operation, self.arguments, self.value, self.serial = operation, arguments, value, next(_SERIAL)

    def __str__(self) -> str:
        """Number as text; else the operation."""
        return repr(self.value) if self.operation == "number" else f"{self.operation}({len(self.arguments)})"

    def __add__(self, other: "Formula | float") -> "Formula":
        """Sum."""
        return _binary("add", self, other, lambda a, b: a + b)

    def __radd__(self, other: float) -> "Formula":
        """Sum."""
        return number(other) + self

    def __sub__(self, other: "Formula | float") -> "Formula":
        """Difference."""
        return _binary("sub", self, other, lambda a, b: a - b)

    def __rsub__(self, other: float) -> "Formula":
        """Difference."""
        return number(other) - self

    def __mul__(self, other: "Formula | float") -> "Formula":
        """Product."""
        return _binary("mul", self, other, lambda a, b: a * b)

    def __rmul__(self, other: float) -> "Formula":
        """Product."""
        return number(other) * self

    def __truediv__(self, other: "Formula | float") -> "Formula":
        """Quotient."""
        other = _formula(other)
        if self.operation == other.operation == "number" and other.value:
            return number(self.value / other.value)
        return Formula("div", (self, other))

    def __rtruediv__(self, other: float) -> "Formula":
        """Quotient."""
        return number(other) / self

    def __neg__(self) -> "Formula":
        """Opposite."""
        return number(-self.value) if self.operation == "number" else Formula("neg", (self,))

    def __pow__(self, exponent: "Formula | float") -> "Formula":
        """Power; whole ones as products, for a base of either sign."""
        exponent = _formula(exponent)
        if exponent.operation != "number":
            return Formula("pow", (self, exponent))
        if exponent.value == 0.5:
            return sqrt(self)
        if not float(exponent.value).is_integer() or abs(exponent.value) > _LARGEST_POWER:
            return Formula("pow", (self, exponent))
        found = _repeated(self, int(abs(exponent.value)))
        return found if exponent.value >= 0 else 1.0 / found


def number(value: float) -> Formula:
    """A number that is known."""
    return Formula("number", value=float(value))


def _formula(value: "Formula | float") -> Formula:
    return value if isinstance(value, Formula) else number(value)


def _binary(operation: str, a: Formula, b: "Formula | float", known: Callable[[float, float], float]) -> Formula:
    b = _formula(b)
    if a.operation == b.operation == "number":
        return number(known(a.value, b.value))
    if operation == "mul" and (_is_one(a) or _is_one(b)):
        return b if _is_one(a) else a
    return Formula(operation, (a, b))


def _is_one(formula: Formula) -> bool:
    return formula.operation == "number" and formula.value == 1.0


def _repeated(base: Formula, times: int) -> Formula:
    if times == 0:
        return number(1.0)
    if times == 1:
        return base
    half = _repeated(base, times // 2)
    return half * half * base if times % 2 else half * half


def carried(row: int) -> Formula:
    """Row of what is carried from step to step."""
    return Formula("carried", value=row)


def parameter(row: int) -> Formula:
    """Row of parameters."""
    return Formula("parameter", value=row)


def clock() -> Formula:
    """Time asked for."""
    return Formula("clock", value=0)


def total(terms: Sequence[Formula]) -> Formula:
    """Sum; 0 of none."""
    if not terms:
        return number(0.0)
    return Formula("total", tuple(terms)) if len(terms) > 1 else terms[0]


def select(condition: Formula, a: Formula, b: Formula) -> Formula:
    """The first where the condition holds, else the second."""
    return Formula("select", (condition, a, b))


def both(*conditions: Formula) -> Formula:
    """Whether all hold."""
    return Formula("and", conditions)


def _function(operation: str, arguments: int) -> Callable[..., Formula]:
    def apply(*given: Formula | float) -> Formula:
        if len(given) != arguments:
            raise TypeError(f"{operation} takes {arguments} argument(s), got {len(given)}")
        return Formula(operation, tuple(map(_formula, given)))

    return apply


exp: Final = _function("exp", 1)
expm1: Final = _function("expm1", 1)
log: Final = _function("log", 1)
log1p: Final = _function("log1p", 1)
sqrt: Final = _function("sqrt", 1)
sin: Final = _function("sin", 1)
cos: Final = _function("cos", 1)
tanh: Final = _function("tanh", 1)
absolute: Final = _function("abs", 1)
lt: Final = _function("lt", 2)
le: Final = _function("le", 2)
gt: Final = _function("gt", 2)
ge: Final = _function("ge", 2)


def smaller(a: Formula, b: Formula) -> Formula:
    """The smaller of two; the second where the first is no number."""
    return select(lt(a, b), a, b)


def larger(a: Formula, b: Formula) -> Formula:
    """The larger of two; the second where the first is no number."""
    return select(gt(a, b), a, b)


FORMULAS: Final = Algebra(
    "formulas", number,
    {
        "or": lambda a, b: Formula("or", (a, b)), "and": both, "not": lambda a: Formula("not", (a,)),
        "lt": lt, "le": le, "gt": gt, "ge": ge, "eq": _function("eq", 2), "ne": _function("ne", 2),
        "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
        "neg": lambda a: -a, "pow": lambda a, b: a**b, "where": select, "min": smaller, "max": larger,
        "abs": absolute, "exp": exp, "expm1": expm1, "log": log, "log1p": log1p,
        "log10": lambda a: log(a) * (1 / math.log(10)), "sqrt": sqrt, "sin": sin, "cos": cos,
        "tan": lambda a: sin(a) / cos(a), "tanh": tanh,
    },
)  # fmt: skip
"""Values are formulas."""
