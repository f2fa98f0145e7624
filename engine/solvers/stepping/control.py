"""Which step is accepted and how long the next one is, as part of the compiled step.

An error counts relative to each state's own size, down to a floor below which it counts as absolute. A step that has to
stop at a dose does not shorten those after it, and the first step after a dose is as long as suited after the dose
before. A step of length 0, of who waits at a stop, changes nothing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

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
    import heyoka as hy

    terms = [weight * value for weight, value in zip(weights, values, strict=False) if weight]
    return hy.sum(terms) if len(terms) > 1 else terms[0]


def magnitude(value: Any) -> Any:
    """Absolute value."""
    import heyoka as hy

    return hy.select(hy.lt(value, hy.expression(0.0)), -value, value)


def larger(a: Any, b: Any) -> Any:
    """The larger of two; the second where the first is no number."""
    import heyoka as hy

    return hy.select(hy.gt(a, b), a, b)


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two; the second where the first is no number."""
    import heyoka as hy

    return hy.select(hy.lt(a, b), a, b)


def length(symbols: Symbols) -> Length:
    """Length to try: no further than the stop."""
    import heyoka as hy

    left = symbols.stop - symbols.time
    reaches = hy.lte(left, REACH * symbols.length)
    return Length(hy.select(reaches, left, symbols.length), reaches)


def weights(symbols: Symbols, later: Sequence[Any], tolerance: float) -> list[Any]:
    """Inverse of what is tolerated in each state."""
    pairs = zip(symbols.states, later, symbols.floor, strict=True)
    return [1.0 / (tolerance * (larger(magnitude(a), magnitude(b)) + floor)) for a, b, floor in pairs]


def carry(symbols: Symbols, tried: Length, trial: Trial, order: int) -> list[Any]:
    """Rows carried to the next step."""
    import heyoka as hy

    good = hy.lte(trial.error, hy.expression(1.0))
    factor = _SAFETY * (trial.error + 1e-30) ** (-1.0 / order)
    grown = tried.value * smaller(factor, hy.expression(_MOST))
    # A step cut short at a stop says little of how long it might have been.
    longer = larger(grown, smaller(tried.value * factor, symbols.length))
    shorter = tried.value * larger(factor, hy.expression(_LEAST))
    following = hy.select(hy.gt(tried.value, hy.expression(0.0)), hy.select(good, longer, shorter), symbols.length)
    end = hy.select(tried.reaches, symbols.stop, symbols.time + tried.value)
    count = hy.select(trial.stiff, symbols.stiff + 1.0, 0.75 * symbols.stiff)
    states = [hy.select(good, later, now) for later, now in zip(trial.states, symbols.states, strict=True)]
    return [
        *states, hy.select(good, end, symbols.time), following,
        hy.select(hy.logical_and([good, symbols.fresh]), following, symbols.first),
        hy.select(good, hy.expression(0.0), symbols.fresh), hy.select(good, count, symbols.stiff),
    ]  # fmt: skip
