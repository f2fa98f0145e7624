"""Which step is accepted and how long the next one is, as part of the compiled step.

An error counts relative to each state's own size, down to a floor below which it counts as absolute. A step that has to
stop at a dose does not shorten those after it, and the first step after a dose is as long as suited after the dose
before. A step of length 0, of who waits at a stop, changes nothing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.solvers import formulas
from engine.solvers.formulas import absolute, larger, smaller
from engine.solvers.stepping.symbols import Symbols

_SAFETY, _LEAST, _MOST = 0.9, 0.15, 6.0
REACH = 1.01
"""A step goes on to its stop when it would end so near before it."""


class Trial(NamedTuple):
    """A step that was computed: states at its end, size of its error in tolerances, whether it looks stiff (1 or 0)."""

    states: list[Any]
    error: Any
    stiff: Any


class Length(NamedTuple):
    """Length of the step, and whether it reaches the stop."""

    value: Any
    reaches: Any


def combine(weights: Sequence[float], values: Sequence[Any]) -> Any:
    """Sum of products, without those of weight 0."""
    terms = [weight * value for weight, value in zip(weights, values, strict=False) if weight]
    return formulas.total(terms) if len(terms) > 1 else terms[0]


def length(symbols: Symbols) -> Length:
    """Length to try: no further than the stop."""
    left = symbols.stop - symbols.time
    reaches = formulas.le(left, REACH * symbols.length)
    return Length(formulas.select(reaches, left, symbols.length), reaches)


def weights(symbols: Symbols, later: Sequence[Any], tolerance: float) -> list[Any]:
    """Inverse of what is tolerated in each state."""
    pairs = zip(symbols.states, later, symbols.floor, strict=True)
    return [1.0 / (tolerance * (larger(absolute(a), absolute(b)) + floor)) for a, b, floor in pairs]


def carry(symbols: Symbols, tried: Length, trial: Trial, order: int) -> list[Any]:
    """Rows carried to the next step."""
    good = formulas.le(trial.error, formulas.number(1.0))
    factor = _SAFETY * (trial.error + 1e-30) ** (-1.0 / order)
    grown = tried.value * smaller(factor, formulas.number(_MOST))
    # A step cut short at a stop says little of how long it might have been.
    longer = larger(grown, smaller(tried.value * factor, symbols.length))
    shorter = tried.value * larger(factor, formulas.number(_LEAST))
    following = formulas.select(
        formulas.gt(tried.value, formulas.number(0.0)), formulas.select(good, longer, shorter), symbols.length
    )
    end = formulas.select(tried.reaches, symbols.stop, symbols.time + tried.value)
    count = formulas.select(trial.stiff, symbols.stiff + 1.0, 0.75 * symbols.stiff)
    states = [formulas.select(good, later, now) for later, now in zip(trial.states, symbols.states, strict=True)]
    return [
        *states, formulas.select(good, end, symbols.time), following,
        formulas.select(formulas.both(good, symbols.fresh), following, symbols.first),
        formulas.select(good, formulas.number(0.0), symbols.fresh), formulas.select(good, count, symbols.stiff),
    ]  # fmt: skip
