"""Expressions in the notation of another program: a table of its words, and names it can take."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from engine.models.expression import Apply, Expression, Name, Number
from engine.models.operations import OPERATIONS


@dataclass(frozen=True, slots=True)
class Notation:
    """How another program writes operations.

    ``forms`` has a template for an operation that is written as a function, ``symbols`` for one that stands between
    its operands; ``number`` writes a literal.
    """

    forms: Mapping[str, str]
    symbols: Mapping[str, str]
    number: Callable[[float], str]


def write(expression: Expression, notation: Notation, names: Mapping[str, str]) -> str:
    """Text of an expression; names not in ``names`` stay as they are."""
    match expression:
        case Number(value):
            return notation.number(value)
        case Name(name):
            return names.get(name, name)
        case Apply(operation, arguments) if operation in notation.forms:
            return notation.forms[operation].format(*(write(argument, notation, names) for argument in arguments))
        case Apply("neg", (argument,)):
            return f"-{_operand(argument, notation, names, OPERATIONS['neg'].precedence)}"
        case Apply(operation, (left, right)):
            strength = OPERATIONS[operation].precedence
            first = _operand(left, notation, names, strength)
            second = _operand(right, notation, names, strength + 1, first=False)
            return f"{first} {notation.symbols[operation]} {second}"
    raise TypeError(f"not an expression: {expression!r}")


def rename(names: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """Give each name that is ``taken`` (compared without case) another, with underscores behind it."""
    used = {name.lower() for name in taken}
    wanted = list(names)
    free = {name for name in wanted if name.lower() not in used}
    result = {}
    for name in wanted:
        other = name
        while other.lower() in used or (other != name and other in free):
            other += "_"
        result[name] = other
    return result


def _operand(
    expression: Expression, notation: Notation, names: Mapping[str, str], strength: int, *, first: bool = True
) -> str:
    """Text of an operand, in brackets where it binds more loosely, or has a sign and does not come first."""
    text = write(expression, notation, names)
    match expression:
        case Apply(operation, _) if operation not in notation.forms:
            loose = OPERATIONS[operation].precedence < strength or (operation == "neg" and not first)
        case Number(value):
            loose = math.copysign(1.0, value) < 0 and not first
        case _:
            loose = False
    return f"({text})" if loose else text
