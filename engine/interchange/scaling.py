"""NONMEM's scale Sn: what amounts are divided by, with the conversion of units that hides in its number."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from engine.errors import ModelError
from engine.models.algebras.units import UNITS, Measure, factor, unit
from engine.models.calculus import divide, multiply
from engine.models.expression import Apply, Expression, Name, Number, evaluate

_AMOUNTS = ("kg", "g", "mg", "ug", "ng", "pg", "mol", "mmol", "umol", "nmol", "pmol")
SCALE = "F_SCALE"


class Prediction(NamedTuple):
    """F: its equation and unit, and the parameter that converts units, when there is one."""

    value: Expression
    unit: str
    scale: dict[str, object] | None


def prediction(
    amount: Expression, scale: Expression | None, known: Mapping[str, Measure], wanted: str | None, label: str
) -> Prediction:  # fmt: skip
    """Divide an amount by its scale, keeping units exact.

    Parameters
    ----------
    amount
        The observed compartment.
    scale
        Equation of Sn, None when $PK gives none.
    known
        Unit of each name in both.
    wanted
        Unit of F, where the caller gives it.
    label
        Put before a message.
    """
    rest, number = _separate(scale) if scale is not None else (Number(1.0), 1.0)
    value = divide(amount, rest)
    try:
        natural: Measure = evaluate(value, known, UNITS)
    except ModelError as error:
        raise ModelError(f"{label}: F = {value}: {error}") from None
    times = 1.0 / number
    if math.isclose(times, 1.0, rel_tol=1e-12):
        return Prediction(value, _same(natural, wanted, 1.0, label), None)
    text = _same(natural, wanted, times, label) if wanted else _shifted(natural, known, amount, times, label)
    ratio = str(unit(f"({text}) / ({natural})"))
    meaning = "conversion of units that the scale of the control stream contains"
    parameter: dict[str, object] = {"unit": ratio, "meaning": meaning, "value": times, "source": label}
    return Prediction(multiply(value, Name(SCALE)), text, parameter)


def _separate(scale: Expression) -> tuple[Expression, float]:
    """Take numbers out of a product: ``V / 1000`` is ``V`` and 0.001."""
    match scale:
        case Number(value):
            return Number(1.0), value
        case Apply("mul", (left, right)):
            (first, one), (second, other) = _separate(left), _separate(right)
            return multiply(first, second), one * other
        case Apply("div", (left, right)):
            (first, one), (second, other) = _separate(left), _separate(right)
            return divide(first, second), one / other if other else math.nan
    return scale, 1.0


def _same(natural: Measure, wanted: str | None, times: float, label: str) -> str:
    """Unit of F, checked against the number in its scale."""
    if wanted is None:
        return str(natural)
    found = factor(natural, unit(wanted))
    if found is None or not math.isclose(found, times, rel_tol=1e-9):
        means = f"a factor {found:g}" if found is not None else "another dimension"
        raise ModelError(
            f"{label}: units: F in {wanted} is {means} from {natural}, but the scale of the control stream contains "
            f"the factor {times:g}"
        )
    return wanted


def _shifted(natural: Measure, known: Mapping[str, Measure], amount: Expression, times: float, label: str) -> str:
    """Unit of F when its scale changes the prefix of the amount."""
    own: Measure = evaluate(amount, known, UNITS)
    for name in _AMOUNTS:
        if math.isclose(factor(own, unit(name)) or math.nan, times, rel_tol=1e-9):
            return str(unit(f"({natural}) / ({own}) * {name}"))
    raise ModelError(
        f"{label}: the scale of the control stream contains the factor {times:g}; "
        "say in which unit F is, units={'F': ...}"
    )
