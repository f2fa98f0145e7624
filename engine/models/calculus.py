"""Derivatives and simplification of expressions, staying within the white list of operations."""

import math
from collections.abc import Callable, Mapping

from engine.errors import ModelError
from engine.models.expression import Apply, Expression, Name, Number

ZERO, ONE = Number(0.0), Number(1.0)


def add(a: Expression, b: Expression) -> Expression:
    """Sum, without zeros."""
    if a == ZERO or b == ZERO:
        return b if a == ZERO else a
    if isinstance(a, Number) and isinstance(b, Number):
        return Number(a.value + b.value)
    opposite = _negated(b)
    return Apply("add", (a, b)) if opposite is None else Apply("sub", (a, opposite))


def subtract(a: Expression, b: Expression) -> Expression:
    """Difference, without zeros."""
    if a == b:
        return ZERO
    if a == ZERO or b == ZERO:
        return negate(b) if a == ZERO else a
    if isinstance(a, Number) and isinstance(b, Number):
        return Number(a.value - b.value)
    opposite = _negated(b)
    return Apply("sub", (a, b)) if opposite is None else Apply("add", (a, opposite))


def negate(a: Expression) -> Expression:
    """Opposite, without double signs."""
    if isinstance(a, Number):
        return Number(-a.value) if a.value else ZERO
    return _negated(a) or Apply("neg", (a,))


def multiply(a: Expression, b: Expression) -> Expression:
    """Product, without zeros and ones, its sign in front."""
    if ZERO in (a, b):
        return ZERO
    if ONE in (a, b):
        return b if a == ONE else a
    if isinstance(a, Number) and isinstance(b, Number):
        return Number(a.value * b.value)
    if (opposite := _negated(a)) is not None:
        return negate(multiply(opposite, b))
    if (opposite := _negated(b)) is not None:
        return negate(multiply(a, opposite))
    if isinstance(b, Apply) and b.operation == "div" and b.arguments[0] == ONE:
        return divide(a, b.arguments[1])
    return Apply("mul", (a, b))


def divide(a: Expression, b: Expression) -> Expression:
    """Quotient, without ones; 0 over anything is 0."""
    if a == ZERO or b == ONE:
        return a
    opposite = _negated(a)
    return Apply("div", (a, b)) if opposite is None else negate(divide(opposite, b))


def power(a: Expression, b: Expression) -> Expression:
    """Power, without exponents 0 and 1."""
    if b == ZERO:
        return ONE
    return a if b == ONE else Apply("pow", (a, b))


def choose(condition: Expression, a: Expression, b: Expression) -> Expression:
    """``where``, unless both choices are one."""
    return a if a == b else Apply("where", (condition, a, b))


_MAKE: Mapping[str, Callable[..., Expression]] = {
    "add": add, "sub": subtract, "neg": negate, "mul": multiply, "div": divide, "pow": power, "where": choose,
}  # fmt: skip


def simplify(expression: Expression) -> Expression:
    """Drop terms and factors that are 0 or 1; nothing that changes a value where it is finite."""
    if not isinstance(expression, Apply):
        return expression
    arguments = tuple(simplify(argument) for argument in expression.arguments)
    make = _MAKE.get(expression.operation)
    return make(*arguments) if make else Apply(expression.operation, arguments)


def differentiate(expression: Expression, name: str) -> Expression:
    """Partial derivative with respect to ``name``; at a switch, that of the side the switch is on."""
    if name not in expression.names:
        return ZERO
    match expression:
        case Name():
            return ONE
        case Apply("where", (condition, a, b)):
            return choose(condition, differentiate(a, name), differentiate(b, name))
        case Apply(operation, arguments):
            slopes = tuple(differentiate(argument, name) for argument in arguments)
            return _RULES[operation](*arguments, *slopes)
    raise ModelError(f"{expression} has no derivative")


def _negated(expression: Expression) -> Expression | None:
    """Get what a minus sign stands before, None when there is none."""
    return expression.arguments[0] if isinstance(expression, Apply) and expression.operation == "neg" else None


def _square(a: Expression) -> Expression:
    return power(a, Number(2.0))


def _divided(a: Expression, b: Expression, da: Expression, db: Expression) -> Expression:
    if db == ZERO:
        return divide(da, b)
    return divide(subtract(multiply(da, b), multiply(a, db)), _square(b))


_TINY = Number(1e-300)
"""Added to what may be 0 before dividing by it; a number that means anything does not change."""


def _raised(a: Expression, b: Expression, da: Expression, db: Expression) -> Expression:
    """Derivative of a**b. Where a is 0 it is what it tends to when a and da go to 0 together: 0, not inf x 0.

    No comparison does this, which solvers would take for a switch of the equations.
    """
    steep = not isinstance(b, Number) or 0 < b.value < 1
    slope = divide(power(a, b), add(a, _TINY)) if steep else power(a, subtract(b, ONE))
    by_base = multiply(multiply(b, slope), da)
    if db == ZERO or isinstance(a, Number):
        return add(by_base, ZERO if db == ZERO else multiply(multiply(power(a, b), Apply("log", (a,))), db))
    log = multiply(Number(0.5), Apply("log", (add(_square(a), _TINY),)))
    return add(by_base, multiply(multiply(power(a, b), log), db))


def _less(a: Expression, b: Expression) -> Expression:
    return Apply("lt", (a, b))


_RULES: Mapping[str, Callable[..., Expression]] = {
    "add": lambda _a, _b, da, db: add(da, db),
    "sub": lambda _a, _b, da, db: subtract(da, db),
    "mul": lambda a, b, da, db: add(multiply(da, b), multiply(a, db)),
    "div": _divided,
    "neg": lambda _, da: negate(da),
    "pow": _raised,
    "min": lambda a, b, da, db: choose(_less(a, b), da, db),
    "max": lambda a, b, da, db: choose(_less(b, a), da, db),
    "abs": lambda a, da: choose(_less(a, ZERO), negate(da), da),
    "exp": lambda a, da: multiply(Apply("exp", (a,)), da),
    "expm1": lambda a, da: multiply(Apply("exp", (a,)), da),
    "log": lambda a, da: divide(da, a),
    "log1p": lambda a, da: divide(da, add(ONE, a)),
    "log10": lambda a, da: divide(da, multiply(a, Number(math.log(10.0)))),
    "sqrt": lambda a, da: divide(da, multiply(Number(2.0), Apply("sqrt", (a,)))),
    "sin": lambda a, da: multiply(Apply("cos", (a,)), da),
    "cos": lambda a, da: negate(multiply(Apply("sin", (a,)), da)),
    "tan": lambda a, da: multiply(add(ONE, _square(Apply("tan", (a,)))), da),
    "tanh": lambda a, da: multiply(subtract(ONE, _square(Apply("tanh", (a,)))), da),
}
