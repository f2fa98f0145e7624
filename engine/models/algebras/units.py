"""Expressions over units of measurement, so that a model whose two sides differ is refused when it loads.

A unit is exact, scale included: mg/L and ug/mL are the same, mL and L are not, and nothing is converted behind the
author's back. A factor between units is a parameter that carries it, for instance ``{unit: ug/mg, value: 1000}``.
A number is dimensionless, except 0, which is 0 of everything.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from engine.errors import ModelError
from engine.models.expression import Algebra
from engine.models.operations import OPERATIONS

if TYPE_CHECKING:
    import pint

# Medicine's units pint lacks. A count of something is dimensionless, as INR and a score are.
_DEFINITIONS = (
    "international_unit = [biological_activity] = IU",
    "INR = []",
    "cell = []",
    "copy = []",
    "score = []",
    "mcg = microgram",
)
# Numbers other than 1 stand only in exponents: a unit has no factor, and text such as 9**9**9 must not be computed.
_UNIT = re.compile(r"(?:[A-Za-zµμ%][A-Za-zµμ_]*|1(?![\d.])|(?:\*\*|\^)\s*-?\d(?:\.\d{1,3})?|[*/()\s])+")
_LITRE = re.compile(r"\b([a-z]?)l\b")
_SAME = 1e-12


@dataclass(frozen=True, slots=True)
class Measure:
    """A unit, and the number itself where it is known when the model loads."""

    unit: "pint.Unit"
    constant: float | None = None

    @property
    def is_zero(self) -> bool:
        """True for a literal 0, which fits every unit."""
        return self.constant == 0

    def __str__(self) -> str:
        """Write the unit as people do; 1 when dimensionless."""
        text = f"{self.unit:~C}".replace("**", "^").replace("μ", "u")
        return _LITRE.sub(r"\1L", text) or "1"


@lru_cache(maxsize=1)
def _registry() -> "pint.UnitRegistry":
    import pint

    registry = pint.UnitRegistry(cache_folder=None)
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry


@lru_cache(maxsize=1024)
def unit(text: str) -> Measure:
    """Read a unit from text such as ``mg/L``, ``1/h``, ``L/h/kg``, ``percent``, ``1``; ModelError when it is none."""
    if len(text) > 80 or not _UNIT.fullmatch(text):
        raise ModelError(f"{text!r} is not a unit; write for instance mg/L, 1/h, L/h/kg, percent, or 1 for none")
    try:
        return Measure(_registry().Unit(text))
    except Exception:  # pint raises its tokenizer's, parser's and arithmetic's errors as they come
        raise ModelError(f"{text!r} is not a known unit (IU, INR, percent, cell, copy and SI units are)") from None


def same(first: Measure, second: Measure) -> bool:
    """Say whether the units are equal in dimension and in scale, or either is a literal 0."""
    if first.is_zero or second.is_zero or first.unit == second.unit:
        return True
    return math.isclose(factor(first, second) or math.nan, 1.0, rel_tol=_SAME)


def factor(first: Measure, second: Measure) -> float | None:
    """Count how many ``second`` are one ``first``; None when their dimensions differ."""
    if not first.unit.is_compatible_with(second.unit):
        return None
    return float(_registry().convert(1.0, first.unit, second.unit))


def difference(first: Measure, second: Measure) -> str:
    """Say how two units that are not the same differ and what to do."""
    scale = factor(first, second)
    if scale is None:
        return "their dimensions differ"
    return f"they differ by a factor {scale:g}; put it in a parameter that carries its unit"


def _one() -> "pint.Unit":
    return _registry().dimensionless


def _fold(function: Callable[..., float], *arguments: Measure) -> float | None:
    """Value of an operation on literals; None when an argument is not literal or the result is not a number."""
    values = [argument.constant for argument in arguments]
    if any(value is None for value in values):
        return None
    try:
        result = function(*values)
    except (ArithmeticError, ValueError):
        return None
    return float(result) if isinstance(result, int | float) and math.isfinite(result) else None


def _alike(verb: str, first: Measure, second: Measure) -> Measure:
    if not same(first, second):
        raise ModelError(f"cannot {verb} {first} and {second}: {difference(first, second)}")
    return Measure(second.unit if first.is_zero else first.unit)


def _add(first: Measure, second: Measure) -> Measure:
    return Measure(_alike("add", first, second).unit, _fold(lambda a, b: a + b, first, second))


def _subtract(first: Measure, second: Measure) -> Measure:
    return Measure(_alike("subtract", first, second).unit, _fold(lambda a, b: a - b, first, second))


def _multiply(first: Measure, second: Measure) -> Measure:
    if first.is_zero or second.is_zero:
        return Measure(_one(), 0.0)
    return Measure(first.unit * second.unit, _fold(lambda a, b: a * b, first, second))


def _divide(first: Measure, second: Measure) -> Measure:
    if second.is_zero:
        raise ModelError("division by 0")
    return Measure(first.unit / second.unit, _fold(lambda a, b: a / b, first, second))


def _power(base: Measure, exponent: Measure) -> Measure:
    _plain("an exponent", exponent)
    if exponent.constant is not None:
        return Measure(base.unit**exponent.constant, _fold(lambda a, b: a**b, base, exponent))
    if not same(base, Measure(_one())):
        raise ModelError(
            f"a base in {base} with an exponent that is not a number: write the base as a ratio, (c / c50)**gamma"
        )
    return Measure(_one())


def _plain(what: str, argument: Measure) -> None:
    if not same(argument, Measure(_one())):
        raise ModelError(f"{what} must be dimensionless, got {argument}")


def _dimensionless(name: str) -> Callable[[Measure], Measure]:
    def apply(argument: Measure) -> Measure:
        _plain(f"the argument of {name}", argument)
        return Measure(_one())

    return apply


def _compare(first: Measure, second: Measure) -> bool:
    _alike("compare", first, second)
    return True


def _keep(argument: Measure) -> Measure:
    return Measure(argument.unit)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    **{name: _dimensionless(name) for name, row in OPERATIONS.items() if row.takes == (False,)},
    **{name: lambda *_: True for name in ("or", "and", "not")},
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), _compare),
    "add": _add, "sub": _subtract, "mul": _multiply, "div": _divide, "pow": _power, "abs": _keep,
    "neg": lambda a: Measure(a.unit, _fold(lambda x: -x, a)),
    "sqrt": lambda a: Measure(a.unit**0.5),
    "where": lambda _, a, b: _alike("choose between", a, b),
    "min": lambda a, b: _alike("take the smaller of", a, b),
    "max": lambda a, b: _alike("take the larger of", a, b),
}  # fmt: skip

UNITS = Algebra("units", lambda value: Measure(_one(), value), _OPERATIONS)
"""Values are :class:`Measure`; a condition is True."""
