"""What kind of equations a model has, found from its text: Jacobian, linearity, switches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.models.calculus import ZERO, differentiate, simplify
from engine.models.expression import Algebra, Apply, Expression, evaluate, substitute, walk
from engine.models.operations import COMPARISONS
from engine.models.specification import Model

type Matrix = tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class Linear:
    """Equations of the form dx/dt = A(p) x + b(p), with A and b of parameters only.

    ``matrix[i][j]`` is the rate at which state ``j`` feeds state ``i``, ``forcing[i]`` the constant input into ``i``.
    """

    states: tuple[str, ...]
    matrix: Matrix
    forcing: tuple[Expression, ...]

    @property
    def parameters(self) -> frozenset[str]:
        """Parameters the matrix and the forcing depend on."""
        entries = [entry for row in (*self.matrix, self.forcing) for entry in row]
        return frozenset().union(*(entry.names for entry in entries))

    def evaluate(self, algebra: Algebra, parameters: Mapping[str, Any]) -> tuple[list[list[Any]], list[Any]]:
        """Entries of A and b as the algebra's values; an entry that is always 0 is ``algebra.number(0.0)``."""
        matrix = [[evaluate(entry, parameters, algebra) for entry in row] for row in self.matrix]
        return matrix, [evaluate(entry, parameters, algebra) for entry in self.forcing]


@lru_cache(maxsize=64)
def rates(model: Model) -> tuple[Expression, ...]:
    """Write each state's derivative without let entries: it names parameters, states and ``t`` only."""
    let: dict[str, Expression] = {}
    for name, expression in model.let:
        let[name] = substitute(expression, let)
    return tuple(substitute(expression, let) for _, expression in model.derivatives)


@lru_cache(maxsize=64)
def jacobian(model: Model) -> Matrix:
    """Partial derivatives of the rates: entry ``[i][j]`` is of state ``i``'s rate with respect to state ``j``."""
    return tuple(tuple(differentiate(rate, name) for name in model.state_names) for rate in rates(model))


@lru_cache(maxsize=64)
def linear(model: Model) -> Linear | None:
    """Matrix and forcing when the model is linear with coefficients constant in time, else None."""
    varying = {*model.state_names, "t"}
    if any(_depends_on(comparison, varying) for rate in rates(model) for comparison in _comparisons(rate)):
        return None
    matrix = jacobian(model)
    if any(entry.names & varying for row in matrix for entry in row):
        return None
    rest: dict[str, Expression] = dict.fromkeys(model.state_names, ZERO)
    forcing = tuple(simplify(substitute(rate, rest)) for rate in rates(model))
    if any(entry.names & varying for entry in forcing):
        return None
    return Linear(model.state_names, matrix, forcing)


@lru_cache(maxsize=64)
def linear_part(model: Model) -> Linear | None:
    """Equations of the states that are linear with constant coefficients among themselves and fed by no other.

    They can be carried forward in closed form whatever the rest of the model does. None when there are none.
    """
    varying, matrix = {*model.state_names, "t"}, jacobian(model)
    rest: dict[str, Expression] = dict.fromkeys(model.state_names, ZERO)
    forcing = [simplify(substitute(rate, rest)) for rate in rates(model)]
    chosen = [
        n for n, rate in enumerate(rates(model))
        if not any(_depends_on(entry, varying) for entry in (*matrix[n], forcing[n], *_comparisons(rate)))
    ]  # fmt: skip
    while fed := [n for n in chosen if any(matrix[n][k] != ZERO for k in set(range(len(matrix))) - set(chosen))]:
        chosen = [n for n in chosen if n not in fed]
    if not chosen:
        return None
    names = tuple(model.state_names[n] for n in chosen)
    return Linear(names, tuple(tuple(matrix[n][k] for k in chosen) for n in chosen), tuple(forcing[n] for n in chosen))


@lru_cache(maxsize=64)
def switches(model: Model) -> tuple[Expression, ...]:
    """Comparisons in the rates whose outcome may change during a simulation: where the equations are not smooth.

    ``min(a, b)`` and ``max(a, b)`` switch where ``a < b`` changes, ``abs(a)`` where ``a < 0`` does.
    """
    varying = {*model.state_names, "t"}
    found = [comparison for rate in rates(model) for comparison in _comparisons(rate)]
    return tuple(dict.fromkeys(comparison for comparison in found if _depends_on(comparison, varying)))


def _comparisons(expression: Expression) -> Iterator[Expression]:
    for node in walk(expression):
        match node:
            case Apply(operation, _) if operation in COMPARISONS:
                yield node
            case Apply("min" | "max", arguments):
                yield Apply("lt", arguments)
            case Apply("abs", (argument,)):
                yield Apply("lt", (argument, ZERO))


def _depends_on(expression: Expression, varying: set[str]) -> bool:
    return bool(expression.names & varying)
