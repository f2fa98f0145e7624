"""The step of Taylor's method, written out for a model's equations."""

import math
from collections.abc import Sequence
from typing import Any

from engine.models import equations
from engine.solvers import formulas
from engine.solvers.stepping import control, half, series
from engine.solvers.stepping.control import Length
from engine.solvers.stepping.half import Half
from engine.solvers.stepping.series import Series, constant
from engine.solvers.stepping.symbols import Symbols
from engine.solvers.stepping.tables import SeriesTable

_SAFETY, _LEAST, _FINITE = 0.9, 1e-300, 1e300
_GROWING = 1.05
_ALIGNED = 0.8
"""Square of the cosine between the last coefficients from which a fast decay is taken to rule them."""


def step(symbols: Symbols, table: SeriesTable, tolerance: float) -> tuple[list[Any], list[Any], Any]:
    """Rows carried on, coefficients of the dense output, and the length of the step."""
    linear = symbols.half()
    solution = _solution(symbols, linear)
    numeric = {n: [solution[n][k] for k in range(table.order + 1)] for n in symbols.layout.numeric}
    suits, stiff = _length(symbols, numeric, table.order, tolerance)
    left = symbols.stop - symbols.time
    reaches = formulas.le(left, control.REACH * suits)
    tried = Length(formulas.select(reaches, left, suits), reaches)
    dense = [_present(value) for coefficients in numeric.values() for value in coefficients[1:]]
    ends = linear.at(tried.value) if linear else {}
    for place, n in enumerate(numeric):
        ends[n] = _along(symbols.states[n], dense[table.order * place : table.order * (place + 1)], tried.value)
    states = [ends[n] for n in range(symbols.layout.states)]
    good = formulas.le(formulas.total([state**2.0 for state in states]) + suits * 0.0, formulas.number(_FINITE))
    count = formulas.select(stiff, symbols.stiff + 1.0, 0.75 * symbols.stiff)
    end = formulas.select(tried.reaches, symbols.stop, symbols.time + tried.value)
    carried = [
        *(formulas.select(good, later, now) for later, now in zip(states, symbols.states, strict=True)),
        formulas.select(good, end, symbols.time), formulas.select(good, suits, formulas.number(0.0)),
        symbols.first, symbols.fresh, formulas.select(good, count, symbols.stiff),
    ]  # fmt: skip
    return carried, [*dense, *(linear.rows() if linear else ())], tried.value


def sample(symbols: Symbols, table: SeriesTable, dense: Sequence[Any], part: Any, length: Any) -> list[Any]:
    """States at a part of the step, 0 to 1, from the states at its start and the rows of the dense output."""
    layout, order, elapsed = symbols.layout, table.order, part * length
    found = {}
    for place, n in enumerate(layout.numeric):
        found[n] = _along(symbols.states[n], dense[order * place : order * (place + 1)], elapsed)
    if layout.form:
        rest = dense[order * len(layout.numeric) :]
        found |= half.sampled(layout.form, symbols.states, rest, layout.infused).at(elapsed)
    return [found[n] for n in range(layout.states)]


def _solution(symbols: Symbols, linear: Half | None) -> list[Series]:
    """Series of every state; each coefficient is worked out from the rates below it."""
    layout = symbols.layout
    rates: dict[int, Series] = {}

    def numeric(n: int) -> Series:
        def following(k: int) -> Any:
            if k == 0:
                return symbols.states[n]
            return series.product(rates[n][k - 1], 1.0 / k)

        return Series(following)

    exact = _exponentials(symbols, linear) if linear else {}
    found = [exact[n] if n in exact else numeric(n) for n in range(layout.states)]
    names = dict(zip(layout.model.state_names, found, strict=True))
    parameters = {name: constant(value) for name, value in symbols.parameters.items()}
    slopes = equations.derivatives(layout.model, series.algebra(), series.clock(symbols.time), names, parameters)
    for n, rate in enumerate(slopes.values()):
        rates[n] = _inflow(rate, symbols.flow[n]) if n in symbols.flow else rate
    return found


def _inflow(rate: Series, flow: Any) -> Series:
    return Series(lambda k: rate[k] if k else series.total([rate[0], flow]))


def _exponentials(symbols: Symbols, linear: Half) -> dict[int, Series]:
    """Series of the linear part: the k-th derivative of exp(rate s) is rate**k exp(rate s)."""

    def one(place: int, n: int) -> Series:
        terms = {k: linear.rate[k] * value for (k, i), value in linear.part.items() if i == place}
        for (k, i), value in linear.driven.items():
            if i == place:
                terms[k] = terms[k] + value if k in terms else value
        known = [terms]

        def following(order: int) -> Any:
            if order == 0:
                return symbols.states[n]
            while len(known) < order:
                known.append({k: linear.rate[k] * value for k, value in known[-1].items()})
            return series.product(series.total(list(known[order - 1].values())), 1.0 / math.factorial(order))

        return Series(following)

    return {n: one(place, n) for place, n in enumerate(linear.states)}


def _length(symbols: Symbols, numeric: dict[int, list[Any]], order: int, tolerance: float) -> tuple[Any, Any]:
    """Length whose last two terms are within the tolerance, and whether a fast decay rules them."""
    if not numeric:
        return formulas.number(_FINITE), formulas.number(0.0)
    scale = {n: 1.0 / (formulas.absolute(symbols.states[n]) + symbols.floor[n]) for n in numeric}

    sized = {n: {k: series.product(c[k], scale[n]) for k in (order - 1, order)} for n, c in numeric.items()}

    def inner(a: int, b: int) -> Any:
        terms = [series.product(c[a], c[b]) for c in sized.values()]
        found = series.total(terms)
        return formulas.number(0.0) if found is None else found

    last, before, both = inner(order, order), inner(order - 1, order - 1), inner(order, order - 1)
    lengths = [
        (2.0 * math.log(tolerance) - formulas.log(norm + _LEAST)) * (0.5 / k)
        for norm, k in ((last, order), (before, order - 1))
    ]
    suits = _SAFETY * formulas.exp(formulas.smaller(*lengths))
    # Beside a place without a series coefficients look so too, but steps away from it grow.
    stiff = formulas.both(
        formulas.lt(both, 0.0), formulas.gt(both * both, _ALIGNED * last * before),
        formulas.lt(suits, _GROWING * symbols.length),
    )  # fmt: skip
    return suits, stiff


def _present(value: Any) -> Any:
    return formulas.number(0.0) if value is None else value


def _along(start: Any, coefficients: Sequence[Any], elapsed: Any) -> Any:
    """Value of a series, by Horner's rule, from its start and the other coefficients."""
    found = coefficients[-1]
    for value in reversed(coefficients[:-1]):
        found = value + elapsed * found
    return start + elapsed * found
