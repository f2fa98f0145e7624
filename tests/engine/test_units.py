"""Units: what is one, when two are the same, and the rule of every operation."""

import pytest

from engine.errors import ModelError
from engine.models.algebras.units import UNITS, difference, factor, same, unit
from engine.models.expression import evaluate, parse
from engine.models.operations import OPERATIONS

KNOWN = {
    "m": unit("mg"),
    "g": unit("g"),
    "v": unit("L"),
    "ml": unit("mL"),
    "c": unit("mg/L"),
    "h": unit("h"),
    "d": unit("day"),
    "k": unit("1/h"),
    "one": unit("1"),
    "pc": unit("percent"),
    "inr": unit("INR"),
    "iu": unit("IU"),
    "scale": unit("ug/mg"),
}


MEDICAL = """
1 mg mg/L 1/h L/h/kg ug/mL mcg/mL percent % INR IU/L mmHg nM mmol/L cell/uL kDa mg**0.5 mg^2 mg/(L*h) 1/day week month
year mg*h/L copy/mL score kg/m^2
"""


@pytest.mark.parametrize("text", MEDICAL.split())
def test_medicines_units_are_known(text):
    assert same(unit(text), unit(text))


@pytest.mark.parametrize(
    "text", ["", "5", "10/L", "1000*mg", "litter", "9**9**9", "mg**1000", "__class__", "mg;", "mg/", "a" * 90]
)
def test_what_is_no_unit_is_refused(text):
    with pytest.raises(ModelError, match=r"is not a (known )?unit"):
        unit(text)


@pytest.mark.parametrize(
    ("a", "b"), [("mg/L", "ug/mL"), ("INR", "1"), ("h", "hour"), ("1/h", "1/hour"), ("mcg", "ug"), ("cell", "1")]
)
def test_units_equal_in_scale_are_the_same(a, b):
    assert same(unit(a), unit(b))


@pytest.mark.parametrize(
    ("a", "b", "scale"),
    [("L", "mL", 1000), ("day", "h", 24), ("percent", "1", 0.01), ("mg/L", "ng/mL", 1000), ("g", "mg", 1000)],
)
def test_units_of_another_scale_differ_by_a_known_factor(a, b, scale):
    assert not same(unit(a), unit(b))
    assert factor(unit(a), unit(b)) == pytest.approx(scale)
    assert f"factor {scale:g}" in difference(unit(a), unit(b))


@pytest.mark.parametrize(("a", "b"), [("mg", "L"), ("IU", "mg"), ("mmol", "mg"), ("IU", "1"), ("h", "1/h")])
def test_units_of_another_dimension_have_no_factor(a, b):
    assert factor(unit(a), unit(b)) is None
    assert not same(unit(a), unit(b))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("m / v", "mg/L"),
        ("m / v + c", "mg/L"),
        ("k * m - 2 * k * m", "mg/h"),
        ("-m", "mg"),
        ("m * scale", "ug"),
        ("(m / g)**2", "mg^2/g^2"),
        ("m**2 / m**(3 - 2)", "mg"),
        ("m**0.5 * m**0.5", "mg"),
        ("sqrt(m * m)", "mg"),
        ("exp(-k * h)", "1"),
        ("log(c / (m / v))", "1"),
        ("(c / (m / v))**one", "1"),
        ("2**one", "1"),
        ("one**2.5", "1"),
        ("max(m, 0)", "mg"),
        ("0 + m", "mg"),
        ("m * 0 + v", "L"),
        ("where(h > 0 and m < 2 * m, c, m / v)", "mg/L"),
        ("abs(-inr) + 1", "1"),
        ("where(not k == 0, tanh(one), sin(one))", "1"),
        ("log10(one) + log1p(one) + expm1(one) + cos(one) + tan(one)", "1"),
        ("min(m, m * one)", "mg"),
        ("percent_free * pc", "percent"),
    ],
)  # fmt: skip
def test_units_follow_through_expressions(text, result):
    found = evaluate(parse(text), {**KNOWN, "percent_free": unit("1")}, UNITS)
    assert same(found, unit(result))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m + v", "cannot add mg and L: their dimensions differ"),
        ("v - ml", "cannot subtract L and mL: they differ by a factor 1000; put it in a parameter"),
        ("m + 1", "cannot add mg and 1"),
        ("pc + 1", "cannot add % and 1: they differ by a factor 0.01"),
        ("exp(m)", "the argument of exp must be dimensionless, got mg"),
        ("exp(-k * d)", r"the argument of exp must be dimensionless, got d/h"),
        ("log(pc)", "the argument of log must be dimensionless, got %"),
        (
            "c**one",
            r"a base in mg/L with an exponent that is not a number: write the base as a ratio, \(c / c50\)\*\*gamma",
        ),
        ("2**m", "an exponent must be dimensionless, got mg"),
        ("where(h > 2, m, m)", "cannot compare h and 1"),
        ("where(h > d, m, m)", "cannot compare h and d: they differ by a factor"),
        ("where(h > h, m, v)", "cannot choose between mg and L"),
        ("min(m, v)", "cannot take the smaller of mg and L"),
        ("max(m, 1)", "cannot take the larger of mg and 1"),
        ("m / 0", "division by 0"),
    ],
)
def test_what_cannot_be_is_refused_with_both_units(text, message):
    with pytest.raises(ModelError, match=message):
        evaluate(parse(text), KNOWN, UNITS)


@pytest.mark.parametrize(
    "name", [n for n, row in OPERATIONS.items() if row.takes == (False,) and n not in ("neg", "abs", "sqrt")]
)
def test_a_function_of_a_quantity_is_refused(name):
    with pytest.raises(ModelError, match=f"the argument of {name} must be dimensionless, got mg"):
        evaluate(parse(f"{name}(m)"), KNOWN, UNITS)
