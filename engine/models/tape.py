"""Several expressions as one list of operations, each of which is done once however often it is used."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from engine.models.expression import Algebra, Apply, Expression, Name, Number

type Let = tuple[tuple[str, Expression], ...]


class Step(NamedTuple):
    """One operation: where its result is put, which it is, where its arguments are."""

    place: int
    operation: str
    arguments: tuple[int, ...]


class Tape(NamedTuple):
    """Numbers and names with their places, the operations in order, and the places of the values of the expressions."""

    size: int
    numbers: tuple[tuple[int, float], ...]
    names: tuple[tuple[int, str], ...]
    steps: tuple[Step, ...]
    results: tuple[int, ...]

    def play(self, names: Mapping[str, Any], algebra: Algebra) -> list[Any]:
        """Value of each expression when its names have the given values."""
        values: list[Any] = [None] * self.size
        for place, number in self.numbers:
            values[place] = algebra.number(number)
        for place, name in self.names:
            values[place] = names[name]
        operations = algebra.bare
        with algebra.silence():
            for place, operation, arguments in self.steps:
                values[place] = operations[operation](*[values[one] for one in arguments])
        return [values[place] for place in self.results]


@lru_cache(maxsize=512)
def tape(expressions: tuple[Expression, ...], let: Let = ()) -> Tape:
    """Write expressions, which may use the names of ``let`` and those the names of earlier ones, as one list."""
    writer = _Writer()
    for name, expression in let:
        writer.known[Name(name)] = writer.place(expression)
    results = tuple(writer.place(one) for one in expressions)
    return Tape(writer.size, tuple(writer.numbers), tuple(writer.names), tuple(writer.steps), results)


class _Writer:
    def __init__(self) -> None:
        self.size = 0
        self.numbers: list[tuple[int, float]] = []
        self.names: list[tuple[int, str]] = []
        self.steps: list[Step] = []
        self.known: dict[Expression, int] = {}

    def place(self, expression: Expression) -> int:
        """Place of the value of an expression; what it needs is written before."""
        if expression in self.known:
            return self.known[expression]
        match expression:
            case Number(value):
                found = self._next()
                self.numbers.append((found, value))
            case Name(name):
                found = self._next()
                self.names.append((found, name))
            case Apply(operation, arguments):
                places = tuple(self.place(one) for one in arguments)
                found = self._next()
                self.steps.append(Step(found, operation, places))
            case _:
                raise TypeError(f"not an expression: {expression!r}")
        self.known[expression] = found
        return found

    def _next(self) -> int:
        self.size += 1
        return self.size - 1
