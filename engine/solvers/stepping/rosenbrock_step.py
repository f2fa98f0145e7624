"""The step of a Rosenbrock method, written out for a model's equations: Jacobian, factors, stages, dense output."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from engine.models.calculus import ZERO, differentiate
from engine.models.expression import Apply, Expression, Number, evaluate, walk
from engine.models.specification import Model
from engine.models.structure import jacobian, rates
from engine.solvers import formulas
from engine.solvers.formulas import FORMULAS
from engine.solvers.stepping import control
from engine.solvers.stepping.control import Trial, combine
from engine.solvers.stepping.factors import factorise
from engine.solvers.stepping.symbols import Symbols
from engine.solvers.stepping.tables import RosenbrockTable

_DEGREE = 4
"""Coefficients of the dense output, a state."""
_BOUND = 1e200


def step(symbols: Symbols, table: RosenbrockTable, tolerance: float) -> tuple[list[Any], list[Any], Any]:
    """Rows carried on, coefficients of the dense output, and the length of the step."""
    tried = control.length(symbols)
    frequency = 1.0 / tried.value
    size = symbols.layout.states
    matrix = {place: -entry for place, entry in _jacobian(symbols).items()}
    for n in range(size):
        diagonal = frequency * (1.0 / table.gamma)
        matrix[n, n] = diagonal + matrix[n, n] if (n, n) in matrix else diagonal
    factors = factorise(matrix, size)
    slopes = _slopes(symbols)
    states, steps = list(symbols.states), [list[Any]() for _ in range(size)]
    for number, node in enumerate(table.nodes):
        if 0 < number < len(table.stages):
            weights = table.stages[number]
            states = [now + combine(weights, own) for now, own in zip(symbols.states, steps, strict=True)]
        elif number:
            states = [now + own[-1] for now, own in zip(states, steps, strict=True)]
        right = symbols.rates(symbols.time + node * tried.value, states)
        for n, own in enumerate(steps):
            if number:
                right[n] = right[n] + frequency * combine(table.coupling[number], own)
            if n in slopes and table.slopes[number]:
                right[n] = right[n] + (table.slopes[number] * tried.value) * slopes[n]
        for own, value in zip(steps, factors.solve(right), strict=True):
            own.append(value)
    later = [now + own[-1] for now, own in zip(states, steps, strict=True)]
    scale = control.weights(symbols, later, tolerance)
    error = formulas.total([(own[-1] * weight) ** 2.0 for own, weight in zip(steps, scale, strict=True)]) ** 0.5
    carried = control.carry(symbols, tried, Trial(later, error, formulas.number(0.0)), table.order)
    dense = []
    for now, end, own in zip(symbols.states, later, steps, strict=True):
        dense += [end - now, *(combine(weights, own) for weights in table.dense)]
    return carried, dense, tried.value


def sample(
    symbols: Symbols, _table: RosenbrockTable, dense: Sequence[Any], part: Any, _length: Any
) -> list[Any]:  # fmt: skip
    """States at a part of the step, 0 to 1, from the states at its start and the rows of the dense output."""
    states, left = [], 1.0 - part
    for n, now in enumerate(symbols.states):
        rise, first, second, third = dense[_DEGREE * n : _DEGREE * (n + 1)]
        states.append(now + part * (rise + left * (first + part * (second + part * third))))
    return states


def _names(symbols: Symbols) -> dict[str, Any]:
    states = zip(symbols.layout.model.state_names, symbols.states, strict=True)
    return {**symbols.parameters, **dict(states), "t": symbols.time}


def _jacobian(symbols: Symbols) -> dict[tuple[int, int], Any]:
    """Entries that are not always 0."""
    found = {}
    for row, entries in enumerate(jacobian(symbols.layout.model)):
        for column, entry in enumerate(entries):
            if entry != ZERO:
                found[row, column] = _finite(entry, symbols)
    return found


def _slopes(symbols: Symbols) -> dict[int, Any]:
    """Derivatives of the rates in time, of those that have one."""
    return {n: _finite(slope, symbols) for n, slope in enumerate(_in_time(symbols.layout.model)) if slope != ZERO}


@lru_cache(maxsize=64)
def _in_time(model: Model) -> tuple[Expression, ...]:
    return tuple(differentiate(rate, "t") for rate in rates(model))


def _finite(entry: Expression, symbols: Symbols) -> Any:
    """Value of a derivative, 0 where it is infinite: C**0.4 has none at 0, which is left by one small step."""
    value = evaluate(entry, _names(symbols), FORMULAS)
    if not any(_singular(node) for node in walk(entry)):
        return value
    return formulas.select(formulas.lt(value * value, formulas.number(_BOUND)), value, formulas.number(0.0))


def _singular(node: Expression) -> bool:
    match node:
        case Apply("pow", (_, Number(value))):
            return not value.is_integer()
        case Apply("pow" | "log" | "log10" | "sqrt" | "log1p", _):
            return True
    return False
