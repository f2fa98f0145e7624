"""The step of an explicit Runge-Kutta pair, written out for a model's equations."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.solvers import formulas
from engine.solvers.stepping import control, half
from engine.solvers.stepping.control import Trial, combine
from engine.solvers.stepping.symbols import Symbols
from engine.solvers.stepping.tables import ExplicitTable

_WEIGHT, _LEAST = 0.01, 1e-300
_DEGREE = 7
"""Coefficients of the dense output, a state."""


def step(symbols: Symbols, table: ExplicitTable, tolerance: float) -> tuple[list[Any], list[Any], Any]:
    """Rows carried on, coefficients of the dense output, and the length of the step."""
    tried = control.length(symbols)
    stages = _Stages(symbols, tried.value)
    for weights, node in zip(table.stages, table.nodes[1:], strict=True):
        stages.add(weights, node)
    before, later = stages.states[-2:]
    scale = control.weights(symbols, later, tolerance)
    fifth, third = (stages.norm({n: combine(row, k) for n, k in stages.slopes.items()}, scale) for row in table.errors)
    error = tried.value * fifth / ((fifth + _WEIGHT * third + _LEAST) ** 0.5)
    bend = stages.norm({n: k[-1] - k[-2] for n, k in stages.slopes.items()}, scale)
    apart = stages.norm({n: later[n] - before[n] for n in stages.slopes}, scale)
    stiff = formulas.gt(tried.value**2.0 * bend, table.stability**2 * apart)
    carried = control.carry(symbols, tried, Trial(later, error, stiff), table.order)
    for weights, node in zip(table.dense_stages, table.dense_nodes, strict=True):
        stages.add(weights, node)
    dense = [*_coefficients(symbols, table, stages, later), *(stages.half.rows() if stages.half else ())]
    return carried, dense, tried.value


def sample(
    symbols: Symbols, _table: ExplicitTable, dense: Sequence[Any], part: Any, length: Any
) -> list[Any]:  # fmt: skip
    """States at a part of the step, 0 to 1, from the states at its start and the rows of the dense output."""
    layout, left = symbols.layout, 1.0 - part
    found = {}
    for place, n in enumerate(layout.numeric):
        total = dense[_DEGREE * place + _DEGREE - 1]
        for degree in range(_DEGREE - 2, -1, -1):
            total = dense[_DEGREE * place + degree] + (left if degree % 2 == 0 else part) * total
        found[n] = symbols.states[n] + part * total
    if layout.form:
        rest = dense[_DEGREE * len(layout.numeric) :]
        found |= half.sampled(layout.form, symbols.states, rest, layout.infused).at(part * length)
    return [found[n] for n in range(layout.states)]


class _Stages:
    """Stages of a step so far: their states, and the slopes of the states the method carries, by number."""

    def __init__(self, symbols: Symbols, length: Any) -> None:
        self.symbols, self.length, self.half = symbols, length, symbols.half()
        self.states = [list(symbols.states)]
        rates = symbols.rates(symbols.time, symbols.states)
        self.slopes = {n: [rates[n]] for n in symbols.layout.numeric}

    def add(self, weights: Sequence[float], node: float) -> None:
        """Add a stage."""
        symbols = self.symbols
        found = self.half.at(node * self.length) if self.half else {}
        for n, slopes in self.slopes.items():
            found[n] = symbols.states[n] + self.length * combine(weights, slopes)
        states = [found[n] for n in range(len(found))]
        rates = symbols.rates(symbols.time + node * self.length, states)
        for n, slopes in self.slopes.items():
            slopes.append(rates[n])
        self.states.append(states)

    @staticmethod
    def norm(values: Mapping[int, Any], scale: Sequence[Any]) -> Any:
        """Sum of squares of scaled values."""
        return formulas.total([(value * scale[n]) ** 2.0 for n, value in values.items()])


def _coefficients(symbols: Symbols, table: ExplicitTable, stages: _Stages, later: list[Any]) -> list[Any]:
    rows = []
    for n, slopes in stages.slopes.items():
        rise, first, last = later[n] - symbols.states[n], slopes[0], slopes[len(table.stages)]
        rows += [rise, stages.length * first - rise, 2.0 * rise - stages.length * (last + first)]
        rows += [stages.length * combine(weights, slopes) for weights in table.dense]
    return rows
